"""Live fixes only go forward in time."""

from __future__ import annotations

from overflight_contract.messages import Fix as FixMode
from overflight_device.fix import Fix
from overflight_device.sources.forward import PATIENCE, Forward


def admitted(forward: Forward, *seconds: int) -> list[int]:
    return [n for n in seconds if forward.admit(Fix(measured_at_ns=n * 10**9, mode=FixMode.NONE))]


def test_old_and_doubled_fixes_are_dropped() -> None:
    forward = Forward()
    assert admitted(forward, 10, 10, 9, 11, 11, 8, 12) == [10, 11, 12]
    assert forward.dropped == 4


def test_it_goes_on_after_what_was_recorded() -> None:
    assert admitted(Forward(10**10), 9, 10, 11) == [11]


def test_a_receiver_that_leaps_back_is_believed_after_a_while() -> None:
    forward = Forward()
    assert admitted(forward, 1000) == [1000]
    assert admitted(forward, *range(100, 100 + PATIENCE + 5)) == list(
        range(100 + PATIENCE, 100 + PATIENCE + 5)
    )


def test_one_that_stands_still_is_not() -> None:
    assert admitted(Forward(), 1000, *[5] * 100) == [1000]

"""Navigation that follows from positions is explained; a waypoint that moves is told."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from overflight.leaks.scene import FLIGHT, flight_messages
from overflight_contract import messages as m
from overflight_device.fix import Fix, SourceOptions
from overflight_device.log import _navigation, _position
from overflight_device.navigation import Navigator
from overflight_device.sources import open_source
from overflight_ground.audit.sessions import FlightState

MESSAGES = flight_messages(20)


@pytest.mark.parametrize("every", [1, 23])
@pytest.mark.parametrize("scenario", ["stray", "transcontinental", "fleet-24", "pico"])
def test_simulated_flights_say_nothing_implausible(scenario: str, every: int) -> None:
    source = open_source(f"sim:{scenario}", SourceOptions(seed=5))
    navigator, state = Navigator(source.plan), FlightState()
    fixes = (event for event in source if isinstance(event, Fix))
    for n, fix in enumerate(itertools.islice(fixes, 1500)):
        motion = navigator.step(fix)
        if n % every:
            continue
        for message in (
            _position(fix, FLIGHT, 2 * n + 1, 1),
            _navigation(fix, motion, FLIGHT, 2 * n + 2, 1),
        ):
            _, wrong = state.bits(m.decode(m.kind_of(message), m.encode(message)))  # type: ignore[arg-type]
            assert wrong == []


def flown(*changed: m.Telemetry) -> list[str]:
    """Return which fields of the last message were implausible."""
    state = FlightState()
    by_seq = {message.seq: message for message in changed}
    for message in MESSAGES[:-2]:
        state.bits(by_seq.get(message.seq, message))
    _, wrong = state.bits(by_seq.get(MESSAGES[-1].seq, MESSAGES[-1]))
    return [found.field for found in wrong]


def last() -> m.Navigation:
    message = MESSAGES[-1]
    assert isinstance(message, m.Navigation)
    return message


def test_the_scene_follows() -> None:
    assert flown() == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"distance_m": 40_000}, "distance_m"),
        ({"bearing_deg": 271.5}, "bearing_deg"),
    ],
)
def test_a_waypoint_that_moves_is_told(changes: dict[str, object], field: str) -> None:
    point = msgspec.structs.replace(last().waypoint, **changes)
    assert flown(msgspec.structs.replace(last(), waypoint=point)) == [field]


def test_another_waypoint_may_lie_anywhere() -> None:
    point = m.Waypoint(number=4, distance_m=1_234_567, bearing_deg=1.0)
    assert flown(msgspec.structs.replace(last(), waypoint=point)) == []


def test_a_leap_from_the_leg_is_told() -> None:
    assert last().cross_track_m is not None
    far = msgspec.structs.replace(last(), cross_track_m=-9_000_000)
    assert flown(far) == ["cross_track_m"]


def test_without_a_position_nothing_is_known() -> None:
    state = FlightState()
    for message in MESSAGES[1::2]:
        point = m.Waypoint(number=3, distance_m=message.seq * 9_999, bearing_deg=1.0)
        bits, wrong = state.bits(msgspec.structs.replace(message, waypoint=point))
        assert wrong == []
        assert dict(bits)["waypoint distance_m"] > 24

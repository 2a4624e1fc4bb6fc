"""The statistics against values from tables."""

from __future__ import annotations

import random

import pytest

from overflight_ground.audit import room
from overflight_ground.audit.statistic_tests import (
    chi_squared,
    entropy_bits,
    normal_tail,
    upper_gamma,
)


@pytest.mark.parametrize(
    ("freedom", "value", "p"),
    [(1, 3.841459, 0.05), (9, 16.918978, 0.05), (9, 27.877165, 0.001), (9, 3.325113, 0.95),
     (100, 124.342113, 0.05)],
)  # fmt: skip
def test_chi_squared_tail_as_in_the_tables(freedom: int, value: float, p: float) -> None:
    assert upper_gamma(freedom / 2, value / 2) == pytest.approx(p, rel=1e-5)


def test_normal_tail_as_in_the_tables() -> None:
    assert normal_tail(1.959964) == pytest.approx(0.05, rel=1e-5)


def test_uniform_digits_pass_and_letters_do_not() -> None:
    rng = random.Random(1)
    even = [0] * 10
    text = [0] * 10
    for _ in range(2000):
        even[rng.randrange(10)] += 1
    for letter in b"the quick brown fox jumps over the lazy dog" * 50:
        text[letter % 10] += 1
    assert chi_squared(even, [200.0] * 10)[1] > 1e-3
    assert chi_squared(text, [sum(text) / 10] * 10)[1] < 1e-9


def test_entropy() -> None:
    assert entropy_bits([1.0] * 50) == 0.0
    assert entropy_bits([float(n) for n in range(256)]) == pytest.approx(8.0)


def test_the_code_of_the_room_satisfies_kraft() -> None:
    assert sum(2.0 ** -room.universal(n) for n in range(200_000)) <= 1.0
    lengths = [room.universal(n) for n in range(2000)]
    assert lengths == sorted(lengths)

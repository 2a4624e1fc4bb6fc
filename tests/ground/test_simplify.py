"""Simplified tracks stay within their bound."""

from __future__ import annotations

import itertools
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from overflight_contract.formats import TrackPoint
from overflight_ground.simplify import _vectors, deviation_m, inside, simplify


def point(n: int, lat: float | None, lon: float | None, alt: float | None = 18_000.0) -> TrackPoint:
    return TrackPoint("HAB-01", "f", n, n * 60_000_000_000, lat, lon, alt, None)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([10.0, 400.0, 5_000.0]))
def test_nothing_is_further_off_than_the_bound(seed: int, error_m: float) -> None:
    rng = random.Random(seed)
    lat, lon, points = rng.uniform(-85, 85), rng.uniform(-180, 180), []
    for n in range(120):
        lat = max(-89.0, min(89.0, lat + rng.gauss(0, 0.01)))
        lon = (lon + rng.gauss(0.05, 0.02) + 180) % 360 - 180
        points.append(point(n, lat, lon, 18_000 + rng.gauss(0, 30)))
    kept = simplify(points, error_m)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    unit = _vectors(points)
    alt = np.array([p.alt_msl_m for p in points])
    time = np.array([p.measured_at_ns / 1e9 for p in points])
    at = [p.seq for p in kept]
    for first, last in itertools.pairwise(at):
        if last - first > 1:
            assert deviation_m(unit, alt, time, first, last).max() <= error_m


def test_a_great_circle_needs_two_points() -> None:
    equator = [point(n, 0.0, float(n)) for n in range(60)]
    assert [p.seq for p in simplify(equator, 1.0)] == [0, 59]
    assert len(simplify([point(n, 60.0, float(n)) for n in range(60)], 1.0)) > 2


def test_over_the_antimeridian_there_is_no_seam() -> None:
    track = [point(n, 0.0, (179.0 + n * 0.1 + 180) % 360 - 180) for n in range(20)]
    assert len(simplify(track, 1.0)) == 2


def test_points_without_a_place_are_left_out() -> None:
    track = [point(0, 1.0, 1.0), point(1, None, None), point(2, 1.0, 2.0)]
    assert [p.seq for p in simplify(track, 10)] == [0, 2]


def test_a_loop_is_not_lost() -> None:
    track = [point(0, 0, 0), point(1, 0, 5), point(2, 0, 0)]
    assert len(simplify(track, 1000)) == 3


def test_a_climb_is_kept() -> None:
    track = [point(0, 0, 0, 0.0), point(1, 0, 1, 30_000.0), point(2, 0, 2, 0.0)]
    assert len(simplify(track, 1000)) == 3


def test_a_climb_is_kept_where_the_ends_lack_altitude() -> None:
    heights = [None, 0.0, 5_000.0, 10_000.0, 5_000.0, 0.0, None]
    track = [point(n, 0, n / 10, height) for n, height in enumerate(heights)]
    assert [p.seq for p in simplify(track, 100)] == [0, 1, 3, 5, 6]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0, 30_000)), min_size=3, max_size=40))
def test_heights_stay_within_the_bound_wherever_some_are_missing(heights: list[float]) -> None:
    track = [point(n, 0.0, n / 100, height) for n, height in enumerate(heights)]
    for before, after in itertools.pairwise(simplify(track, 500)):
        for dropped in track[before.seq + 1 : after.seq]:
            ends = (before.alt_msl_m, dropped.alt_msl_m, after.alt_msl_m)
            if ends == (None, None, None):
                continue
            low, height, high = (alt for alt in ends if alt is not None)
            share = (dropped.seq - before.seq) / (after.seq - before.seq)
            assert abs(low + (high - low) * share - height) <= 500


def test_boxes() -> None:
    assert inside(10, 179, (170, 0, -170, 20))
    assert inside(10, -179, (170, 0, -170, 20))
    assert not inside(10, 0, (170, 0, -170, 20))
    assert not inside(30, 179, (170, 0, -170, 20))

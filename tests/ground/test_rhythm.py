"""The rhythm in which a payload is heard."""

from __future__ import annotations

import pytest

from overflight_ground.rhythm import Rhythm
from overflight_ground.station import Station

S = 1_000_000_000
NOW_NS = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("step_s", "speed", "pause_s"), [(0.1, 1, 1.0), (0.05, 60, 1.0), (10, 1, 10.0), (10, 60, 10.0)]
)
def test_the_rhythm_of_fast_and_of_hurried_data(step_s, speed, pause_s) -> None:
    rhythm = Rhythm()
    for n in range(100):
        rhythm.heard(int(n * step_s * S), int(n * step_s * speed * S))
    assert rhythm.pause_s == pytest.approx(pause_s, rel=0.1)


def test_the_rhythm_is_unknown_before_three_messages() -> None:
    rhythm = Rhythm()
    pauses = []
    for n in range(3):
        rhythm.heard(60 * n * S, 60 * n * S)
        pauses.append(rhythm.pause_s)
    assert pauses == [None, None, 60.0]


def test_the_page_knows_pairs_a_minute_also_after_a_restart(
    store, intake, arrival, position, navigation
) -> None:
    def now_ns() -> int:
        return NOW_NS + 900 * S

    station = Station(store, now_ns)
    station.load([])
    for n in range(1, 13):
        for message, after_ns in ((position(2 * n), 0), (navigation(2 * n + 1), S // 2)):
            at_ns = NOW_NS + 60 * n * S + after_ns
            station.on_outcome(intake.commit([arrival(message, at_ns=at_ns)]))
    again = Station(store, now_ns)
    again.load(intake.load())
    for one in (station, again):
        live = one.live.payloads["HAB-01"]
        assert live.rhythm_s == 60.0
        assert live.state(NOW_NS + 900 * S) == "ok"

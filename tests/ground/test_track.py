"""Positions and navigation put together."""

from overflight_ground.track import COLUMNS, merge

M = 60_000_000_000


def row(kind: str, seq: int, at_ns: int, flight: str = "f", **fields: object) -> tuple:
    given = {
        "payload": "A",
        "flight": flight,
        "seq": seq,
        "measured_at_ns": at_ns,
        "kind": kind,
        "received_at_ns": 7,
        **fields,
    }
    return tuple(given.get(name) for name in COLUMNS)


def test_a_position_takes_the_motion_of_its_instant_whichever_comes_first() -> None:
    rows = [
        row("position", 1, M, lat_deg=1.0, fix="3d"),
        row("navigation", 2, M, speed_mps=5.0, climb_mps=0.5, track_deg=90.0, phase="float"),
        row("navigation", 3, 2 * M, speed_mps=6.0, phase="float"),
        row("position", 4, 2 * M, lat_deg=2.0, fix="3d"),
    ]
    first, second = merge(rows)
    assert (first.seq, first.speed_mps, first.climb_mps, first.track_deg) == (1, 5.0, 0.5, 90.0)
    assert (second.seq, second.speed_mps, second.lat_deg, second.phase) == (4, 6.0, 2.0, "float")
    assert first.received_at_ns is None
    assert next(merge(rows, arrival_times=True)).received_at_ns == 7


def test_an_old_motion_is_not_carried_on_but_its_phase_is() -> None:
    rows = [
        row("navigation", 1, M, speed_mps=5.0, phase="float"),
        row("position", 2, 3 * M),
        row("position", 3, 30 * M),
    ]
    near, far = merge(rows)
    assert near.speed_mps == 5.0
    assert (far.speed_mps, far.phase) == (None, "float")


def test_motion_does_not_cross_into_another_flight() -> None:
    rows = [row("navigation", 1, M, phase="landed"), row("position", 1, M, flight="g")]
    (point,) = merge(rows)
    assert (point.flight, point.phase) == ("g", None)


def test_without_positions_there_is_no_track() -> None:
    assert list(merge([row("navigation", 1, M, phase="float")])) == []
    assert list(merge([])) == []

"""Alerts: each kind begins, ends and does not flap."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from overflight_contract.errors import InputError
from overflight_contract.messages import Fix, Phase
from overflight_contract.times import to_ns
from overflight_ground.alerts.engine import AlertEngine
from overflight_ground.alerts.notify import signature
from overflight_ground.alerts.rules import AreaRule, BurstRule, LandedRule, Rules, read_rules
from overflight_ground.alerts.signals import Seen
from overflight_ground.alerts.watchers import Burst, Landed
from overflight_ground.ingest.intake import Outcome

S = 1_000_000_000
SECOND = dt.timedelta(seconds=1)
START = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)
NO_AREAS = Rules(area=AreaRule(enabled=False))


def seen(message, *, at_s: float | None = None, suspect: str | None = None) -> Seen:
    at_ns = to_ns(message.measured_at)
    received = at_ns if at_s is None else int(at_s * S)
    return Seen("HAB-01", message.flight, message, at_ns, received, suspect)


def kinds(alerts) -> list[tuple[str, bool]]:
    return [(alert.kind, alert.end_at_ns is not None) for alert in alerts]


def test_off_course_begins_once_and_ends_well_inside(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    offs = [0, 310_000, 320_000, 400_000, 295_000, 310_000, 310_000, 260_000, 100_000]
    raised = [
        alert
        for n, off in enumerate(offs, 1)
        for alert in engine.see([seen(navigation(n, cross_track_m=-off))])
    ]
    assert [a.kind for a in raised] == ["off-course", "off-course"]
    assert raised[0] is raised[1]
    assert raised[0].end_at_ns is not None
    assert raised[0].evidence["width_m"] == 300_000.0


def test_descending_while_it_says_float(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    climbs = [0.0, -4.0, -4.0, -4.0, -2.0, -4.0, 0.1]
    raised = [
        kinds(engine.see([seen(navigation(n, climb_mps=climb))]))
        for n, climb in enumerate(climbs, 1)
    ]
    assert raised == [[], [], [], [("descending", False)], [], [], [("descending", True)]]


def test_a_planned_descent_is_none(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    messages = [navigation(n, climb_mps=-6.0, phase=Phase.DESCENT) for n in range(1, 9)]
    assert engine.see(map(seen, messages)) == []


def test_burst_then_landed(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    up = [navigation(n, climb_mps=5.0, phase=Phase.ASCENT) for n in range(1, 4)]
    down = [navigation(n, climb_mps=-30.0, phase=Phase.DESCENT) for n in range(4, 8)]
    still = [navigation(n, climb_mps=0.0, phase=Phase.LANDED) for n in range(8, 11)]
    raised = engine.see(map(seen, [*up, *down, *still]))
    assert kinds(raised) == [("burst", True), ("landed", True)]


def test_a_burst_whose_phase_lags_is_no_unexpected_descent(navigation) -> None:
    """As EOSS-352 fell: three messages in 30 s before its phase was descent."""
    engine = AlertEngine(NO_AREAS)
    moves = [
        *((0, 6.9, Phase.ASCENT), (10, -21.2, Phase.ASCENT), (30, -21.8, Phase.ASCENT)),
        *((40, -21.8, Phase.ASCENT), (60, -25.0, Phase.DESCENT), (70, -24.0, Phase.DESCENT)),
    ]
    raised = engine.see(
        seen(navigation(n, climb_mps=climb, phase=phase, measured_at=START + s * SECOND))
        for n, (s, climb, phase) in enumerate(moves, 1)
    )
    assert kinds(raised) == [("burst", True)]


# A backlog: the newest is sent first, then what is older, and between it what is measured meanwhile


def interleaved(old, new):
    """The newest first, then the backlog with the live messages between."""
    return [new[0], *(one for pair in zip(old, new[1:], strict=True) for one in pair)]


def test_one_landing_and_one_burst_though_a_backlog_comes_between(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    up = [navigation(n, climb_mps=5.0, phase=Phase.ASCENT) for n in range(1, 9)]
    down = [navigation(n, climb_mps=-30.0, phase=Phase.DESCENT) for n in range(10, 19)]
    still = [navigation(n, climb_mps=0.0, phase=Phase.LANDED) for n in range(19, 29)]
    first = engine.see(map(seen, [up[0], *interleaved(up[1:], down[:8])]))
    then = engine.see(map(seen, interleaved(down, still)))
    assert kinds([*first, *then]) == [("burst", True), ("landed", True)]
    assert engine.see(map(seen, [navigation(40, phase=Phase.FLOAT), still[0]])) == []


def test_off_course_throughout_is_one_alert_though_a_backlog_comes_between(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    on = [navigation(n, cross_track_m=1_000) for n in range(1, 11)]
    off = [navigation(n, cross_track_m=400_000) for n in range(20, 31)]
    assert kinds(engine.see(map(seen, interleaved(on, off)))) == [("off-course", False)]


def test_a_burst_that_only_the_backlog_shows_is_told_once_at_its_time(navigation) -> None:
    up = [navigation(n, climb_mps=5.0, phase=Phase.ASCENT) for n in range(1, 9)]
    down = [navigation(n, climb_mps=-30.0, phase=Phase.DESCENT) for n in range(9, 19)]
    landed = navigation(40, phase=Phase.LANDED)
    for backlog in ([*up[1:], *down], [*down, *up[:0:-1]]):
        engine = AlertEngine(NO_AREAS)
        raised = engine.see(map(seen, [up[0], landed, *backlog]))
        assert kinds(raised) == [("landed", True), ("burst", True)]
        assert raised[1].begin_at_ns in {to_ns(message.measured_at) for message in down[:5]}


def test_a_fall_out_of_a_float_in_a_backlog_is_no_burst(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    up = [navigation(n, climb_mps=5.0, phase=Phase.ASCENT) for n in range(1, 4)]
    float_ = [navigation(n, phase=Phase.FLOAT) for n in range(4, 20)]
    down = [navigation(n, climb_mps=-30.0, phase=Phase.DESCENT) for n in range(20, 24)]
    landed = navigation(40, phase=Phase.LANDED)
    raised = engine.see(map(seen, [up[0], landed, *down, *up[1:], *float_]))
    assert kinds(raised) == [("landed", True)]


def test_burst_and_landing_that_were_told_before_a_restart_are_not_told_again(navigation) -> None:
    key = ("HAB-01", navigation(1).flight)
    burst, landed = Burst(BurstRule()), Landed(LandedRule())
    for watcher in (burst, landed):
        watcher.known(*key)
    messages = [
        navigation(1, climb_mps=5.0, phase=Phase.ASCENT),
        navigation(2, climb_mps=-30.0, phase=Phase.DESCENT),
        navigation(3, phase=Phase.LANDED),
    ]
    assert [s for m in messages for w in (burst, landed) for s in w.see(seen(m))] == []


@pytest.mark.parametrize(("mark", "days"), [("future", 900), ("past", -900)])
def test_a_time_that_is_not_believable_does_not_hold_up_the_rest(navigation, mark, days) -> None:
    engine = AlertEngine(NO_AREAS)
    wrong = navigation(9, measured_at=START + dt.timedelta(days=days))
    engine.see([seen(wrong, suspect=mark)])
    raised = engine.see(seen(navigation(n, cross_track_m=400_000)) for n in (1, 2))
    assert kinds(raised) == [("off-course", False)]


def test_late_by_its_own_rhythm_and_back(position) -> None:
    engine = AlertEngine(NO_AREAS)
    engine.see(seen(position(n), at_s=1000 + 10 * n) for n in range(1, 11))
    assert engine.tick(int(1120 * S)) == []
    (late,) = engine.tick(int(1145 * S))
    assert (late.kind, late.end_at_ns) == ("late", None)
    assert engine.tick(int(1200 * S)) == []
    (over,) = engine.see([seen(position(11), at_s=1210)])
    assert over is late
    assert over.end_at_ns == to_ns(position(11).measured_at)


def test_silence_after_landing_is_no_alert(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    messages = [navigation(n, phase=Phase.LANDED) for n in range(1, 9)]
    engine.see(seen(message, at_s=1000 + n) for n, message in enumerate(messages))
    assert engine.tick(int(9999 * S)) == []


def test_doubtful_positions_need_several_and_ten_clean_ones_to_end(position) -> None:
    engine = AlertEngine(NO_AREAS)
    marks = ["zero", None, "zero", "leap", *([None] * 12)]
    raised = [
        entry
        for n, mark in enumerate(marks, 1)
        for entry in kinds(engine.see([seen(position(n), suspect=mark)]))
    ]
    assert raised == [("doubtful", False), ("doubtful", True)]


def test_a_doubtful_position_now_and_then_is_no_alert(position) -> None:
    """Three among ten are; one in every ten never is."""
    engine = AlertEngine(NO_AREAS)
    marks = ["zero", *([None] * 9)] * 6
    assert engine.see(seen(position(n), suspect=mark) for n, mark in enumerate(marks, 1)) == []
    marks = ["leap", None, None, None, "zero", None, None, None, None, "leap"]
    raised = engine.see(seen(position(n), suspect=mark) for n, mark in enumerate(marks, 61))
    assert kinds(raised) == [("doubtful", False)]


def test_a_wrong_clock(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    raised = engine.see(seen(navigation(n), suspect="future") for n in range(1, 6))
    assert kinds(raised) == [("clock", False)]


def test_a_clock_that_was_set_back(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    engine.see(seen(navigation(n)) for n in range(100, 103))
    raised = engine.see(seen(navigation(n), suspect="past") for n in range(1, 6))
    assert ("clock", False) in kinds(raised)


def test_gap_given_up_and_conflict_come_from_the_batch(intake, arrival, position) -> None:
    engine = AlertEngine(NO_AREAS)

    def committed(*messages) -> list[tuple[str, bool]]:
        outcome: Outcome = intake.commit([arrival(message) for message in messages])
        return kinds(engine.about(outcome, 1))

    assert committed(position(1)) == []
    assert committed(position(20)) == [("gap", False)]
    assert committed(*[position(n) for n in range(2, 20)]) == [("gap", True)]
    assert committed(position(30, held_from=28)) == [("given-up", True)]
    assert committed(position(30, lat_deg=1.0, held_from=28)) == [("conflict", True)]


# Areas


def place(position, n, lat, lon, alt=18_000.0):
    return seen(position(n, lat_deg=lat, lon_deg=lon, alt_msl_m=alt))


def test_entering_and_leaving_a_country(position) -> None:
    engine = AlertEngine(Rules(area=AreaRule(countries=["France"])))
    raised = engine.see([place(position, 1, 48.85, -7.0), place(position, 2, 48.85, 2.35)])
    assert [a.title for a in raised] == ["HAB-01 entered France"]
    assert (raised[0].lat_deg, raised[0].end_at_ns) == (48.85, None)
    (left,) = engine.see([place(position, 3, 48.85, 9.5)])
    assert left.end_at_ns is not None


def test_along_a_border_one_alert_not_many(position, tmp_path) -> None:
    engine = AlertEngine(Rules(area=fence(tmp_path, [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]])))
    track = [place(position, n, 5.0, 10.0 + (0.005 if n % 2 else -0.005)) for n in range(1, 40)]
    assert len(engine.see(track)) == 1
    (over,) = engine.see([place(position, 41, 5.0, 10.05)])
    assert over.end_at_ns is not None


def fence(tmp_path, ring, **properties) -> AreaRule:
    import json

    feature = {
        "type": "Feature",
        "properties": {"name": "zone", **properties},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (tmp_path / "zone.geojson").write_text(json.dumps({"features": [feature]}))
    return AreaRule(countries=[], files=[str(tmp_path / "zone.geojson")])


@pytest.mark.parametrize(
    "ring",
    [
        [[170, -10], [-170, -10], [-170, 10], [170, 10], [170, -10]],
        [[170, -10], [190, -10], [190, 10], [170, 10], [170, -10]],
        [[-190, -10], [-170, -10], [-170, 10], [-190, 10], [-190, -10]],
    ],
)
def test_an_area_over_the_antimeridian(position, tmp_path, ring) -> None:
    engine = AlertEngine(Rules(area=fence(tmp_path, ring)))
    for lon, inside in ((179.9, True), (-179.9, True), (171.0, True), (160.0, False), (0.0, False)):
        assert bool(engine.areas.at(0.0, lon)) is inside, lon


def test_an_area_around_a_pole(position, tmp_path) -> None:
    ring = [[-180, 70], [-90, 70], [0, 70], [90, 70], [180, 70]]
    engine = AlertEngine(Rules(area=fence(tmp_path, ring)))
    assert engine.areas.at(89.9, 12.0)
    assert engine.areas.at(75.0, -135.0)
    assert not engine.areas.at(60.0, 12.0)


def test_an_area_has_a_floor_and_a_ceiling(position, tmp_path) -> None:
    ring = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
    rule = fence(tmp_path, ring, floor_m=10_000, ceiling_m=20_000)
    engine = AlertEngine(Rules(area=rule))
    heights = [5_000.0, 15_000.0, 20_020.0, 25_000.0]
    raised = [
        kinds(engine.see([place(position, n, 5.0, 5.0, alt)])) for n, alt in enumerate(heights, 1)
    ]
    assert raised == [[], [("area", False)], [], [("area", True)]]


def test_no_fix_and_a_leap_move_no_area(position, tmp_path) -> None:
    engine = AlertEngine(Rules(area=AreaRule(countries=["France"])))
    none = position(1, lat_deg=None, lon_deg=None, fix=Fix.NONE)
    leap = position(2, lat_deg=48.85, lon_deg=2.35)
    assert engine.see([seen(none), seen(leap, suspect="leap")]) == []


SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]


def test_a_crossing_that_only_a_backlog_shows_is_told_once(position, tmp_path) -> None:
    engine = AlertEngine(Rules(area=fence(tmp_path, SQUARE)))
    assert engine.see([place(position, 1, 5.0, -5.0), place(position, 60, 5.0, 15.0)]) == []
    backlog = [place(position, n, 5.0, -5.0 + n / 3) for n in range(2, 59)]
    live = [place(position, 60 + n, 5.0, 15.0) for n in range(1, 58)]
    raised = engine.see([one for pair in zip(backlog, live, strict=True) for one in pair])
    assert kinds(raised) == [("area", True)]
    assert raised[0].title == "HAB-01 was in zone"
    assert raised[0].severity == "severe"
    assert raised[0].begin_at_ns == backlog[13].at_ns
    assert raised[0].lon_deg == pytest.approx(0.0)


def test_each_crossing_in_a_backlog_is_told_also_while_a_later_one_is_open(
    position, tmp_path
) -> None:
    engine = AlertEngine(Rules(area=fence(tmp_path, SQUARE)))
    live = [(1, -5.0), (400, -5.0), (401, 5.0)]
    assert kinds(engine.see(place(position, n, 5.0, lon) for n, lon in live)) == [("area", False)]
    backlog = [*((n, 5.0) for n in range(50, 90)), *((n, -5.0) for n in range(90, 200)),
               *((n, 5.0) for n in range(200, 240))]  # fmt: skip
    raised = engine.see(place(position, n, 5.0, lon) for n, lon in backlog)
    assert kinds(raised) == [("area", True), ("area", True)]
    assert [a.begin_at_ns for a in raised] == [place(position, n, 5, 5).at_ns for n in (50, 200)]
    (over,) = engine.see([place(position, 402, 5.0, 15.0)])
    assert over.end_at_ns == place(position, 402, 5.0, 15.0).at_ns
    assert engine.see([place(position, 401.5, 5.0, 9.0)]) == []


def test_a_crossing_in_the_backlog_of_an_older_flight_is_told(position, tmp_path) -> None:
    engine = AlertEngine(Rules(area=fence(tmp_path, SQUARE)))
    later = position(1, flight="20230129T060000Z-0001", lat_deg=5.0, lon_deg=-5.0)
    assert engine.see([place(position, 1, 5.0, -5.0), seen(later)]) == []
    raised = engine.see(place(position, n, 5.0, 5.0) for n in (2, 3, 4))
    assert kinds(raised) == [("area", True)]


def test_a_backlog_from_a_stay_that_was_told_is_no_news(position, tmp_path) -> None:
    engine = AlertEngine(Rules(area=fence(tmp_path, SQUARE)))
    track = [(1, -5.0), (20, 5.0), (50, 15.0)]
    assert kinds(engine.see(place(position, n, 5.0, lon) for n, lon in track)) == [("area", True)]
    backlog = [*((n, 5.0) for n in range(10, 45)), *((n, 10.01) for n in range(45, 50))]
    assert engine.see(place(position, n, 5.0, lon) for n, lon in backlog) == []


# Fences


def leave(tmp_path) -> Rules:
    return Rules(area=msgspec.structs.replace(fence(tmp_path, SQUARE), on="leave"))


def test_a_fence_begins_outside_and_ends_inside(position, tmp_path) -> None:
    engine = AlertEngine(leave(tmp_path))
    lons = [5.0, 10.01, 11.0, 12.0, 10.01, 9.0]
    raised = [kinds(engine.see([place(position, n, 5.0, lon)])) for n, lon in enumerate(lons, 1)]
    assert raised == [[], [], [("area", False)], [], [], [("area", True)]]


def test_a_flight_that_starts_outside_a_fence_has_left_it(position, tmp_path) -> None:
    engine = AlertEngine(leave(tmp_path))
    (alert,) = engine.see([place(position, 1, 5.0, 12.0)])
    assert (alert.title, alert.severity) == ("HAB-01 left zone", "severe")


def test_a_fence_alert_goes_on_after_a_restart_and_ends_inside(position, tmp_path) -> None:
    first = AlertEngine(leave(tmp_path))
    (alert,) = first.see([place(position, 1, 5.0, 12.0)])
    for lon in (9.0, 10.01, 13.0):
        alert.end_at_ns = None
        second = AlertEngine(leave(tmp_path))
        second.resume([alert])
        ended = second.see([place(position, 2, 5.0, lon)])
        assert ended == ([alert] if lon == 9.0 else [])


def test_a_fence_left_and_entered_again_in_an_outage_is_told(position, tmp_path) -> None:
    engine = AlertEngine(leave(tmp_path))
    assert engine.see([place(position, n, 5.0, 9.0) for n in (1, 30)]) == []
    raised = engine.see([place(position, n, 5.0, 8.0 + n / 4) for n in range(2, 29)])
    assert [a.title for a in raised] == ["HAB-01 was outside zone"]


# Rules and telling


def test_rules_from_a_file(tmp_path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        '[off-course]\nwidth_m = 50000\n[late]\nenabled = false\n[area]\ncountries = ["USA"]\n'
    )
    rules = read_rules(file)
    assert rules.off_course.width_m == 50_000
    assert not rules.late.enabled


@pytest.mark.parametrize(
    "text",
    [
        "[nothing]\n",
        "[late]\nrhytms = 3\n",
        '[late]\nseverity = "loud"\n',
        '[area]\ncountries = ["Atlantis"]\n',
        '[area]\non = "near"\n',
        "[late\n",
    ],
)
def test_wrong_rules_are_told_in_one_sentence(tmp_path, text) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"rules\.toml"):
        read_rules(file)


def test_a_signature_that_others_can_check() -> None:
    assert signature("secret", b"{}", 1_700_000_000) == (
        "t=1700000000,v1="
        + __import__("hmac").new(b"secret", b"1700000000.{}", "sha256").hexdigest()
    )


def test_open_alerts_go_on_after_a_restart(position) -> None:
    rules = Rules(area=AreaRule(countries=["France"]))
    first = AlertEngine(rules)
    (alert,) = first.see([place(position, 1, 48.85, 2.35)])
    second = AlertEngine(rules)
    second.resume([alert])
    assert second.see([place(position, 2, 48.9, 2.4)]) == []
    (over,) = second.see([place(position, 3, 48.85, 9.5)])
    assert over is alert


def test_times_of_alerts_are_those_of_the_data(position) -> None:
    engine = AlertEngine(Rules(area=AreaRule(countries=["France"])))
    (alert,) = engine.see([place(position, 4, 48.85, 2.35)])
    assert alert.begin_at_ns == to_ns(dt.datetime(2023, 1, 28, 6, 4, tzinfo=dt.UTC))

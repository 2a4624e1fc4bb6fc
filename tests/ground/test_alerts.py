"""Alerts: each kind begins, ends and does not flap."""

from __future__ import annotations

import datetime as dt

import pytest

from overflight_contract.errors import InputError
from overflight_contract.messages import Fix, Phase
from overflight_contract.times import to_ns
from overflight_ground.alerts.engine import AlertEngine
from overflight_ground.alerts.notify import signature
from overflight_ground.alerts.rules import AreaRule, Rules, read_rules
from overflight_ground.alerts.signals import Seen
from overflight_ground.ingest.intake import Outcome

S = 1_000_000_000
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


def test_a_wrong_clock(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    raised = engine.see(seen(navigation(n), suspect="future") for n in range(1, 6))
    assert kinds(raised) == [("clock", False)]


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

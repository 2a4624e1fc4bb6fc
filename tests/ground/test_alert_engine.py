"""The engine of the alerts: silence, flights that follow one another, a restart."""

from __future__ import annotations

import datetime as dt

import pytest

from overflight_contract.messages import Phase
from overflight_contract.times import to_ns
from overflight_ground.alerts.engine import Alert, AlertEngine
from overflight_ground.alerts.heard import Past
from overflight_ground.alerts.rules import AreaRule, LateRule, Rules
from overflight_ground.alerts.signals import Seen

S = 1_000_000_000
OLD, NEW = "20230128T060000Z-7f3a", "20230128T120000Z-0b1c"
BASE_NS = to_ns(dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC))
NO_AREAS = Rules(area=AreaRule(enabled=False))


def seen(message, at_s: float, suspect: str | None = None) -> Seen:
    """`message`, received so long after 06:00."""
    at_ns, received_ns = to_ns(message.measured_at), BASE_NS + int(at_s * S)
    return Seen("HAB-01", message.flight, message, at_ns, received_ns, suspect)


def kinds(alerts) -> list[tuple[str, bool]]:
    return [(alert.kind, alert.end_at_ns is not None) for alert in alerts]


class Sky:
    """A payload that sends a pair a minute, and an engine that looks at each second."""

    def __init__(self, position, navigation, rules: Rules = NO_AREAS) -> None:
        self.engine = AlertEngine(rules)
        self.now_s = 0.0
        self.raised: list[tuple[str, bool]] = []
        self._position, self._navigation = position, navigation

    def wait(self, until_s: float) -> None:
        while self.now_s < until_s:
            self.now_s = min(self.now_s + 1, until_s)
            self.raised += kinds(self.engine.tick(BASE_NS + int(self.now_s * S)))

    def pair(self, minute: int, at_s: float, phase: Phase = Phase.FLOAT) -> None:
        self.wait(at_s)
        at = dt.datetime.fromtimestamp(BASE_NS / S + 60 * minute, dt.UTC)
        for message in (
            self._position(2 * minute, measured_at=at),
            self._navigation(2 * minute + 1, measured_at=at, phase=phase),
        ):
            self.raised += kinds(self.engine.see([seen(message, self.now_s)]))
            self.now_s += 0.494

    def pairs(self, minutes: range) -> None:
        for minute in minutes:
            self.pair(minute, 60.0 * minute)


@pytest.fixture
def sky(position, navigation) -> Sky:
    return Sky(position, navigation)


def test_a_pair_a_minute_is_never_late(sky) -> None:
    sky.pairs(range(1, 31))
    assert sky.raised == []
    sky.wait(30 * 60 + 245)
    assert sky.raised == [("late", False)]


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_backlog_leaves_the_rhythm_as_it_was(sky, newest_first) -> None:
    sky.pairs(range(1, 31))
    held = [60, *range(31, 60)] if newest_first else range(31, 61)
    for n, minute in enumerate(held):
        sky.pair(minute, 60 * 60 + 1.2 * n)
    assert sky.raised == [("late", False), ("late", True)]
    sky.pairs(range(62, 75))
    assert len(sky.raised) == 2


def test_silence_before_a_message_after_landing_is_no_alert(sky) -> None:
    sky.pairs(range(1, 11))
    sky.pair(11, 660, phase=Phase.LANDED)
    sky.pair(60, 3600, phase=Phase.LANDED)
    assert [kind for kind, _ in sky.raised] == ["landed"]


def test_the_next_flight_ends_what_is_open_of_the_one_before(position, navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    engine.see(seen(navigation(n, cross_track_m=400_000), 60 * n) for n in range(1, 11))
    engine.tick(BASE_NS + 2000 * S)
    gap = Alert("gap", "", "HAB-01", OLD, "warning", "t", "c", BASE_NS, None, {})
    engine.resume([gap])
    assert {alert.kind for alert in engine.open.values()} == {"off-course", "late", "gap"}
    begun = navigation(1, flight=NEW, measured_at=dt.datetime(2023, 1, 28, 12, tzinfo=dt.UTC))
    ended = engine.see([seen(begun, 21_600)])
    assert {alert.end_at_ns for alert in ended} == {to_ns(begun.measured_at)}
    assert list(engine.open.values()) == [gap]
    # a backlog of the old flight: what was on is not told again, what is new is told as over
    backlog = [navigation(n, cross_track_m=400_000, climb_mps=-9.0) for n in range(11, 20)]
    raised = engine.see(seen(message, 21_600 + message.seq) for message in backlog)
    assert kinds(raised) == [("descending", True)]
    assert list(engine.open.values()) == [gap]


def test_that_an_older_flight_landed_does_not_silence_the_next(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    engine.see([seen(navigation(1), 0)])
    start = dt.datetime(2023, 1, 28, 12, tzinfo=dt.UTC)
    for n in range(1, 11):
        at = start + dt.timedelta(seconds=10 * n)
        engine.see([seen(navigation(n, flight=NEW, measured_at=at), 21_600 + 10 * n)])
    engine.see([seen(navigation(20, phase=Phase.LANDED), 21_701)])
    assert kinds(engine.tick(BASE_NS + 21_900 * S)) == [("late", False)]


def test_a_run_of_a_simulation_follows_the_one_that_began_at_the_same_time(position) -> None:
    engine = AlertEngine(NO_AREAS)
    twin = OLD[:-4] + "0000"
    flights = {OLD: BASE_NS, twin: BASE_NS + 500 * S}
    past = Past(payload="HAB-01", flight=twin, last_received_ns=BASE_NS, flights=flights)
    engine.recall([past], [], BASE_NS)
    engine.see(seen(position(n, flight=twin), 600 + 10 * n) for n in range(1, 4))
    engine.see([seen(position(90), 700)])  # a backlog of the first run
    third = OLD[:-4] + "1111"
    engine.see(seen(position(n, flight=third), 700 + 10 * n) for n in range(1, 4))
    (late,) = engine.tick(BASE_NS + 1000 * S)
    assert late.flight == third


def test_a_message_ahead_of_its_time_moves_no_begin_and_no_flight(position) -> None:
    engine = AlertEngine(NO_AREAS)
    engine.see(seen(position(n), 60 * n) for n in range(1, 11))
    ahead = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
    engine.see([seen(position(11, measured_at=ahead), 660, "future")])
    engine.see(
        [seen(position(1, measured_at=ahead, flight="20990101T000000Z-0000"), 660, "future")]
    )
    (late,) = engine.tick(BASE_NS + 1000 * S)
    assert late.begin_at_ns == to_ns(position(10).measured_at)
    (over,) = engine.see([seen(position(12), 1010)])
    assert (over, over.end_at_ns) == (late, to_ns(position(12).measured_at))


def test_given_up_before_the_ground_joined_is_information(intake, arrival, position) -> None:
    engine = AlertEngine(NO_AREAS)

    def told(message) -> list[tuple[str, str]]:
        raised = engine.about(intake.commit([arrival(message)]), 1)
        return [(alert.severity, alert.cause) for alert in raised if alert.kind == "given-up"]

    assert told(position(500, held_from=500)) == [
        ("info", "499 let go unsent: before the ground joined")
    ]
    assert told(position(600, held_from=590)) == [
        ("warning", "89 let go unsent: its outbox was full")
    ]


def test_after_a_restart_silence_counts_from_when_the_ground_listens(position) -> None:
    engine = AlertEngine(NO_AREAS)
    arrivals = [(BASE_NS + 60 * n * S, BASE_NS + 60 * n * S) for n in range(1, 11)]
    past = Past(
        payload="HAB-01",
        flight=OLD,
        last_received_ns=arrivals[-1][0],
        last_measured_ns=arrivals[-1][1],
        arrivals=arrivals,
    )
    engine.recall([past], [], BASE_NS + 3600 * S)
    assert engine.tick(BASE_NS + 3800 * S) == []
    (late,) = engine.tick(BASE_NS + 3841 * S)
    assert (late.begin_at_ns, late.evidence["silent_s"]) == (arrivals[-1][1], 3241.0)


def test_a_restart_ends_what_nothing_watches_any_more() -> None:
    def alert(kind: str, subject: str = "", flight: str = NEW) -> Alert:
        return Alert(kind, subject, "HAB-01", flight, "severe", "t", "c", 5, None, {})

    gone = [
        alert("late"),
        alert("area", "a zone that is not in the rules any more"),
        alert("off-course", flight=OLD),
        alert("descending", flight="20230129T000000Z-0000"),
    ]
    kept = [alert("area", "France"), alert("off-course"), alert("gap", flight=OLD)]
    engine = AlertEngine(Rules(area=AreaRule(countries=["France"]), late=LateRule(enabled=False)))
    past = Past(payload="HAB-01", flight=NEW, last_received_ns=9, last_measured_ns=7)
    engine.recall([past], [], 10)
    ended = engine.resume([*gone, *kept], {("HAB-01", NEW), ("HAB-01", OLD)})
    assert ended == gone
    assert {one.end_at_ns for one in ended} == {7}
    assert list(engine.open.values()) == kept


def test_what_was_raised_once_is_not_raised_again_after_a_restart(navigation) -> None:
    engine = AlertEngine(NO_AREAS)
    engine.recall([], [("landed", ("HAB-01", OLD))], 1)
    assert engine.see([seen(navigation(9, phase=Phase.LANDED), 540)]) == []


def test_a_backlog_right_after_a_restart_opens_nothing(navigation, position) -> None:
    rules = Rules(area=AreaRule(countries=["Germany"]))
    engine = AlertEngine(rules)
    newest_ns = BASE_NS + 3600 * S
    past = Past(
        payload="HAB-01", flight=OLD, last_received_ns=newest_ns, last_measured_ns=newest_ns
    )
    engine.recall([past], [], newest_ns)
    off_course = [navigation(n, cross_track_m=400_000) for n in range(2, 12, 2)]
    inside = position(3, flight=OLD, lat_deg=50.0, lon_deg=10.0)
    backlog = [*off_course, inside]
    changed = engine.see([seen(message, 3700) for message in backlog])
    assert [(alert.kind, alert.subject[:10]) for alert in changed] == [("area", "Germany at")]
    assert engine.open == {}

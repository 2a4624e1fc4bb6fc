"""Alerts stored, streamed, told to a webhook and to a command."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import sys
import threading

import pytest
from sqlalchemy import delete

from overflight_contract.times import to_ns
from overflight_ground.alerts import storing
from overflight_ground.alerts.engine import Alert, AlertEngine
from overflight_ground.alerts.notify import Notifier, signature
from overflight_ground.alerts.rules import AreaRule, LateRule, Notify, Rules
from overflight_ground.alerts.service import AlertService, Committed
from overflight_ground.feed import Hub
from overflight_ground.ingest.pipeline import Counters
from overflight_ground.ingest.stored import StoredMessages
from overflight_ground.retention import Old, cut, would_cut
from overflight_ground.station import Station
from overflight_ground.store import StoreUnavailableError
from overflight_ground.store.tables import alerts

NOW_NS = 1_700_000_000_000_000_000
S = 1_000_000_000
FLIGHT, NEXT = "20230128T060000Z-7f3a", "20230128T120000Z-0b1c"
NO_AREAS = Rules(area=AreaRule(enabled=False))


async def until(condition, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_stored_message_becomes_a_stored_and_streamed_alert(
    store, intake, arrival, position, tmp_path
) -> None:
    hub = Hub()
    listener = hub.join()
    rules = Rules(area=AreaRule(countries=["France"]))
    service = AlertService(store, hub, rules, tmp_path, lambda: NOW_NS)
    task = asyncio.create_task(service.run())
    await until(lambda: service.engine is not None)
    service.add(intake.commit([arrival(position(1, lat_deg=48.85, lon_deg=2.35))]))
    await until(lambda: not listener.queue.empty())
    _, block = listener.queue.get_nowait()
    assert block.startswith(b"event: alert\n")
    with store.reading() as connection:
        (alert,) = storing.page(connection)
    assert (alert.title, alert.end_at_ns) == ("HAB-01 entered France", None)
    task.cancel()

    again = AlertService(store, hub, rules, tmp_path, lambda: NOW_NS)
    again.load()
    assert [a.id for a in again.open_alerts()] == [alert.id]


def raised(number: int, end_at_ns: int | None = None) -> Alert:
    return Alert(
        "late", "", f"HAB-{number}", FLIGHT, "warning", "t", "c", number, end_at_ns, {}
    )  # fmt: skip


def stored_alerts(store) -> list[tuple[int, str, int | None]]:
    with store.reading() as connection:
        return sorted((a.id, a.payload, a.end_at_ns) for a in storing.page(connection))


class Script(AlertEngine):
    """Raises what it is told to."""

    def __init__(self) -> None:
        super().__init__(Rules(area=AreaRule(enabled=False)))
        self.next: list[Alert] = []
        self.ticks: list[int] = []

    def tick(self, now_ns: int) -> list[Alert]:
        self.ticks.append(now_ns)
        told, self.next = self.next, []
        return told


def look(service: AlertService, *alerts: Alert) -> list[Alert]:
    service.engine.next = list(alerts)  # type: ignore[union-attr]
    return service._look(StoredMessages(), [], NOW_NS)


@pytest.fixture
def service(store, tmp_path) -> AlertService:
    made = AlertService(store, Hub(), Rules(), tmp_path, lambda: NOW_NS)
    made.engine = Script()
    return made


def test_a_failed_commit_loses_no_alert(service, store, monkeypatch) -> None:
    known, first, second = raised(1), raised(2), raised(3)
    look(service, known)
    writing = store.writing

    @contextlib.contextmanager
    def fails():
        with writing() as connection:
            yield connection
            raise StoreUnavailableError("full")

    monkeypatch.setattr(store, "writing", fails)
    known.end_at_ns = 9
    assert look(service, known, first) == []
    monkeypatch.setattr(store, "writing", writing)
    with store.writing() as connection:
        storing.save(connection, raised(4))  # takes the id that the first had for a moment
    assert look(service, second) == [known, first, second]
    assert stored_alerts(store) == [
        (1, "HAB-1", 9), (2, "HAB-4", None), (3, "HAB-2", None), (4, "HAB-3", None)
    ]  # fmt: skip
    assert [known.id, first.id, second.id] == [1, 3, 4]


def test_an_alert_that_was_acknowledged_ends_so(service, store) -> None:
    alert = raised(1)
    look(service, alert)
    with store.writing() as connection:
        assert storing.acknowledge(connection, alert.id, 7 * S, "me")
    alert.end_at_ns = 9 * S
    (told,) = look(service, alert)
    body = storing.alert_json(told)
    assert (body["acked_at"], body["acked_by"]) == ("1970-01-01T00:00:07.000Z", "me")


def test_retention_keeps_what_is_open_and_a_row_that_is_gone_is_made_anew(service, store) -> None:
    look(service, raised(1, end_at_ns=2), raised(2), raised(3))
    assert would_cut(store, Old()).alerts == cut(store, Old()).alerts == 1
    assert [alert[1] for alert in stored_alerts(store)] == ["HAB-2", "HAB-3"]
    last = raised(4)
    look(service, last)
    with store.writing() as connection:
        connection.execute(delete(alerts).where(alerts.c.id == last.id))
    last.end_at_ns = 9
    look(service, last)
    assert stored_alerts(store)[-1][1:] == ("HAB-4", 9)


def test_who_waits_to_be_committed_is_not_silent() -> None:
    counters = Counters()
    committed = Committed(counters)
    assert [committed.until_ns(now) for now in (10, 20)] == [10, 20]
    counters.received = counters.waiting_messages = 5  # arrived after 20; the store is locked
    assert [committed.until_ns(now) for now in (30, 40)] == [20, 20]
    counters.received = counters.waiting_messages = 7
    assert committed.until_ns(50) == 20
    counters.waiting_messages = 2
    assert committed.until_ns(60) == 40
    counters.waiting_messages = 0
    assert committed.until_ns(70) == 70


async def test_the_clock_stands_still_while_messages_wait(store, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("overflight_ground.alerts.service.INTERVAL_S", 0.01)
    counters = Counters(received=1, waiting_messages=1)
    service = AlertService(store, Hub(), NO_AREAS, tmp_path, lambda: NOW_NS, counters)
    engine = Script()
    monkeypatch.setattr(service, "load", lambda: setattr(service, "engine", engine))
    task = asyncio.create_task(service.run())
    await until(lambda: len(engine.ticks) > 2)
    assert set(engine.ticks) == {0}
    counters.waiting_messages = 0
    await until(lambda: engine.ticks[-1] == NOW_NS)
    task.cancel()


def test_a_payload_that_stays_silent_over_a_restart_is_late(
    store, intake, arrival, position, navigation, tmp_path
) -> None:
    for n in range(1, 13):
        at_ns = NOW_NS + 60 * n * S
        intake.commit([arrival(position(2 * n), at_ns=at_ns)])
        intake.commit([arrival(navigation(2 * n + 1), at_ns=at_ns + S // 2)])
    now_ns = NOW_NS + 3600 * S
    service = AlertService(store, Hub(), NO_AREAS, tmp_path, lambda: now_ns)
    service.load()
    assert service._look(StoredMessages(), [], now_ns + 239 * S) == []
    (late,) = service._look(StoredMessages(), [], now_ns + 241 * S)
    assert (late.kind, late.evidence["rhythm_s"]) == ("late", 60.0)
    assert late.begin_at_ns == to_ns(position(24).measured_at)

    days_later = AlertService(store, Hub(), NO_AREAS, tmp_path, lambda: now_ns + 7 * 86_400 * S)
    days_later.load()
    assert days_later.open_alerts() == [late]
    assert days_later._look(StoredMessages(), [], now_ns + 8 * 86_400 * S) == []


def test_a_restart_stores_the_end_of_what_no_rule_watches(
    store, intake, arrival, position, tmp_path
) -> None:
    intake.commit([arrival(position(1))])
    alert = Alert("late", "", "HAB-01", FLIGHT, "warning", "t", "c", 1, None, {})
    with store.writing() as connection:
        storing.save(connection, alert)
    rules = Rules(area=AreaRule(enabled=False), late=LateRule(enabled=False))
    service = AlertService(store, Hub(), rules, tmp_path, lambda: NOW_NS)
    service.load()
    assert service.open_alerts() == []
    (told,) = service._look(StoredMessages(), [], NOW_NS)
    assert stored_alerts(store) == [(alert.id, "HAB-01", to_ns(position(1).measured_at))]
    assert told.id == alert.id


def test_a_gap_of_a_flight_that_is_over_is_no_trouble(
    service, store, intake, arrival, position
) -> None:
    station = Station(store, lambda: NOW_NS, alerts=service)
    station.on_outcome(intake.commit([arrival(position(1, flight=NEXT))]))
    gaps = [
        Alert("gap", "", "HAB-01", flight, "severe", "t", "c", 1, None, {})
        for flight in (FLIGHT, NEXT)
    ]
    service.engine.resume(gaps[:1])
    assert station.troubled() == set()
    service.engine.resume(gaps[1:])
    assert station.troubled() == {"HAB-01"}


def test_acknowledged_once(store, position) -> None:
    engine = AlertEngine(Rules(area=AreaRule(enabled=False)))
    assert engine.open == {}
    with store.writing() as connection:
        assert not storing.acknowledge(connection, 1, NOW_NS, None)


class Hook(http.server.BaseHTTPRequestHandler):
    """Refuses the first time, then takes it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.headers["overflight-signature"], body))  # type: ignore[attr-defined]
        self.send_response(503 if len(self.server.got) == 1 else 204)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


async def test_a_webhook_is_tried_again_and_signed(tmp_path) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    server.got = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    out = tmp_path / "told.json"
    script = f"import sys; open({str(out)!r}, 'wb').write(sys.stdin.buffer.read())"
    settings = Notify(
        webhook=f"http://127.0.0.1:{server.server_port}/",
        secret="s3",
        command=[sys.executable, "-c", script],
    )
    notifier = Notifier(settings, lambda: NOW_NS, pause_s=0.01)
    task = asyncio.create_task(notifier.run())
    notifier.tell({"id": 1, "severity": "severe", "title": "t"})
    notifier.tell({"id": 2, "severity": "info"})  # not wanted
    await until(out.exists)
    await until(lambda: out.stat().st_size > 0)
    await until(lambda: len(server.got) == 2)  # type: ignore[attr-defined]
    task.cancel()
    server.shutdown()
    (_, first), (sent, second) = server.got  # type: ignore[attr-defined]
    assert first == second
    assert sent == signature("s3", second, NOW_NS // 10**9)
    assert json.loads(out.read_bytes())["id"] == 1

"""Alerts stored, streamed, told to a webhook and to a command."""

from __future__ import annotations

import asyncio
import http.server
import json
import sys
import threading

from overflight_ground.alerts import storing
from overflight_ground.alerts.engine import AlertEngine
from overflight_ground.alerts.notify import Notifier, signature
from overflight_ground.alerts.rules import AreaRule, Notify, Rules
from overflight_ground.alerts.service import AlertService
from overflight_ground.feed import Hub

NOW_NS = 1_700_000_000_000_000_000


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
    task.cancel()
    server.shutdown()
    (_, first), (sent, second) = server.got  # type: ignore[attr-defined]
    assert first == second
    assert sent == signature("s3", second, NOW_NS // 10**9)
    assert json.loads(out.read_bytes())["id"] == 1

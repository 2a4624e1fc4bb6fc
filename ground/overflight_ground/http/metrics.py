"""``/metrics`` in Prometheus' text format, and the table of what each name means."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from overflight_contract.times import NS_PER_S
from overflight_ground.audit.live import live_audit
from overflight_ground.http.live_routes import station_of
from overflight_ground.station import Station

router = APIRouter()

METRICS: Final[dict[str, tuple[str, str]]] = {
    "messages_total": ("counter", "messages stored, by payload"),
    "bytes_total": ("counter", "bytes of stored messages, by payload"),
    "duplicates_total": ("counter", "messages that came again, by payload"),
    "quarantined_total": ("counter", "messages that did not fit, by payload"),
    "strays_total": ("counter", "messages that did not fit and name no seq"),
    "conflicts_total": ("counter", "messages with a known seq and other bytes, by payload"),
    "given_up_total": ("counter", "messages that the payload let go unsent, by payload"),
    "suspect_total": ("counter", "messages marked as hard to believe, since the start"),
    "received_total": ("counter", "messages taken from the broker, since the start"),
    "receipts_total": ("counter", "receipts published, since the start"),
    "batches_total": ("counter", "transactions committed, since the start"),
    "commit_seconds_total": ("counter", "time spent in commits, since the start"),
    "store_failures_total": ("counter", "commits that failed and were tried again"),
    "waiting_messages": ("gauge", "messages taken but not committed yet"),
    "receipt_through": ("gauge", "watermark of the newest flight, by payload"),
    "age_seconds": ("gauge", "time since the last message, by payload"),
    "audit_explained_bytes": ("gauge", "bytes of messages that the contract explains, by payload"),
    "audit_unexplained_bytes": ("gauge", "bytes of messages that it does not, by payload"),
    "audit_room_bytes": ("gauge", "room for other messages in the explained fields, by payload"),
    "altitude_metres": ("gauge", "altitude above mean sea level, by payload"),
    "speed_metres_per_second": ("gauge", "speed over ground, by payload"),
    "climb_metres_per_second": ("gauge", "speed upward, by payload"),
    "alerts_open": ("gauge", "alerts that have begun and not ended"),
    "streams_open": ("gauge", "live streams that are open"),
    "broker_connected": ("gauge", "1 while the broker is connected"),
    "store_ok": ("gauge", "1 while the store takes messages"),
}
PREFIX: Final = "overflight_ground_"


@router.get("/metrics", tags=["health"], response_class=Response)
def metrics(request: Request) -> Response:
    """Return all metrics for Prometheus."""
    values = collect(station_of(request))
    return Response(expose(values), media_type="text/plain; version=0.0.4; charset=utf-8")


def expose(values: dict[str, list[tuple[str, float]]]) -> str:
    """Write metrics in Prometheus' text format; a value goes with its labels."""
    lines = []
    for name, (kind, meaning) in METRICS.items():
        lines += [f"# HELP {PREFIX}{name} {meaning}", f"# TYPE {PREFIX}{name} {kind}"]
        lines += [f"{PREFIX}{name}{labels} {value:.10g}" for labels, value in values.get(name, [])]
    return "\n".join(lines) + "\n"


def collect(station: Station) -> dict[str, list[tuple[str, float]]]:
    """Return name → [(labels, value)]."""
    counters, now_ns = station.counters, station.now_ns()
    values: dict[str, list[tuple[str, float]]] = {
        "strays_total": [("", station.live.strays)],
        "suspect_total": [("", counters.suspect)],
        "received_total": [("", counters.received)],
        "receipts_total": [("", counters.receipts)],
        "batches_total": [("", counters.batches)],
        "commit_seconds_total": [("", counters.commit_seconds)],
        "store_failures_total": [("", counters.store_failures)],
        "waiting_messages": [("", counters.waiting_messages)],
        "alerts_open": [("", len(station.open_alerts()))],
        "streams_open": [("", station.hub.listeners)],
        "broker_connected": [("", station.broker_state() == "connected")],
        "store_ok": [("", station.store_trouble() is None)],
    }
    for total in live_audit(station.store).look(station.store)[0]:
        label = f'{{payload="{total.payload}"}}'
        values.setdefault("audit_explained_bytes", []).append((label, total.explained_bytes))
        values.setdefault("audit_unexplained_bytes", []).append((label, total.unexplained_bytes))
        values.setdefault("audit_room_bytes", []).append((label, total.room_bits / 8))
    for name, live in list(station.live.payloads.items()):
        rows = station.live.of_payload(name)
        fix, motion = live.fix, live.motion
        of_payload = {
            "messages_total": sum(row.messages for row in rows),
            "bytes_total": sum(row.bytes for row in rows),
            "duplicates_total": sum(row.duplicates for row in rows),
            "quarantined_total": sum(row.quarantined for row in rows),
            "conflicts_total": sum(row.conflicts for row in rows),
            "given_up_total": sum(row.given_up for row in rows),
            "receipt_through": live.row.through,
            "age_seconds": (now_ns - live.received_at_ns) / NS_PER_S,
            "altitude_metres": fix.alt_msl_m if fix else None,
            "speed_metres_per_second": motion.speed_mps if motion else None,
            "climb_metres_per_second": motion.climb_mps if motion else None,
        }
        for metric, value in of_payload.items():
            if value is not None:
                values.setdefault(metric, []).append((f'{{payload="{name}"}}', value))
    return values

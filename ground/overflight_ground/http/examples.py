"""Examples of answers, put into the OpenAPI description; a test holds them true."""

from __future__ import annotations

from typing import Any, Final

from overflight_ground.http.columns import COLUMNS

_FLIGHT: Final = "20230128T060000Z-7f3a"
_TIME: Final = "2023-01-28T06:39:00.000Z"

_PAYLOAD: Final = {
    "payload": "HAB-01",
    "flight": _FLIGHT,
    "phase": "float",
    "fix": {
        "measured_at": _TIME,
        "lat_deg": 50.0,
        "lon_deg": -179.32,
        "alt_msl_m": 18000.0,
        "alt_hae_m": 18010.5,
        "fix": "3d",
        "sats": 9,
        "hdop": 0.9,
    },
    "motion": {
        "measured_at": _TIME,
        "track_deg": 90.0,
        "speed_mps": 24.5,
        "climb_mps": 0.0,
        "waypoint": 3,
        "cross_track_m": -1200,
    },
    "received_at": "2023-11-14T22:13:20.000Z",
    "age_s": 5.0,
    "state": "ok",
    "messages": 40,
    "bytes": 8012,
    "duplicates": 0,
    "quarantined": 0,
    "conflicts": 0,
    "receipt_through": 40,
    "held_from": 1,
    "given_up": 0,
    "rhythm_s": 60.0,
    "simulated": False,
}

_MESSAGE: Final = {
    "id": 1,
    "payload": "HAB-01",
    "flight": _FLIGHT,
    "seq": 1,
    "kind": "position",
    "held_from": 1,
    "measured_at": "2023-01-28T06:01:00.000Z",
    "received_at": "2023-11-14T22:13:20.000Z",
    "stored_at": "2023-11-14T22:13:20.001Z",
    "topic": "overflight/1/HAB-01/position",
    "qos": 1,
    "retained": False,
    "dup": False,
    "bytes": 201,
    "suspect": [],
    "lat_deg": 50.0,
    "lon_deg": 179.92,
    "alt_msl_m": 18000.0,
    "alt_hae_m": 18010.5,
    "fix": "3d",
    "sats": 9,
    "hdop": 0.9,
}

_ALERT: Final = {
    "id": 7,
    "kind": "area",
    "payload": "HAB-01",
    "flight": _FLIGHT,
    "severity": "info",
    "title": "HAB-01 entered Canada",
    "cause": "a fix inside Canada",
    "begin_at": _TIME,
    "end_at": None,
    "raised_at": "2023-11-14T22:13:20.400Z",
    "acked_at": None,
    "acked_by": None,
    "lat_deg": 60.1,
    "lon_deg": -135.2,
    "evidence": {"area": "Canada", "area_kind": "country"},
}

_PREDICTED: Final = {
    "label": "+6 h",
    "hours": 6.0,
    "at": "2023-01-28T12:39:00.000Z",
    "lat_deg": 50.4,
    "lon_deg": -172.1,
    "alt_msl_m": 18000.0,
    "radius_m": 113000,
}

EXAMPLES: Final[dict[str, Any]] = {
    "/api/v1/health": {
        "status": "ok",
        "store": "ok",
        "broker": "connected",
        "tap": None,
        "messages": 40,
        "duplicates": 0,
        "quarantined": 1,
        "conflicts": 0,
        "given_up": 0,
        "bytes": 8012,
        "waiting": 0,
        "version": "0.1.0",
        "clock": "wall",
        "simulated": False,
    },
    "/api/v1/ready": {"ready": True, "store": "ok", "broker": "connected"},
    "/api/v1/payloads": {"payloads": [_PAYLOAD]},
    "/api/v1/payloads/{payload}/track": {
        "payload": "HAB-01",
        "flight": _FLIGHT,
        "columns": list(COLUMNS),
        "rows": [[1674885660000, 50.0, 179.92, 18000.0, 24.5, 0.0, "float", 1]],
    },
    "/api/v1/overviews": {
        "columns": list(COLUMNS),
        "points": 700,
        "tracks": [
            {
                "payload": "HAB-01",
                "flight": _FLIGHT,
                "rows": [[1674885660000, 50.0, 179.92, 18000.0, 24.5, 0.0, "float", 1]],
            }
        ],
    },
    "/api/v1/prediction/{payload}": {
        "payload": "HAB-01",
        "flight": _FLIGHT,
        "method": "from the flight so far: winds met reused by altitude, …",
        "made_at": _TIME,
        "phase": "float",
        "points": [_PREDICTED],
        "landing": {**_PREDICTED, "label": "if it came down now", "alt_msl_m": 0.0},
        "none_because": None,
    },
    "/api/v1/messages": {"messages": [_MESSAGE], "next": "MQ"},
    "/api/v1/messages/{message_id}": {**_MESSAGE, "raw": "7b22…7d", "text": '{"flight":"…"}'},
    "/api/v1/alerts": {"alerts": [_ALERT], "next": None},
    "/api/v1/receipts": {
        "receipts": [
            {
                "payload": "HAB-01",
                "flight": _FLIGHT,
                "through": 40,
                "held_from": 1,
                "given_up": 0,
            }
        ]
    },
    "/api/v1/split": {
        "crossed_bytes": 8012,
        "crossed_messages": 40,
        "kept": {
            "state": "unknown",
            "bytes": None,
            "images": None,
            "label": "unknown until recovered",
        },
        "audit": None,
    },
    "/api/v1/timeline": {
        "start": "2023-01-28T06:00:00.000Z",
        "end": _TIME,
        "bins": [6, 6, 6, 6, 6, 6, 4],
    },
}

PROBLEM: Final = {
    "type": "about:blank",
    "title": "No such payload",
    "status": 404,
    "detail": "nothing was heard from HAB-99",
}


def with_examples(description: dict[str, Any]) -> dict[str, Any]:
    """Put the examples, and the form of problems, into an OpenAPI description."""
    for path, operations in description.get("paths", {}).items():
        for operation in operations.values():
            responses = operation.setdefault("responses", {})
            responses["default"] = {
                "description": "what went wrong (RFC 9457)",
                "content": {"application/problem+json": {"example": PROBLEM}},
            }
            responses.pop("422", None)
            example = EXAMPLES.get(path)
            if example is not None and "200" in responses:
                content = responses["200"].setdefault("content", {})
                content["application/json"] = {"example": example}
    return description

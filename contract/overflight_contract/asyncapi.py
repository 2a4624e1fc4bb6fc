"""The AsyncAPI document of the contract, generated from the message types.

``python -m overflight_contract.asyncapi > contract/asyncapi.json`` writes it anew; a test holds the
file current. It doubles as the egress contract: what it does not describe must not leave a payload.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

import msgspec

from overflight_contract.identity import FLIGHT_PATTERN, PAYLOAD_PATTERN
from overflight_contract.messages import QUANTA, Navigation, Position, Receipt
from overflight_contract.topics import PREFIX, SCHEMA_VERSION, Kind

_TYPES: Final = {
    Kind.POSITION: (Position, "Where the payload was, as its GNSS receiver said."),
    Kind.NAVIGATION: (Navigation, "How the payload moved, and what it steers for."),
    Kind.RECEIPT: (Receipt, "What the ground has, through a seq."),
}


def document() -> dict[str, Any]:
    """Return the document (AsyncAPI 3.0)."""
    _, components = msgspec.json.schema_components(
        [kind[0] for kind in _TYPES.values()], ref_template="#/components/schemas/{name}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Overflight telemetry",
            "version": str(SCHEMA_VERSION),
            "description": "All that may cross between a payload and its ground. JSON in one"
            " canonical spelling: keys in the order given here, no spaces, numbers in shortest"
            " form. Times are UTC in whole milliseconds. Decimal places at the most: "
            + ", ".join(f"{field} {places}" for field, places in QUANTA.items())
            + ".",
        },
        "defaultContentType": "application/json",
        "channels": {str(kind): _channel(kind) for kind in _TYPES},
        "operations": {f"{_action(kind)}-{kind}": _operation(kind) for kind in _TYPES},
        "components": {
            "messages": {
                str(kind): {
                    "name": str(kind),
                    "summary": summary,
                    "payload": {"$ref": f"#/components/schemas/{message.__name__}"},
                }
                for kind, (message, summary) in _TYPES.items()
            },
            "schemas": _portable(components),
        },
    }


def _action(kind: Kind) -> str:
    return "receive" if kind is Kind.RECEIPT else "send"


def _channel(kind: Kind) -> dict[str, Any]:
    return {
        "address": f"{PREFIX}{{payload}}/{kind}",
        "parameters": {
            "payload": {"description": f"name of the payload, matches {_portable(PAYLOAD_PATTERN)}"}
        },
        "messages": {str(kind): {"$ref": f"#/components/messages/{kind}"}},
    }


def _operation(kind: Kind) -> dict[str, Any]:
    return {
        "action": _action(kind),
        "channel": {"$ref": f"#/channels/{kind}"},
        "summary": "Seen from the payload. "
        + ("Retained, sent by the ground." if kind is Kind.RECEIPT else "QoS 1, not retained."),
        "bindings": {"mqtt": {"qos": 1, "retain": kind is Kind.RECEIPT}},
    }


def _portable(value: Any) -> Any:
    r"""Python's ``\\Z`` is not in the dialect of JSON Schema's patterns."""
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_portable(item) for item in value]
    if value in (PAYLOAD_PATTERN, FLIGHT_PATTERN):
        return str(value).replace(r"\Z", "$")
    return value


def text() -> str:
    """Return the document as it stands in ``contract/asyncapi.json``."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())

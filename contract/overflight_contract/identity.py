"""Names that may stand in a topic or a message: payloads and flights.

Both have fixed patterns, because a free name is room to hide data in.
"""

from __future__ import annotations

import datetime as dt
import random
import re

from overflight_contract.errors import ContractError

PAYLOAD_PATTERN = r"^[A-Z0-9][A-Z0-9-]{0,15}\Z"
FLIGHT_PATTERN = r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}\Z"

_PAYLOAD = re.compile(PAYLOAD_PATTERN)
_FLIGHT = re.compile(FLIGHT_PATTERN)


def is_payload(name: str) -> bool:
    """Tell whether `name` may name a payload, as ``HAB-01``."""
    return _PAYLOAD.match(name) is not None


def is_flight(name: str) -> bool:
    """Tell whether `name` may name a flight, as ``20230128T060000Z-7f3a``."""
    return _FLIGHT.match(name) is not None


def check_payload(name: str) -> str:
    """Return `name`; raise `ContractError` where it can't name a payload."""
    if not is_payload(name):
        raise ContractError(
            "identity",
            f"{name!r} can't name a payload: 1 to 16 of A-Z, 0-9 and -, not starting with -",
        )
    return name


def new_flight_id(started_at: dt.datetime, rng: random.Random) -> str:
    """Name a new flight by its start (aware, to the second, UTC) and 16 random bits."""
    stamp = started_at.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-{rng.getrandbits(16):04x}"

"""Times: integer nanoseconds since 1970 UTC inside, aware UTC datetimes at the edges."""

from __future__ import annotations

import datetime as dt
from typing import Final

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
NS_PER_S: Final = 1_000_000_000


def to_ns(moment: dt.datetime) -> int:
    """Turn an aware datetime into nanoseconds since 1970, exactly."""
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * NS_PER_S + delta.microseconds * 1000


def bounded_ns(moment: dt.datetime | None) -> int | None:
    """Turn the bound of a search into nanoseconds, within what a database's integer holds."""
    return None if moment is None else max(-(2**63), min(2**63 - 1, to_ns(moment)))


def from_ns(time_ns: int) -> dt.datetime:
    """Turn nanoseconds since 1970 into an aware UTC datetime (rounded down to microseconds)."""
    return EPOCH + dt.timedelta(microseconds=time_ns // 1000)


def iso(time_ns: int, *, milliseconds: bool = True) -> str:
    """Write a time for people and JSON: ``2023-02-01T12:00:00.000Z``."""
    spec = "milliseconds" if milliseconds else "seconds"
    return from_ns(time_ns).isoformat(timespec=spec).replace("+00:00", "Z")

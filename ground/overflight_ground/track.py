"""Positions and navigation of a flight put together into one track. Pure.

Both kinds are sent for the same instant; a position takes course, speed and climb from the
navigation message of its instant, else from the last one before it that is no older than
`CARRY_NS`, and the phase from whichever was last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from overflight_contract.formats import TrackPoint
from overflight_contract.times import NS_PER_S

CARRY_NS: Final = 300 * NS_PER_S


COLUMNS: Final = (*TrackPoint._fields, "kind")
"""What a row has, in this order: the fields of a point, then its kind."""

_TIME: Final = 3
_PLACE: Final = slice(0, 8)
_MOTION: Final = slice(8, 11)
_PHASE: Final = 11
_QUALITY: Final = slice(12, 15)
_RECEIVED: Final = 15
_NO_MOTION: Final = (None, None, None)


def merge(rows: Iterable[Any], *, arrival_times: bool = False) -> Iterator[TrackPoint]:
    """Merge rows with `COLUMNS`, which come by payload, flight and time.

    `arrival_times` keeps when each position arrived.
    """
    waiting: list[Any] = []
    motion: Any = None
    for row in rows:
        if waiting:
            first = waiting[0]
            if row[_TIME] != first[_TIME] or row[:2] != first[:2]:
                yield from [_point(position, motion, arrival_times) for position in waiting]
                waiting = []
        if row[-1] == "position":
            waiting.append(row)
        else:
            motion = row
    yield from [_point(position, motion, arrival_times) for position in waiting]


def _point(row: Any, motion: Any, arrival_times: bool) -> TrackPoint:
    known = motion is not None and motion[:2] == row[:2]
    near = known and row[_TIME] - motion[_TIME] <= CARRY_NS
    return TrackPoint._make(
        (
            *row[_PLACE],
            *(motion[_MOTION] if near else _NO_MOTION),
            motion[_PHASE] if known else None,
            *row[_QUALITY],
            row[_RECEIVED] if arrival_times else None,
        )
    )

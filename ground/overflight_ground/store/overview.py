"""A long track at a glance: some of its messages, evenly by their number, without reading the rest.

Two neighbours are kept at each step, so that a position comes with the navigation message next to
it. Numbers of a flight follow one another, so those wanted are looked up one by one in the index
(14 ms for 1,500 of any number); where most are missing the rows are counted off instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from overflight_ground.store.reading import MessageFilter
from overflight_ground.store.tables import messages
from overflight_ground.track import COLUMNS

SPARSE: Final = 4
"""Numbers to a message from which on looking up each number would mostly miss."""
_AT_ONCE: Final = 5_000
_TABLE: Final = messages.c


def overview_rows(
    connection: Connection, payload: str, flight: str, *, count: int, points: int
) -> Sequence[Row[Any]]:
    """Return rows as `reading.track_rows` does, about `points` positions of a flight of `count`.

    The first messages and the last ones are always among them.
    """
    ours = (_TABLE.payload == payload) & (_TABLE.flight == flight)
    first, last = connection.execute(
        select(func.min(_TABLE.seq), func.max(_TABLE.seq)).where(ours)
    ).one()
    if first is None:
        return []
    if last - first >= SPARSE * count:
        return connection.execute(_counted_off(ours, max(2, count // max(1, points)))).all()
    step = max(2, (last - first) // max(1, points))
    pairs = [(seq, seq + 1) for seq in range(first, last - 1, step)]
    return _looked_up(connection, ours, sorted({*chain(*pairs), last - 1, last}))


def _looked_up(
    connection: Connection, ours: ColumnElement[bool], wanted: Sequence[int]
) -> Sequence[Row[Any]]:
    found: list[Row[Any]] = []
    for start in range(0, len(wanted), _AT_ONCE):
        numbers = wanted[start : start + _AT_ONCE]
        found += connection.execute(_rows().where(ours, _TABLE.seq.in_(numbers)))
    return sorted(found, key=lambda row: (row.measured_at_ns, row.seq))


def _counted_off(ours: ColumnElement[bool], step: int) -> Select[Any]:
    number = func.row_number().over(order_by=_TABLE.measured_at_ns).label("n")
    whole = select(_TABLE.id, number).where(ours).subquery("whole")
    last = select(func.max(whole.c.n)).scalar_subquery()
    kept = select(whole.c.id).where((whole.c.n % step <= 1) | (whole.c.n > last - 2))
    return _rows().where(_TABLE.id.in_(kept)).order_by(_TABLE.measured_at_ns, _TABLE.seq)


def _rows() -> Select[Any]:
    return MessageFilter(believable=True).apply(select(*(_TABLE[name] for name in COLUMNS)))

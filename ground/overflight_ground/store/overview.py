"""A long track at a glance: some of its messages, evenly by their order, without reading the rest.

The numbering reads the index alone; only what is kept is looked up. Two neighbours are kept at each
step, so that a position comes with the navigation message next to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, func, select

from overflight_ground.store.reading import MessageFilter
from overflight_ground.store.tables import messages
from overflight_ground.track import COLUMNS


def overview_rows(
    connection: Connection, payload: str, flight: str, *, count: int, points: int
) -> Iterator[Row[Any]]:
    """Yield rows as `reading.track_rows` does, about `points` positions of a flight of `count`.

    The first messages and the last ones are always among them.
    """
    table = messages.c
    step = max(2, count // max(1, points))
    number = func.row_number().over(order_by=table.measured_at_ns).label("n")
    whole = (
        select(table.id, number)
        .where(table.payload == payload, table.flight == flight)
        .subquery("whole")
    )
    last = select(func.max(whole.c.n)).scalar_subquery()
    kept = select(whole.c.id).where((whole.c.n % step <= 1) | (whole.c.n > last - 2))
    query = select(*(table[name] for name in COLUMNS)).where(table.id.in_(kept))
    query = MessageFilter(believable=True).apply(query)
    yield from connection.execute(query.order_by(table.measured_at_ns, table.seq))

"""Many messages into SQLite at once.

This and `overflight_ground.store.copying` take the values of rows of `PLACES`, one row behind the
other in one list. Their form is made for Python's sqlite3: it binds exact ``int``, ``float``,
``str`` and ``bytearray`` at once, but looks for an adapter of each ``None``, ``bool`` and
``bytes``, which costs half a microsecond a value. So flags are 0 or 1, no suspicion is an empty
text, and the two kinds share eight places, which the statement puts into columns of their own. The
bytes of a message are a ``bytearray``, or a ``str`` where they are ASCII.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy.engine.interfaces import DBAPICursor

HEAD: Final = (
    "id",
    "payload",
    "flight",
    "seq",
    "kind",
    "held_from",
    "measured_at_ns",
    "received_at_ns",
    "topic",
    "qos",
    "retained",
    "dup",
    "raw",
    "suspect",
)
POSITION: Final = ("lat_deg", "lon_deg", "alt_msl_m", "alt_hae_m", "fix", "sats", "hdop")
NAVIGATION: Final = (
    "track_deg",
    "speed_mps",
    "climb_mps",
    "phase",
    "waypoint",
    "waypoint_distance_m",
    "waypoint_bearing_deg",
    "cross_track_m",
)
RAW: Final = HEAD.index("raw")
KIND_PLACES: Final = len(NAVIGATION)
PLACES: Final = len(HEAD) + KIND_PLACES
"""A row has the head, then what its kind has; a position leaves the last place at 0."""

COLUMNS: Final = (*HEAD, "stored_at_ns", *POSITION, *NAVIGATION)
STEPS: Final = (1024, 256, 64, 16, 4, 1)
"""So many rows a statement: SQLite works on them in one go, without the interpreter's lock."""


def insert_sqlite(cursor: DBAPICursor, values: Sequence[Any], stored_at_ns: int) -> None:
    """Insert rows, which must all be new."""
    start, left = 0, len(values) // PLACES
    for step in STEPS:
        while left >= step:
            end = start + step * PLACES
            cursor.execute(sqlite_statement(step), [stored_at_ns, *values[start:end]])
            start, left = end, left - step


@cache
def sqlite_statement(rows: int) -> str:
    """Return the statement that inserts so many rows: ``stored_at_ns`` and then their places."""
    heads = [f"column{n}" for n in range(1, len(HEAD))]
    heads[RAW] = f"CAST({heads[RAW]} AS BLOB)"
    suspect = f"nullif(column{len(HEAD)}, '')"
    kind = f"column{HEAD.index('kind') + 1}"
    fields = [
        f"iif({kind} = '{name}', column{len(HEAD) + n}, NULL)"
        for name, fields in (("position", POSITION), ("navigation", NAVIGATION))
        for n in range(1, len(fields) + 1)
    ]
    values = ", ".join([f"({', '.join('?' * PLACES)})"] * rows)
    return (
        f"INSERT INTO messages ({', '.join(COLUMNS)}) "  # noqa: S608 - names are ours
        f"SELECT {', '.join((*heads, suspect, '?1', *fields))} FROM (VALUES {values})"
    )

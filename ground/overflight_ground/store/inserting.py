"""Many messages into SQLite at once.

This and `overflight_ground.store.copying` take the values of rows of `PLACES`, one row behind the
other in one list. Their form is made for Python's sqlite3: it binds exact ``int``, ``float``,
``str`` and ``bytearray`` at once, but looks for an adapter of each ``None``, ``bool`` and
``bytes``, which costs half a microsecond a value. So flags are 0 or 1, no suspicion is an empty
text, and the two kinds share eight places, which the statement puts into columns of their own. The
bytes of a message are a ``bytearray``, or a ``str`` where they are ASCII.

Messages of one flight that are as usual have rows of `OWN` and what their kind has; what is the
same in all of them is bound once, which spares a sixth of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

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

OWN: Final = ("id", "seq", "kind", "held_from", "measured_at_ns", "received_at_ns", "raw")
OWN_PLACES: Final = len(OWN) + KIND_PLACES

COLUMNS: Final = (*HEAD, "stored_at_ns", *POSITION, *NAVIGATION)
STEPS: Final = (1024, 256, 64, 16, 4, 1)
"""So many rows a statement: SQLite works on them in one go, without the interpreter's lock."""


class Alike(NamedTuple):
    """What messages of one flight have in common that were sent once, with QoS 1, not retained."""

    stored_at_ns: int
    payload: str
    flight: str
    position_topic: str
    navigation_topic: str


def insert_sqlite(cursor: DBAPICursor, values: Sequence[Any], stored_at_ns: int) -> None:
    """Insert rows of `PLACES`, which must all be new."""
    _insert(cursor, sqlite_statement, PLACES, (stored_at_ns,), values)


def insert_sqlite_flight(cursor: DBAPICursor, values: Sequence[Any], alike: Alike) -> None:
    """Insert rows of `OWN_PLACES` of one flight, which must all be new."""
    _insert(cursor, sqlite_flight_statement, OWN_PLACES, alike, values)


def _insert(
    cursor: DBAPICursor,
    statement: Callable[[int], str],
    places: int,
    alike: Sequence[Any],
    values: Sequence[Any],
) -> None:
    start, left = 0, len(values) // places
    for step in STEPS:
        while left >= step:
            end = start + step * places
            cursor.execute(statement(step), [*alike, *values[start:end]])
            start, left = end, left - step


@cache
def sqlite_statement(rows: int) -> str:
    """Return the statement that inserts so many rows: ``stored_at_ns`` and then their places."""
    return _statement(HEAD, {"suspect": f"nullif(column{len(HEAD)}, '')"}, rows)


@cache
def sqlite_flight_statement(rows: int) -> str:
    """Return the statement that inserts so many rows of a flight: `Alike` and then their places."""
    alike = {"payload": "?2", "flight": "?3", "suspect": "NULL"}
    alike |= {"qos": "1", "retained": "0", "dup": "0"}
    alike["topic"] = f"iif(column{OWN.index('kind') + 1} = 'position', ?4, ?5)"
    return _statement(OWN, alike, rows)


def _statement(head: Sequence[str], others: dict[str, str], rows: int) -> str:
    """Return the statement for rows that begin with `head`; `others` are not taken as they come."""
    columns = {name: f"column{n}" for n, name in enumerate(head, 1)}
    columns |= {"raw": f"CAST({columns['raw']} AS BLOB)", "stored_at_ns": "?1", **others}
    fields = [
        f"iif({columns['kind']} = '{name}', column{len(head) + n}, NULL)"
        for name, fields in (("position", POSITION), ("navigation", NAVIGATION))
        for n in range(1, len(fields) + 1)
    ]
    own = [columns[name] for name in (*HEAD, "stored_at_ns")]
    values = ", ".join([f"({', '.join('?' * (len(head) + KIND_PLACES))})"] * rows)
    return (
        f"INSERT INTO messages ({', '.join(COLUMNS)}) "  # noqa: S608 - names are ours
        f"SELECT {', '.join((*own, *fields))} FROM (VALUES {values})"
    )

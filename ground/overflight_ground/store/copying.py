"""Many messages into PostgreSQL at once: COPY in its binary format, written here.

The server need not read numbers out of text, and the client writes a row with two calls of
``struct``: what many rows share is written once. Source: the manual of PostgreSQL on COPY, "Binary
Format".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any, Final

from overflight_ground.store.inserting import HEAD, PLACES

COMMON: Final = (
    "payload", "flight", "kind", "topic", "qos", "retained", "dup", "suspect", "fix", "phase",
)  # fmt: skip
"""What many rows have in common."""

OF_POSITION: Final = {
    "lat_deg": "d",
    "lon_deg": "d",
    "alt_msl_m": "d",
    "alt_hae_m": "d",
    "sats": "h",
    "hdop": "d",
}
OF_NAVIGATION: Final = {
    "track_deg": "d",
    "speed_mps": "d",
    "climb_mps": "d",
    "waypoint": "h",
    "waypoint_distance_m": "i",
    "waypoint_bearing_deg": "d",
    "cross_track_m": "i",
}
OWN: Final = ("id", "seq", "held_from", "measured_at_ns", "received_at_ns", "stored_at_ns", "raw")
COLUMNS: Final = (*COMMON, *OF_POSITION, *OF_NAVIGATION, *OWN)

COPY: Final = f"COPY messages ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"
PIECE: Final = 100
"""So many rows are sent at once: the server works on them while the next are written."""


class Copying(ExitStack):
    """One COPY through a cursor of psycopg: begun with the first rows, ended before all else.

    A context; an error in it tells the server to forget the rows.
    """

    def __init__(self, cursor: Any) -> None:
        super().__init__()
        self._cursor = cursor
        self._copy: Any = None

    def write(self, values: Sequence[Any], stored_at_ns: int) -> None:
        """Send rows, which must all be new, as `overflight_ground.store.inserting` has them."""
        if self._copy is None:
            self._copy = self.enter_context(_begun(self._cursor))
        for start in range(0, len(values), PIECE * PLACES):
            piece = values[start : start + PIECE * PLACES]
            self._copy.write(b"".join(_fields_of(piece, stored_at_ns)))

    def end(self) -> None:
        """Wait until the server has all rows; raises its error where one was not new."""
        self._copy = None
        self.close()


@contextmanager
def _begun(cursor: Any) -> Iterator[Any]:
    with cursor.copy(COPY) as copy:
        copy.write(HEADER)
        yield copy
        copy.write(TRAILER)


_PHASE: Final = len(HEAD) + 3
_FIX: Final = len(HEAD) + 4
_position: Final = struct.Struct(f">{'id' * 4}ihid").pack
_navigation: Final = struct.Struct(f">{'id' * 3}ihiiidii").pack
_own: Final = struct.Struct(f">{'iq' * 6}i").pack
_NO_POSITION: Final = NULL * len(OF_POSITION)
_NO_NAVIGATION: Final = NULL * len(OF_NAVIGATION)


def _fields_of(values: Sequence[Any], stored_at_ns: int) -> Iterator[bytes]:
    for start in range(0, len(values), PLACES):
        row = values[start : start + PLACES]
        (row_id, payload, flight, seq, kind, held_from, measured_at_ns, received_at_ns, topic,
         qos, retained, dup, raw, suspect, a, b, c, d, e, f, g, h) = row  # fmt: skip
        position = kind == "position"
        text = e if position else d
        yield _shared(payload, flight, kind, topic, qos, retained, dup, suspect, text)
        if None in row[len(HEAD) :]:
            yield _with_gaps(row, position=position)
        elif position:
            yield _position(8, a, 8, b, 8, c, 8, d, 2, f, 8, g)
        else:
            yield _navigation(8, a, 8, b, 8, c, 2, e, 4, f, 8, g, 4, h)
        if position:
            yield _NO_NAVIGATION
        data = raw.encode() if type(raw) is str else bytes(raw)
        yield _own(
            *(8, row_id, 8, seq, 8, held_from, 8, measured_at_ns, 8, received_at_ns),
            *(8, stored_at_ns, len(data)),
        )
        yield data


@lru_cache(maxsize=4096)
def _shared(
    payload: str,
    flight: str,
    kind: str,
    topic: str,
    qos: int,
    retained: int,
    dup: int,
    suspect: str,
    text: str,
) -> bytes:
    """Return the start of a row, up to the numbers of its kind."""
    parts = [len(COLUMNS).to_bytes(2)]
    parts += [_bytes(word.encode()) for word in (payload, flight, kind, topic)]
    parts += [_bytes(qos.to_bytes(2)), _bytes(bytes((retained,))), _bytes(bytes((dup,)))]
    parts.append(_bytes(suspect.encode()) if suspect else NULL)
    if kind == "position":
        parts += [_bytes(text.encode()), NULL]
    else:
        parts += [NULL, _bytes(text.encode()), _NO_POSITION]
    return b"".join(parts)


def _with_gaps(row: Sequence[Any], *, position: bool) -> bytes:
    """Return the numbers of a row of which some are missing."""
    at = [n for n in range(len(HEAD), PLACES) if n != (_FIX if position else _PHASE)]
    kinds = (OF_POSITION if position else OF_NAVIGATION).values()
    return b"".join(
        NULL if row[n] is None else _bytes(struct.pack(f">{code}", row[n]))
        for n, code in zip(at, kinds, strict=False)
    )


def _bytes(value: bytes) -> bytes:
    return len(value).to_bytes(4) + value

"""From the messages that crossed to tracks: each message once, by flight and number.

The messages pass through a temporary SQLite database, which goes to disk when it grows, so a
session of any size gives its tracks in order with little memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from overflight.session.views import Selection, selected
from overflight_contract.formats import TrackPoint
from overflight_contract.messages import Navigation, Position
from overflight_contract.session import Direction, SessionReader, Verdict
from overflight_contract.times import to_ns

_TABLES = """
CREATE TABLE position (payload, flight, seq, at, lat, lon, msl, hae, fix, sats, hdop, crossed,
  PRIMARY KEY (payload, flight, seq)) WITHOUT ROWID;
CREATE TABLE navigation (payload, flight, at, speed, track, climb, phase,
  PRIMARY KEY (payload, flight, at)) WITHOUT ROWID;
"""
_TRACK = """
SELECT payload, flight, seq, at, lat, lon, msl, hae, speed, track, climb, phase, fix, sats, hdop,
  crossed
FROM position LEFT JOIN navigation USING (payload, flight, at)
ORDER BY payload, flight, seq
"""


def track_points(session: SessionReader, selection: Selection) -> Iterator[TrackPoint]:
    """Yield the points of all flights, ordered by payload, flight and seq.

    Only what crossed upward counts; a message sent again counts once, as it crossed first. Motion
    comes from the navigation message of the same instant.
    """
    with closing(sqlite3.connect("")) as database:
        database.executescript(_TABLES)
        for entry in selected(session, selection):
            if not isinstance(entry, tuple):
                continue
            packet, view = entry
            if packet.direction != Direction.UP or packet.verdict == Verdict.REFUSED:
                continue
            if view.type != "publish" or view.payload is None:
                continue
            message = view.message
            if isinstance(message, Position):
                _keep_position(database, view.payload, message, packet.crossed_at_ns)
            elif isinstance(message, Navigation):
                _keep_navigation(database, view.payload, message)
        for row in database.execute(_TRACK):
            yield TrackPoint(*row)


def _keep_position(
    database: sqlite3.Connection, payload: str, message: Position, crossed_at_ns: int
) -> None:
    database.execute(
        "INSERT OR IGNORE INTO position VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            payload,
            message.flight,
            message.seq,
            to_ns(message.measured_at),
            message.lat_deg,
            message.lon_deg,
            message.alt_msl_m,
            message.alt_hae_m,
            str(message.fix),
            message.sats,
            message.hdop,
            crossed_at_ns,
        ),
    )


def _keep_navigation(database: sqlite3.Connection, payload: str, message: Navigation) -> None:
    database.execute(
        "INSERT OR IGNORE INTO navigation VALUES (?,?,?,?,?,?,?)",
        (
            payload,
            message.flight,
            to_ns(message.measured_at),
            message.speed_mps,
            message.track_deg,
            message.climb_mps,
            str(message.phase),
        ),
    )

"""What a session holds: packets as they crossed, connections that opened and closed, notes."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

import msgspec


class Direction(enum.IntEnum):
    """Which way a packet went."""

    UP = 0
    """From the client (a payload, a ground) to the broker."""
    DOWN = 1
    """From the broker to the client."""


class Verdict(enum.IntEnum):
    """What the relay's policy said of a packet."""

    OK = 0
    MARKED = 1
    """Against the policy, let through (``observe``)."""
    REFUSED = 2
    """Against the policy, not forwarded (``enforce``)."""


class Part(enum.IntEnum):
    """Whether `SessionPacket.data` is a whole packet or a piece of one above the size limit."""

    WHOLE = 0
    FIRST = 1
    MIDDLE = 2
    LAST = 3


MASKED: Final = 4
"""Added to the part in `SessionWriter.write_packets`: the credentials in the bytes are masked."""


class SessionPacket(NamedTuple):
    """One MQTT packet (or a piece of a too large one) as it crossed the relay."""

    crossed_at_ns: int
    """Integer nanoseconds since 1970 UTC."""
    connection: int
    """Number of the client's connection, from 1, new for every TCP connection of the session."""
    direction: Direction
    verdict: Verdict
    reason: str
    """Why the policy fired; empty when the verdict is OK."""
    data: bytes
    """The exact bytes, fixed header included."""
    part: int = Part.WHOLE
    sequence: int = 0
    """Counts every item of the session from 0; set by the writer."""
    masked: bool = False
    """The user's password was replaced by as many `*` before it was written."""


class ConnectionOpened(msgspec.Struct, frozen=True):
    """A client connected through the relay."""

    connection: int
    at_ns: int
    peer: str
    """The client's address, ``HOST:PORT``."""
    listener: str
    """The relay's address that it came to."""
    upstream: str
    """The broker that it was carried to."""
    tls: str = "none"
    """``none``, ``terminated`` or ``passthrough``."""
    sni: str | None = None
    """The server name that the client asked for in its TLS hello."""


class ConnectionClosed(msgspec.Struct, frozen=True):
    """A connection ended."""

    connection: int
    at_ns: int
    reason: str
    by: str
    """``client``, ``broker`` or ``relay``."""


class Note(msgspec.Struct, frozen=True):
    """Something else that matters to who reads the session later."""

    at_ns: int
    kind: str
    """``start``, ``stop``, ``policy``, ``link``, ``resumed``, ``gap``, ``unconfigured``, …"""
    detail: dict[str, str] = {}


Event = ConnectionOpened | ConnectionClosed | Note
Item = SessionPacket | ConnectionOpened | ConnectionClosed | Note

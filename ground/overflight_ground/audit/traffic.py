"""What the audit takes from a session: packets and connections as plain values."""

from __future__ import annotations

import enum
from typing import NamedTuple

from overflight_contract.session.model import Part


class Crossing(enum.IntEnum):
    """What became of a packet at the relay."""

    CROSSED = 0
    MARKED = 1
    """Against the policy, let through (``observe``)."""
    REFUSED = 2
    """Did not cross; an attempt."""


class Packet(NamedTuple):
    """One recorded packet (or piece). `sequence` and `file` lead back to the session."""

    crossed_at_ns: int
    connection: int
    up: bool
    crossing: Crossing
    reason: str
    data: bytes
    part: Part
    sequence: int
    file: int = 0

    @property
    def crossed(self) -> bool:
        """True where the packet went on."""
        return self.crossing is not Crossing.REFUSED


class Connection(NamedTuple):
    """One connection of the session."""

    connection: int
    opened_at_ns: int
    peer: str
    tls: str
    """``none``, ``terminated`` or ``passthrough`` (opaque)."""
    sni: str | None
    file: int = 0
    closed_at_ns: int | None = None
    """None: it was open when the session ended."""


class Gap(NamedTuple):
    """A time of which the session does not vouch: the relay was away, or the file is damaged."""

    from_ns: int | None
    until_ns: int | None
    what: str
    file: int = 0

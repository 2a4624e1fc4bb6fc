"""What a link does to a packet: a pure core, on a clock that is an argument.

Each decision depends on (seed, client id, number of its connection, direction, number of the
packet) alone, so the same seed gives the same faults. TCP loses nothing: a packet lost on the
network comes later, by a retransmission, and those behind it wait. Dropping or doubling a PUBLISH
or an acknowledgement is no link's doing but a hostile one's, and off in every named profile.
"""

from __future__ import annotations

import hashlib
import math
import random
from typing import Literal, NamedTuple

import msgspec

_PUBLISH = 3
_FIRST_ACK, _LAST_ACK = 4, 7

Distribution = Literal["none", "uniform", "normal", "exponential", "pareto"]


class Way(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One direction of a link. Times in milliseconds, probabilities per packet."""

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    """Standard deviation (normal), half width (uniform) or mean (exponential, pareto)."""
    jitter: Distribution = "normal"
    bandwidth_kbps: float = 0.0
    """Thousand bits a second; 0 is no limit."""
    queue_bytes: int = 262_144
    """Bytes that the queue in front of the bandwidth takes; then the sender has to wait."""
    loss: float = 0.0
    retransmit_ms: float = 200.0
    """How much later a lost packet comes; each further loss of it doubles the wait (RFC 6298)."""
    stall: float = 0.0
    stall_ms: float = 0.0
    reset: float = 0.0
    half_open: float = 0.0
    """From such a packet on the link swallows everything, and nobody is told."""
    drop: float = 0.0
    double: float = 0.0


class Outage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing passes for `for_s`, first `after_s` into the session, then every `every_s`."""

    after_s: float
    for_s: float
    every_s: float = 0.0


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link: both directions, and its outages in session time."""

    name: str = "own"
    source: str = ""
    """Where the numbers come from."""
    up: Way = msgspec.field(default_factory=Way)
    down: Way = msgspec.field(default_factory=Way)
    outages: tuple[Outage, ...] = ()

    @property
    def perfect(self) -> bool:
        """Whether packets pass at once, all of them."""
        return self.up == Way() and self.down == Way() and not self.outages


class Fate(NamedTuple):
    """What becomes of one packet."""

    at_s: float
    """When it comes out, on the session's clock."""
    copies: int = 1
    reset: bool = False
    half_open: bool = False


class Line:
    """One direction of one connection: order is kept, as TCP keeps it."""

    __slots__ = ("_busy_until_s", "_key", "_last_s", "_number", "half_open")

    def __init__(self, seed: int, client_id: str, connection: int, direction: int) -> None:
        """`connection` is the number of the connection among those of its client, from 1."""
        self._key = f"{seed}|{client_id}|{connection}|{direction}|"
        self._number = 0
        self._busy_until_s = 0.0
        self._last_s = 0.0
        self.half_open = False

    def carry(self, way: Way, outages: tuple[Outage, ...], packet: bytes, now_s: float) -> Fate:
        """Return the fate of the next packet; `now_s` is the time in the session."""
        self._number += 1
        rng = random.Random(hashlib.sha256(f"{self._key}{self._number}".encode()).digest())
        # always the same draws in the same order, whatever the profile says
        lost, stalled, reset, half_open, hostile = (rng.random() for _ in range(5))
        wait_ms = way.latency_ms + max(_jitter(way, rng), -way.latency_ms)
        wait_ms += _retransmission_ms(way, lost)
        if stalled < way.stall:
            wait_ms += way.stall_ms
        start_s = max(now_s, self._busy_until_s)
        if way.bandwidth_kbps > 0:
            start_s += len(packet) * 8 / (way.bandwidth_kbps * 1000)
            self._busy_until_s = start_s
        at_s = max(_after_outage(outages, start_s + wait_ms / 1000), self._last_s)
        self._last_s = at_s
        if half_open < way.half_open:
            self.half_open = True
        copies = _copies(way, packet, hostile)
        return Fate(at_s, 0 if self.half_open else copies, reset < way.reset, self.half_open)


def _jitter(way: Way, rng: random.Random) -> float:
    spread = way.jitter_ms
    if not spread or way.jitter == "none":
        return 0.0
    if way.jitter == "uniform":
        return rng.uniform(-spread, spread)
    if way.jitter == "normal":
        return rng.gauss(0.0, spread)
    if way.jitter == "exponential":
        return rng.expovariate(1.0 / spread)
    return min((rng.paretovariate(2.5) - 1.0) * spread * 1.5, 20 * spread)


def _retransmission_ms(way: Way, drawn: float) -> float:
    """Return how much later a packet comes that was lost once or more."""
    if way.loss <= 0 or drawn >= way.loss:
        return 0.0
    chance = min(way.loss, 0.999)
    times = min(6, 1 + int(math.log(max(drawn, 1e-12) / chance) / math.log(chance)))
    return way.retransmit_ms * float(2**times - 1)


def _after_outage(outages: tuple[Outage, ...], at_s: float) -> float:
    for outage in outages:
        since = at_s - outage.after_s
        if since < 0:
            continue
        within = since % outage.every_s if outage.every_s > 0 else since
        if within < outage.for_s:
            at_s += outage.for_s - within
    return at_s


def _copies(way: Way, packet: bytes, drawn: float) -> int:
    if way.drop <= 0 and way.double <= 0:
        return 1
    kind = packet[0] >> 4
    if kind != _PUBLISH and not _FIRST_ACK <= kind <= _LAST_ACK:
        return 1
    if drawn < way.drop:
        return 0
    return 2 if drawn < way.drop + way.double else 1

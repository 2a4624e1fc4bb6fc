"""Room: how many bits each accepted value could have carried.

Every free choice in the traffic is written down with a prefix code; its length in bits is the
room. By Kraft's inequality at most 2**B different sessions have a length of at most B bits, so
whoever chose among sessions that this audit accepts can have said at most B bits with this one.
Where a value is one of N that would have been accepted, its length is log2 N; where the set has no
end (a gap, a jump) it is that of an Elias delta code. docs/audit.md derives each field.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from overflight_contract.messages import Position, Telemetry
from overflight_contract.times import to_ns

MAX_SPEED_MPS: Final = 500.0
"""The contract's own limit of ``speed_mps``."""
MAX_CLIMB_MPS: Final = 300.0
"""The contract's own limit of ``climb_mps``."""
POSITION_SLACK_M: Final = 500.0
ALTITUDE_SLACK_M: Final = 500.0
"""What receivers err by at the worst that still passes without remark."""
GEOID_RANGE_M: Final = (-150.0, 150.0)
"""The geoid lies between -107 m and +86 m of the ellipsoid (EGM2008), and receivers round."""
EARTH_M: Final = 6_371_000.0
_METRES_PER_DEGREE: Final = 111_195.0
_CELL_DEG: Final = 1e-5
_EVERYWHERE_CELLS: Final = 18_000_001 * 36_000_000
_SPHERE: Final = 1.01
"""Distances are measured on a sphere, which is off by up to 0.6 %."""

_MOMENTS: Final = 315_537_897_600_000
"""Milliseconds of the years 1 to 9999."""


def choice(n: float) -> float:
    """Return log2 of `n` values, 0 where there is but one."""
    return math.log2(n) if n > 1 else 0.0


FLIGHT_BITS: Final = 14 * math.log2(10) + 16
"""14 digits, whether they are a date or not, and 16 random bits."""


def universal(n: int) -> float:
    """Return the length in bits of a whole number >= 0 in the Elias delta code."""
    length = (n + 1).bit_length() - 1
    return length + 2 * ((length + 1).bit_length() - 1) + 1


def gap_bits(gap_ms: int, window_ms: int) -> float:
    """Return the room of a pause: the shorter of two codes, and a bit that says which.

    One code is of any whole number, the other of those in a window (1.5 times the keep alive).
    """
    if gap_ms > window_ms:
        return 1.0 + universal(gap_ms)
    return 1.0 + min(universal(gap_ms), choice(window_ms + 1))


class Implausible(NamedTuple):
    """A value beyond the verified limits of motion."""

    field: str
    why: str


class _Known(NamedTuple):
    at_ns: int
    lat_deg: float
    lon_deg: float
    alt_m: float | None


@dataclass(slots=True)
class Motion:
    """The fixes of one flight so far, and what they leave open for the next one."""

    times: list[int] = field(default_factory=list)
    known: list[_Known] = field(default_factory=list)

    def neighbours(self, at_ns: int) -> list[_Known]:
        """Return the known fixes nearest in time before and after `at_ns`."""
        index = bisect.bisect_right(self.times, at_ns)
        return self.known[max(0, index - 1) : index + 1]

    def add(self, at_ns: int, lat: float, lon: float, alt_m: float | None) -> None:
        """Take a fix in."""
        index = bisect.bisect_right(self.times, at_ns)
        self.times.insert(index, at_ns)
        self.known.insert(index, _Known(at_ns, lat, lon, alt_m))


def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Return the great-circle distance in metres (sphere of 6,371 km; within 0.6 %)."""
    p1, p2 = math.radians(lat1), math.radians(lat2)
    a = (
        math.sin((p2 - p1) / 2) ** 2
        + math.cos(p1) * math.cos(p2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(a)))


def disc_cells(radius_m: float, lat_deg: float) -> float:
    """Return how many cells of 1e-5 degrees a disc of `radius_m` about a place holds."""
    side = _CELL_DEG * _METRES_PER_DEGREE
    nearest_pole = min(90.0, abs(lat_deg) + radius_m / _METRES_PER_DEGREE)
    cosine = max(math.cos(math.radians(nearest_pole)), 1e-9)
    return min(math.pi * (radius_m + side) ** 2 / (side * side * cosine), _EVERYWHERE_CELLS)


def position_bits(
    message: Position, motion: Motion
) -> tuple[list[tuple[str, float]], list[Implausible]]:
    """Return the room of each field of a position, and what is beyond the limits of motion."""
    bits: list[tuple[str, float]] = [("fix", choice(3)), ("sats", choice(101))]
    bits.append(("hdop", choice(1001)))
    wrong: list[Implausible] = []
    lat, lon, alt = message.lat_deg, message.lon_deg, message.alt_msl_m
    at_ns = to_ns(message.measured_at)
    near = motion.neighbours(at_ns)
    if lat is None or lon is None:
        bits.append(("lat_deg, lon_deg", 0.0))
    else:
        bits.append(("lat_deg, lon_deg", _place_bits(lat, lon, at_ns, near, wrong)))
    bits.append(("alt_msl_m", _altitude_bits(alt, at_ns, near, wrong)))
    bits.append(("alt_hae_m", _geoid_bits(message, wrong)))
    if lat is not None and lon is not None and not wrong:
        motion.add(at_ns, lat, lon, alt)
    return bits, wrong


def _place_bits(
    lat: float, lon: float, at_ns: int, near: list[_Known], wrong: list[Implausible]
) -> float:
    cells = float(_EVERYWHERE_CELLS)
    for fix in near:
        seconds = abs(at_ns - fix.at_ns) / 1e9
        radius = (POSITION_SLACK_M + MAX_SPEED_MPS * seconds) * _SPHERE
        cells = min(cells, disc_cells(radius, fix.lat_deg))
        leap = distance_m(lat, lon, fix.lat_deg, fix.lon_deg)
        if leap > radius:
            wrong.append(
                Implausible(
                    "lat_deg, lon_deg",
                    f"{leap / 1000:.1f} km from the fix {seconds:.1f} s away; "
                    f"at most {MAX_SPEED_MPS:.0f} m/s is accepted",
                )
            )
            break
    return choice(cells)


def _altitude_bits(
    alt: float | None, at_ns: int, near: list[_Known], wrong: list[Implausible]
) -> float:
    values = 610_001.0
    for fix in near:
        if fix.alt_m is None:
            continue
        seconds = abs(at_ns - fix.at_ns) / 1e9
        reach = ALTITUDE_SLACK_M + MAX_CLIMB_MPS * seconds
        values = min(values, 20 * reach + 1)
        if alt is not None and abs(alt - fix.alt_m) > reach:
            wrong.append(
                Implausible(
                    "alt_msl_m",
                    f"{abs(alt - fix.alt_m):.0f} m from the fix {seconds:.1f} s away; "
                    f"at most {MAX_CLIMB_MPS:.0f} m/s is accepted",
                )
            )
            break
    return choice(values + 1)


def _geoid_bits(message: Position, wrong: list[Implausible]) -> float:
    low, high = GEOID_RANGE_M
    if message.alt_hae_m is None or message.alt_msl_m is None:
        return choice(610_002)
    between = message.alt_hae_m - message.alt_msl_m
    if not low <= between <= high:
        wrong.append(Implausible("alt_hae_m", f"{between:.0f} m between geoid and ellipsoid"))
    return choice((high - low) * 10 + 2)


@dataclass(slots=True)
class Sequence:
    """The numbers and times of one flight so far."""

    highest: int = 0
    missing: int = 0
    seen: dict[int, bytes] = field(default_factory=dict)
    last_at_ns: int | None = None
    steps_ms: tuple[int, int] = (0, 0)
    """The last two steps of ``measured_at``: a rhythm repeats them."""
    numbers: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    def bits(self, message: Telemetry) -> tuple[list[tuple[str, float]], list[Implausible]]:
        """Return the room of ``seq``, ``held_from`` and ``measured_at``; takes the message in."""
        wrong: list[Implausible] = []
        bits = [
            ("seq", self._seq_bits(message.seq)),
            ("held_from", self._held_bits(message, wrong)),
        ]
        bits.append(("measured_at", self._time_bits(to_ns(message.measured_at))))
        return bits, wrong

    def _time_bits(self, at_ns: int) -> float:
        """Return the room of a time: a step as one of the last two, or any other."""
        if self.last_at_ns is None:
            self.last_at_ns = at_ns
            return choice(_MOMENTS)
        step_ms = (at_ns - self.last_at_ns) // 1_000_000
        bits = choice(3)
        if step_ms not in self.steps_ms:
            bits += 1 + universal(abs(step_ms))
        self.last_at_ns = at_ns
        self.steps_ms = (step_ms, self.steps_ms[0])
        return bits

    def _seq_bits(self, seq: int) -> float:
        bits = choice(2 + self.missing)
        if seq > self.highest:
            jump = seq - self.highest - 1
            bits += universal(jump) - 1 if jump else 0.0
            self.missing += jump
            self.highest = seq
        else:
            self.missing = max(0, self.missing - 1)
        return bits

    def _held_bits(self, message: Telemetry, wrong: list[Implausible]) -> float:
        """``held_from`` only grows with ``seq``: it lies between those of its neighbours."""
        index = bisect.bisect_left(self.numbers, message.seq)
        low = self.held[index - 1] if index else 1
        high = message.seq
        if index < len(self.held):
            high = min(high, self.held[index])
        if not low <= message.held_from <= high:
            wrong.append(
                Implausible("held_from", f"{message.held_from}, where {low} to {high} was possible")
            )
        else:
            self.numbers.insert(index, message.seq)
            self.held.insert(index, message.held_from)
        if message.held_from == low:
            return 1.0 if high > low else 0.0
        return 1.0 + choice(high - low)

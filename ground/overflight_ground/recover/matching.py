"""Matches pictures to the track: where the payload was when each was taken.

Pure. A camera's clock may be off; the offset is estimated from pictures that know where they were
taken, reported with its spread, and added to every time. A picture that can't be placed is listed
with the reason, never guessed. Times are nanoseconds since 1970 UTC; angles degrees; heights
metres.
"""

from __future__ import annotations

import bisect
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from overflight_ground.audit.room import distance_m

NS: Final = 1_000_000_000
SEEN_WITHIN_M: Final = 20_000.0
"""A picture whose own position is farther from the whole track says nothing about the clock."""
LEAST_FOR_OFFSET: Final = 3
MOVED_M: Final = 200.0
"""The clock can be told only where the payload moved between fixes."""


class Fix(NamedTuple):
    """A fix of the track."""

    at_ns: int
    lat_deg: float
    lon_deg: float
    alt_m: float | None


class Shot(NamedTuple):
    """What a picture says of itself."""

    sha256: str
    taken_at_ns: int | None
    lat_deg: float | None
    lon_deg: float | None
    alt_m: float | None


class Offset(NamedTuple):
    """What to add to the camera's times: `source` is ``given``, ``estimated`` or ``assumed``."""

    offset_s: float
    source: str
    pictures: int
    spread_s: float | None


@dataclass(frozen=True, slots=True)
class Match:
    """Where a picture belongs; `reason` says why it could not be placed."""

    sha256: str
    flight: str | None
    lat_deg: float | None
    lon_deg: float | None
    alt_m: float | None
    how: str
    """``own position``, ``track`` or ``unmatched``."""
    reason: str = ""


def estimate_offset(shots: Sequence[Shot], track: Sequence[Fix]) -> Offset:
    """Estimate the camera clock's offset from pictures with a position of their own.

    For each, the time at which the track was nearest to it; the median of the differences, with
    the median absolute deviation as spread. Under a second it counts as none.
    """
    differences: list[float] = []
    for shot in shots:
        if shot.taken_at_ns is None or shot.lat_deg is None or shot.lon_deg is None:
            continue
        passed = _nearest_pass(shot.lat_deg, shot.lon_deg, shot.taken_at_ns, track)
        if passed is not None:
            differences.append((passed - shot.taken_at_ns) / NS)
    if len(differences) < LEAST_FOR_OFFSET:
        return Offset(0.0, "assumed", len(differences), None)
    middle = statistics.median(differences)
    spread = statistics.median(abs(d - middle) for d in differences)
    if abs(middle) < max(1.0, 2 * spread):
        middle = 0.0
    return Offset(round(middle, 3), "estimated", len(differences), round(spread, 3))


def _nearest_pass(lat: float, lon: float, at_ns: int, track: Sequence[Fix]) -> int | None:
    """Return when the track passed nearest to a place (the pass nearest in time to `at_ns`)."""
    best: tuple[float, int, int] | None = None
    for before, after in itertools.pairwise(track):
        length = distance_m(before.lat_deg, before.lon_deg, after.lat_deg, after.lon_deg)
        if length < MOVED_M and best is not None:
            continue
        share, off = _along(lat, lon, before, after)
        when = before.at_ns + round(share * (after.at_ns - before.at_ns))
        mark = (round(off / 25.0), abs(when - at_ns), when)
        if off <= SEEN_WITHIN_M and (best is None or mark < best):
            best = mark
    return None if best is None else best[2]


def _along(lat: float, lon: float, a: Fix, b: Fix) -> tuple[float, float]:
    """Return (share of the way from a to b nearest to a place, distance there); flat, for km."""
    scale = math.cos(math.radians(a.lat_deg))
    bx, by = _turn(b.lon_deg - a.lon_deg) * scale, b.lat_deg - a.lat_deg
    px, py = _turn(lon - a.lon_deg) * scale, lat - a.lat_deg
    square = bx * bx + by * by
    share = min(1.0, max(0.0, (px * bx + py * by) / square)) if square else 0.0
    off = math.hypot(px - share * bx, py - share * by) * 111_195.0
    return share, off


def _turn(degrees: float) -> float:
    return (degrees + 180.0) % 360.0 - 180.0


def match(
    shots: Sequence[Shot],
    tracks: dict[str, Sequence[Fix]],
    offset: Offset,
    *,
    max_gap_s: float = 900.0,
) -> list[Match]:
    """Place pictures on the tracks of flights; `max_gap_s` is the longest gap to fill in."""
    matches: list[Match] = []
    for shot in shots:
        if shot.taken_at_ns is None:
            matches.append(_unmatched(shot, None, "it has no time"))
            continue
        at_ns = shot.taken_at_ns + round(offset.offset_s * NS)
        flight = _flight_at(at_ns, tracks, max_gap_s)
        if flight is None:
            matches.append(_unmatched(shot, None, "it was taken outside of every flight"))
            continue
        matches.append(_place(shot, flight, tracks[flight], at_ns, max_gap_s))
    return matches


def _flight_at(at_ns: int, tracks: dict[str, Sequence[Fix]], gap_s: float) -> str | None:
    best: tuple[float, str] | None = None
    for flight, track in sorted(tracks.items()):
        if not track:
            continue
        beyond = max(track[0].at_ns - at_ns, at_ns - track[-1].at_ns, 0) / NS
        if beyond <= gap_s and (best is None or beyond <= best[0]):
            best = (beyond, flight)
    return None if best is None else best[1]


def _unmatched(shot: Shot, flight: str | None, reason: str) -> Match:
    return Match(shot.sha256, flight, shot.lat_deg, shot.lon_deg, shot.alt_m, "unmatched", reason)


def _place(shot: Shot, flight: str, track: Sequence[Fix], at_ns: int, gap_s: float) -> Match:
    if shot.lat_deg is not None and shot.lon_deg is not None:
        return Match(shot.sha256, flight, shot.lat_deg, shot.lon_deg, shot.alt_m, "own position")
    times = [fix.at_ns for fix in track]
    index = bisect.bisect_left(times, at_ns)
    if index < len(track) and track[index].at_ns == at_ns:
        before = after = track[index]
    elif index in (0, len(track)):
        before = after = track[0 if index == 0 else -1]
    else:
        before, after = track[index - 1], track[index]
    gap = (after.at_ns - before.at_ns) / NS
    if gap > gap_s:
        return _unmatched(shot, flight, f"it was taken in a gap of {gap:.0f} s without a fix")
    share = (at_ns - before.at_ns) / (after.at_ns - before.at_ns) if gap else 0.0
    lat = before.lat_deg + share * (after.lat_deg - before.lat_deg)
    lon = _turn(before.lon_deg + share * _turn(after.lon_deg - before.lon_deg))
    alt = None
    if before.alt_m is not None and after.alt_m is not None:
        alt = before.alt_m + share * (after.alt_m - before.alt_m)
    return Match(shot.sha256, flight, round(lat, 6), round(lon, 6), alt, "track")

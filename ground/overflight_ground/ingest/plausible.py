"""Marks messages that are hard to believe. Pure; a mark never drops anything.

Marks: ``zero`` (a position at 0/0), ``leap`` (faster than a jet from the believed position that
is nearest in time), ``future`` and ``past`` (by the clock that the ground was told to go by),
``sats`` (a 3D fix from fewer than four satellites).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

from overflight_contract.messages import Fix, Navigation, Position, Telemetry
from overflight_contract.times import NS_PER_S, to_ns
from overflight_contract.topics import Kind
from overflight_ground.ingest.judge import Accepted
from overflight_ground.ingest.run import Run

JET_MPS: Final = 340.0
"""Above any airliner over ground, well above any balloon (the fastest jet streams: 110 m/s)."""

SLACK_M: Final = 1_000.0
"""What rounded times and a receiver's noise may add to a step."""

FUTURE_NS: Final = 120 * NS_PER_S
PAST_NS: Final = 400 * 86_400 * NS_PER_S
START_NS: Final = 86_400 * NS_PER_S
LONGEST_FLIGHT_NS: Final = 400 * 86_400 * NS_PER_S
FUTURE: Final = "future"
BELIEVABLE: Final = ("past", "sats", "past,sats")
"""Marks that leave a message on the map and in the track: odd, but where it says it is."""

AGREEING: Final = 3
"""So many suspect positions that agree among themselves become the believed ones."""

ZERO_DEG: Final = 1e-3
"""Within about 100 m of 0/0: where receivers without a fix put themselves."""

EARTH_M: Final = 6_371_008.8
DEGREE_M: Final = EARTH_M * math.pi / 180
LEAST_SATS: Final = 4


class Clock(enum.StrEnum):
    """What times are judged by: the ground's own clock, or (demo, replay) the data's."""

    WALL = "wall"
    DATA = "data"


class Place(NamedTuple):
    """Where and when, in degrees and nanoseconds."""

    at_ns: int
    lat_deg: float
    lon_deg: float


@dataclass(slots=True)
class Track:
    """What plausibility remembers of a flight."""

    newest: Place | None = None
    latest_arrived: Place | None = None
    doubted: list[Place] = field(default_factory=list)


def marks(
    message: Telemetry, measured_at_ns: int, received_at_ns: int, track: Track, clock: Clock
) -> str | None:
    """Return the marks of `message`, joined by commas, `None` where it is believable.

    Believed positions are remembered in `track`.
    """
    found = _time_mark(message.flight, measured_at_ns, received_at_ns, clock)
    if isinstance(message, Navigation):
        return found
    where = _where_marks(message, measured_at_ns, track, believed=found != FUTURE)
    if not where:
        return found
    return where if found is None else f"{found},{where}"


def marks_of(
    items: Sequence[Accepted], measured_ns: Sequence[int], track: Track, clock: Clock
) -> dict[int, str]:
    """Return the marks of messages of one flight as `marks` finds them, by ``id`` of the item.

    `measured_ns` says when each was measured. Believable ones are left out, and told quickly.
    """
    found: dict[int, str] = {}
    received_ns = [item.arrival.received_at_ns for item in items]
    timely = _timely(items[0].message.flight, measured_ns, received_ns, clock)
    for item, at_ns in zip(items, measured_ns, strict=True):
        message = item.message
        if timely and (isinstance(message, Navigation) or _steady(message, at_ns, track)):
            continue
        mark = marks(message, at_ns, item.arrival.received_at_ns, track, clock)
        if mark is not None:
            found[id(item)] = mark
    return found


def _timely(
    flight: str, measured_ns: Sequence[int], received_ns: Sequence[int], clock: Clock
) -> bool:
    """Tell whether no message can have a mark for its time, by the extremes among them."""
    return (
        _time_mark(flight, max(measured_ns), min(received_ns), clock) is None
        and _time_mark(flight, min(measured_ns), max(received_ns), clock) is None
    )


def all_steady(run: Run, track: Track, clock: Clock) -> bool:
    """Believe a run of one flight in which nothing has a mark, as nearly all do.

    Its last position is remembered in `track`; where any of it is odd, nothing is.
    """
    measured_ns = run.measured_at_ns
    if not _timely(run.flight, measured_ns, run.received_at_ns, clock):
        return False
    places = run.places
    of_positions = run.of_kind(Kind.POSITION, measured_ns, places[0], places[1], places[5])
    at_ns, lats_deg, lons_deg, sats = of_positions
    return not at_ns or _go_on(at_ns, lats_deg, lons_deg, sats, track)


def _steady(message: Position, at_ns: int, track: Track) -> bool:
    """Believe a position that goes on from the last one, as nearly all do; else change nothing."""
    lat_deg, lon_deg = message.lat_deg, message.lon_deg
    if lat_deg is None or lon_deg is None:
        return True
    return _go_on((at_ns,), (lat_deg,), (lon_deg,), (message.sats,), track)


def _go_on(
    measured_ns: Sequence[int],
    lats_deg: Sequence[float],
    lons_deg: Sequence[float],
    sats: Sequence[int | None],
    track: Track,
) -> bool:
    """Tell at a glance whether positions are nothing but the next ones; then remember the last."""
    newest = track.newest
    if newest is None or newest is not track.latest_arrived or track.doubted:
        return False
    before_ns, before_lat_deg, before_lon_deg = newest
    for at_ns, lat_deg, lon_deg in zip(measured_ns, lats_deg, lons_deg, strict=True):
        step_m = DEGREE_M * (abs(lat_deg - before_lat_deg) + abs(lon_deg - before_lon_deg))
        if at_ns < before_ns or step_m > SLACK_M + JET_MPS / NS_PER_S * (at_ns - before_ns):
            return False
        before_ns, before_lat_deg, before_lon_deg = at_ns, lat_deg, lon_deg
    if min(map(abs, lats_deg)) < ZERO_DEG and min(map(abs, lons_deg)) < ZERO_DEG:
        return False
    if any(count is not None and count < LEAST_SATS for count in set(sats)):
        return False
    track.newest = track.latest_arrived = Place(before_ns, before_lat_deg, before_lon_deg)
    return True


def believable(suspect: str | None) -> bool:
    """Tell whether a message with these marks may move the map."""
    return suspect is None or suspect in BELIEVABLE


def ahead(suspect: str | None) -> bool:
    """Tell whether a message with these marks says a time that is yet to come."""
    return suspect is not None and suspect.startswith(FUTURE)


def _where_marks(message: Position, at_ns: int, track: Track, *, believed: bool) -> str:
    if message.lat_deg is None or message.lon_deg is None:
        return ""
    found = []
    if message.fix is Fix.THREE_D and message.sats is not None and message.sats < LEAST_SATS:
        found.append("sats")
    place = Place(at_ns, message.lat_deg, message.lon_deg)
    if abs(message.lat_deg) < ZERO_DEG and abs(message.lon_deg) < ZERO_DEG:
        found.append("zero")
    elif _leaps(place, track):
        found.append("leap")
        if believed:
            _doubt(place, track)
    elif believed:
        _believe(place, track)
    return ",".join(found)


def _time_mark(flight: str, measured_ns: int, received_ns: int, clock: Clock) -> str | None:
    if clock is Clock.WALL:
        if measured_ns > received_ns + FUTURE_NS:
            return FUTURE
        return "past" if measured_ns < received_ns - PAST_NS else None
    start_ns = flight_start_ns(flight)
    if start_ns is None:
        return None
    if measured_ns > start_ns + LONGEST_FLIGHT_NS:
        return FUTURE
    return "past" if measured_ns < start_ns - START_NS else None


_starts: dict[str, int | None] = {}


def flight_start_ns(flight: str) -> int | None:
    """Read when a flight began out of its id; `None` where the id tells no real date."""
    if flight not in _starts:
        if len(_starts) > 10_000:
            _starts.clear()
        try:
            moment = datetime.strptime(flight[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            _starts[flight] = to_ns(moment)
        except ValueError:
            _starts[flight] = None
    return _starts[flight]


def distance_m(a: Place, b: Place) -> float:
    """Great-circle distance on the mean sphere (within 0.6 % of the ellipsoid)."""
    a_lat, b_lat = math.radians(a.lat_deg), math.radians(b.lat_deg)
    half_lat = math.sin((b_lat - a_lat) / 2)
    half_lon = math.sin(math.radians(b.lon_deg - a.lon_deg) / 2)
    square = half_lat * half_lat + math.cos(a_lat) * math.cos(b_lat) * half_lon * half_lon
    return 2 * EARTH_M * math.asin(math.sqrt(min(1.0, square)))


def _reachable(a: Place, b: Place) -> bool:
    reach_m = SLACK_M + JET_MPS / NS_PER_S * abs(b.at_ns - a.at_ns)
    # the way along parallel and meridian is never the shorter one
    steps_deg = abs(b.lat_deg - a.lat_deg) + abs(b.lon_deg - a.lon_deg)
    return DEGREE_M * steps_deg <= reach_m or distance_m(a, b) <= reach_m


def _leaps(place: Place, track: Track) -> bool:
    nearest, other = track.newest, track.latest_arrived
    if nearest is None or other is None:
        return False
    if abs(other.at_ns - place.at_ns) < abs(nearest.at_ns - place.at_ns):
        nearest = other
    return not _reachable(nearest, place)


def _believe(place: Place, track: Track) -> None:
    if track.newest is None or place.at_ns >= track.newest.at_ns:
        track.newest = place
    track.latest_arrived = place
    if track.doubted:
        track.doubted.clear()


def _doubt(place: Place, track: Track) -> None:
    """Once several doubted positions agree, it is the believed one that was wrong."""
    if track.doubted and not _reachable(track.doubted[-1], place):
        track.doubted.clear()
    track.doubted.append(place)
    if len(track.doubted) >= AGREEING:
        track.newest = track.latest_arrived = place
        track.doubted.clear()

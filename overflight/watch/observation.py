"""What a provider learns from the traffic that it carried, and from nothing else.

From content, where it can be read: who, when, and the whole track. From metadata alone, which is
all that encryption leaves: contact times, volumes, rhythm, and what lengths betray. No position
follows from metadata.
"""

from __future__ import annotations

import collections
import statistics
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from geographiclib.geodesic import Geodesic

from overflight.session.tracks import track_points
from overflight.session.views import Selection
from overflight_contract.formats import TrackPoint
from overflight_contract.session import Direction, SessionReader, Verdict

NS: Final = 1_000_000_000
_APPLICATION_DATA: Final = 23
_TLS_OVERHEAD: Final = 5 + 1 + 16
"""Header, content type and tag of a TLS 1.3 record (RFC 8446 §5.2)."""
_MOST_SIZES: Final = 12
_BURST_NS: Final = 50_000_000

NO_POSITION: Final = "No position follows from contact times, volumes, rhythm or lengths."


class Stay(msgspec.Struct):
    """A time over one country, by the fixes that crossed."""

    country: str
    from_ns: int
    to_ns: int
    fixes: int = 1


class FlightSeen(msgspec.Struct):
    """One flight, as its messages told it."""

    payload: str
    flight: str
    positions: int = 0
    first_ns: int = 0
    last_ns: int = 0
    distance_km: float = 0.0
    highest_m: float | None = None
    fastest_mps: float | None = None
    phases: list[str] = msgspec.field(default_factory=list)
    countries: list[Stay] | None = None
    """`None` where the outlines of countries are not installed."""
    points: list[TrackPoint] = msgspec.field(default_factory=list)


class Contact(msgspec.Struct):
    """One connection, by its outside."""

    connection: int
    peer: str
    tls: str
    server_name: str | None
    from_ns: int = 0
    to_ns: int = 0
    packets_up: int = 0
    packets_down: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


class Metadata(msgspec.Struct):
    """All that sizes and times say."""

    contacts: list[Contact]
    bytes_up: int = 0
    bytes_down: int = 0
    rhythm_s: float | None = None
    """Median time between bursts from the client."""
    sizes: list[dict[str, Any]] = msgspec.field(default_factory=list)
    """The commonest sizes of what the client sent, and what such a size suggests."""
    statement: str = NO_POSITION


class Observation(msgspec.Struct):
    """Everything that the provider learns."""

    client_ids: list[str]
    flights: list[FlightSeen]
    metadata: Metadata


def observe(session: SessionReader) -> Observation:
    """Look at a session as its provider would."""
    metadata = _metadata(session)
    flights = _flights(session)
    return Observation(_clients(flights), flights, metadata)


def _clients(flights: Sequence[FlightSeen]) -> list[str]:
    return sorted({flight.payload for flight in flights})


# -- content ----------------------------------------------------------------------------------


def _flights(session: SessionReader) -> list[FlightSeen]:
    found: dict[tuple[str, str], FlightSeen] = {}
    for point in track_points(session, Selection()):
        key = (point.payload, point.flight)
        flight = found.setdefault(key, FlightSeen(point.payload, point.flight))
        _add(flight, point)
    borders = _borders()
    for flight in found.values():
        if borders is not None:
            flight.countries = _stays(flight.points, borders)
    return list(found.values())


def _add(flight: FlightSeen, point: TrackPoint) -> None:
    flight.positions += 1
    crossed_ns = point.received_at_ns or point.measured_at_ns
    flight.first_ns = min(flight.first_ns or crossed_ns, crossed_ns)
    flight.last_ns = max(flight.last_ns, crossed_ns)
    if point.alt_msl_m is not None:
        flight.highest_m = max(flight.highest_m or point.alt_msl_m, point.alt_msl_m)
    if point.speed_mps is not None:
        flight.fastest_mps = max(flight.fastest_mps or 0.0, point.speed_mps)
    if point.phase is not None and point.phase not in flight.phases:
        flight.phases.append(str(point.phase))
    if point.lat_deg is None or point.lon_deg is None:
        return
    if flight.points:
        last = flight.points[-1]
        line = Geodesic.WGS84.Inverse(
            last.lat_deg, last.lon_deg, point.lat_deg, point.lon_deg, Geodesic.DISTANCE
        )
        flight.distance_km += line["s12"] / 1000
    flight.points.append(point)


def _borders() -> Any:
    try:
        from overflight_ground.areas import AreaMap, countries
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("overflight"):
            raise
        return None
    return AreaMap(countries())


def _stays(points: Sequence[TrackPoint], borders: Any) -> list[Stay]:
    """Return the countries in the order in which they were crossed; "" is no country's."""
    stays: list[Stay] = []
    for point in points:
        names = [area.name for area in borders.at(point.lat_deg, point.lon_deg)]
        name = names[0] if names else ""
        if stays and stays[-1].country == name:
            stays[-1].to_ns = point.measured_at_ns
            stays[-1].fixes += 1
        else:
            stays.append(Stay(name, point.measured_at_ns, point.measured_at_ns))
    return [stay for stay in stays if stay.country]


# -- metadata ---------------------------------------------------------------------------------


def _metadata(session: SessionReader) -> Metadata:
    contacts: dict[int, Contact] = {}
    for number, opened, closed in session.connections():
        contact = Contact(number, "", "none", None)
        if opened is not None:
            contact.peer, contact.tls = opened.peer, opened.tls
            contact.server_name, contact.from_ns = opened.sni, opened.at_ns
        if closed is not None:
            contact.to_ns = closed.at_ns
        contacts[number] = contact
    sizes: collections.Counter[int] = collections.Counter()
    gaps: list[int] = []
    last_up: dict[int, int] = {}
    for packet in session.packets():
        contact = contacts.setdefault(
            packet.connection, Contact(packet.connection, "", "none", None)
        )
        size = len(packet.data)
        contact.from_ns = contact.from_ns or packet.crossed_at_ns
        contact.to_ns = max(contact.to_ns, packet.crossed_at_ns)
        if packet.direction is Direction.DOWN:
            contact.packets_down += 1
            contact.bytes_down += size
            continue
        if packet.verdict is Verdict.REFUSED:
            continue
        contact.packets_up += 1
        contact.bytes_up += size
        plain = _plain_size(packet.data, sealed=contact.tls == "passthrough")
        if plain is not None:
            sizes[plain] += 1
        before = last_up.get(packet.connection)
        if before is not None and packet.crossed_at_ns - before > _BURST_NS:
            gaps.append(packet.crossed_at_ns - before)
        last_up[packet.connection] = packet.crossed_at_ns
    listed = sorted(contacts.values(), key=lambda contact: contact.from_ns)
    return Metadata(
        listed,
        sum(contact.bytes_up for contact in listed),
        sum(contact.bytes_down for contact in listed),
        round(statistics.median(gaps) / NS, 3) if gaps else None,
        [
            {"bytes": size, "count": count, "suggests": _suggests(size)}
            for size, count in sizes.most_common(_MOST_SIZES)
        ],
    )


def _plain_size(data: bytes, *, sealed: bool) -> int | None:
    """Return how long what was said is: of a TLS record, without its wrapping."""
    if not sealed:
        return len(data)
    if not data or data[0] != _APPLICATION_DATA:
        return None
    return max(0, len(data) - _TLS_OVERHEAD)


def _suggests(size: int) -> str:
    if size == 2:
        return "a ping, or a goodbye"
    if size == 4:
        return "an acknowledgement"
    if size < 100:
        return "a connection being set up"
    if size < 400:
        return (
            "a short message: telemetry; its digits, and so heights and counts, change its length"
        )
    return "a large message or a transfer"

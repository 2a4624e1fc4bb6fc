"""``overflight session observe``: what the provider learns, as text, JSON, GeoJSON or picture."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from overflight.session.picture import draw_track
from overflight.watch.observation import Contact, FlightSeen, Observation, Stay, observe
from overflight.watch.observation_svg import draw
from overflight_contract.commandline import Exit, subcommand
from overflight_contract.errors import InputError
from overflight_contract.formats import FORMATS
from overflight_contract.session import open_session
from overflight_contract.times import iso

_MOST_CONTACTS = 10


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of ``overflight session``."""
    parser = subcommand(
        commands,
        "observe",
        "what the provider learns from the traffic alone: by content, and by metadata",
        run=_run,
        examples=(
            "overflight session observe flight.mcap",
            "overflight session observe flight.mcap --json",
            "overflight session observe flight.mcap --geojson seen.geojson --picture seen.svg",
        ),
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="session file, or a folder of them")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument(
        "--geojson", type=Path, metavar="OUT", help="write the track that the content gave away"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="OUT", help="draw map and contact times (SVG)"
    )
    parser.add_argument(
        "--metadata-only", action="store_true", help="as if all of it had been encrypted"
    )


def _run(args: argparse.Namespace) -> int:
    with open_session(args.file) as session:
        seen = observe(session)
        simulated = session.metadata.get("simulated") == "true"
    if args.metadata_only:
        seen.flights, seen.client_ids = [], []
    if args.geojson is not None:
        with args.geojson.open("wb") as out:
            points = [point for flight in seen.flights for point in flight.points]
            FORMATS["geojson"].write(points, out, simulated=simulated)
    if args.picture is not None:
        if args.picture.suffix != ".svg":
            raise InputError(f"{args.picture}: the picture is an SVG; name it so")
        args.picture.write_text(draw(seen), encoding="utf-8")
    if args.json:
        print(json.dumps(as_dict(seen)))
    else:
        sys.stdout.write("\n".join(text(seen)) + "\n")
    return Exit.OK


def as_dict(seen: Observation) -> dict[str, Any]:
    """Return an observation for JSON; times as ISO 8601."""
    metadata = msgspec.to_builtins(seen.metadata)
    metadata["contacts"] = [_contact(contact) for contact in seen.metadata.contacts]
    metadata["position"] = None
    flights = [_flight(flight) for flight in seen.flights]
    return {"content": {"client_ids": seen.client_ids, "flights": flights}, "metadata": metadata}


def _contact(contact: Contact) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(contact)
    told["from"], told["to"] = iso(told.pop("from_ns")), iso(told.pop("to_ns"))
    return told


def _flight(flight: FlightSeen) -> dict[str, Any]:
    return {
        "payload": flight.payload,
        "flight": flight.flight,
        "positions": flight.positions,
        "crossed_from": iso(flight.first_ns),
        "crossed_to": iso(flight.last_ns),
        "distance_km": round(flight.distance_km, 1),
        "highest_m": flight.highest_m,
        "fastest_mps": flight.fastest_mps,
        "phases": flight.phases,
        "countries": None
        if flight.countries is None
        else [
            {
                "country": stay.country,
                "from": iso(stay.from_ns),
                "to": iso(stay.to_ns),
                "fixes": stay.fixes,
            }
            for stay in flight.countries
        ],
        "track": [[point.lon_deg, point.lat_deg, point.alt_msl_m] for point in flight.points],
    }


def text(seen: Observation) -> Iterator[str]:
    """Yield the observation as lines."""
    yield "What the provider learns from the content"
    if not seen.flights:
        yield "  nothing: no message could be read"
    for flight in seen.flights:
        yield from _flight_text(flight)
    metadata = seen.metadata
    yield ""
    yield "What it learns from metadata alone, as under TLS"
    yield f"  {metadata.bytes_up:,} bytes up, {metadata.bytes_down:,} down"
    if metadata.rhythm_s is not None:
        yield f"  something is sent every {metadata.rhythm_s:g} s (median)"
    for contact in metadata.contacts[:_MOST_CONTACTS]:
        yield "  " + _contact_text(contact)
    if len(metadata.contacts) > _MOST_CONTACTS:
        yield f"  … and {len(metadata.contacts) - _MOST_CONTACTS} more contacts"
    for entry in metadata.sizes[:6]:
        yield f"  {entry['count']:7,} × {entry['bytes']:6,} bytes: {entry['suggests']}"
    yield f"  {metadata.statement}"


def _flight_text(flight: FlightSeen) -> Iterator[str]:
    yield f"  {flight.payload}, flight {flight.flight}: {flight.positions:,} positions"
    yield f"    crossed {iso(flight.first_ns)} to {iso(flight.last_ns)}"
    details = [f"{flight.distance_km:,.0f} km"]
    if flight.highest_m is not None:
        details.append(f"up to {flight.highest_m:,.0f} m")
    if flight.fastest_mps is not None:
        details.append(f"at most {flight.fastest_mps:.0f} m/s")
    if flight.phases:
        details.append(", ".join(flight.phases))
    yield f"    {'; '.join(details)}"
    if flight.countries is not None:
        yield f"    over {_countries(flight.countries)}"
    for row in draw_track(
        [
            (p.lon_deg, p.lat_deg)
            for p in flight.points
            if p.lon_deg is not None and p.lat_deg is not None
        ]
    ):
        yield f"    {row}"


def _countries(stays: list[Stay]) -> str:
    if not stays:
        return "no country"
    return ", ".join(f"{stay.country} ({iso(stay.from_ns)[:16]}Z)" for stay in stays)


def _contact_text(contact: Contact) -> str:
    name = f", asked for {contact.server_name}" if contact.server_name else ""
    sealed = {"passthrough": ", encrypted", "terminated": ", TLS ended here"}.get(contact.tls, "")
    return (
        f"contact {contact.connection}: {iso(contact.from_ns)} to {iso(contact.to_ns)} from "
        f"{contact.peer or '?'}{name}{sealed}; {contact.bytes_up:,} bytes up, "
        f"{contact.bytes_down:,} down"
    )

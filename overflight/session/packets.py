"""Exports of packets as lines: JSONL, CSV, and logs as Zeek writes them."""

from __future__ import annotations

import csv
import io
from typing import Any, BinaryIO, Final

import msgspec

from overflight.session.views import Selection, selected
from overflight_contract.dissect import PacketView
from overflight_contract.session import SessionPacket, SessionReader

COLUMNS: Final = (
    "at",
    "at_ns",
    "sequence",
    "direction",
    "connection",
    "client_id",
    "payload",
    "version",
    "type",
    "qos",
    "dup",
    "retain",
    "packet_id",
    "size",
    "topic",
    "summary",
    "verdict",
    "reason",
    "part",
    "masked",
    "hex",
)
_PARTS: Final = ("whole", "first", "middle", "last")
_encode = msgspec.json.Encoder().encode


def write_jsonl(session: SessionReader, selection: Selection, out: BinaryIO) -> int:
    """Write a JSON object for each packet, all of its bytes in hex; returns how many."""
    count = 0
    for entry in selected(session, selection):
        if isinstance(entry, tuple):
            out.write(_encode(fields_of(*entry)) + b"\n")
            count += 1
    return count


def write_csv(session: SessionReader, selection: Selection, out: BinaryIO) -> int:
    """Write a row for each packet, after a head line; returns how many packets."""
    text = io.TextIOWrapper(out, "utf-8", newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    count = 0
    for entry in selected(session, selection):
        if isinstance(entry, tuple):
            fields = fields_of(*entry)
            rows.writerow([fields[name] for name in COLUMNS])
            count += 1
    text.detach()
    return count


def fields_of(packet: SessionPacket, view: PacketView) -> dict[str, Any]:
    """Return the `COLUMNS` of a packet."""
    fields = view.as_dict()
    fields["part"] = _PARTS[packet.part]
    fields["masked"] = packet.masked
    fields["hex"] = packet.data.hex()
    return fields

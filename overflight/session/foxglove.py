"""MCAP as Foxglove shows it: a ``foxglove.LocationFix`` for each position, motion, and a log.

JSON messages with JSON schemas, so the file explains itself.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import msgspec
import zstandard

from overflight.session.views import Selection, selected
from overflight_contract.dissect import PacketView
from overflight_contract.messages import Navigation, Position
from overflight_contract.session import Direction, SessionPacket, SessionReader, Verdict, mcap
from overflight_contract.times import to_ns
from overflight_contract.version import __version__

_encode = msgspec.json.Encoder().encode
_CHUNK_BYTES: Final = 1 << 20
_TIME: Final = {
    "type": "object",
    "title": "time",
    "properties": {
        "sec": {"type": "integer", "minimum": 0},
        "nsec": {"type": "integer", "minimum": 0, "maximum": 999_999_999},
    },
}
_NUMBER: Final = {"type": "number"}
_TEXT: Final = {"type": "string"}
LOCATION_FIX: Final = {
    "title": "foxglove.LocationFix",
    "description": "A navigation satellite fix",
    "type": "object",
    "properties": {
        "timestamp": _TIME,
        "frame_id": _TEXT,
        "latitude": {**_NUMBER, "description": "degrees, north is positive"},
        "longitude": {**_NUMBER, "description": "degrees, east is positive"},
        "altitude": {**_NUMBER, "description": "metres above the WGS-84 ellipsoid"},
        "position_covariance": {
            "type": "array",
            "items": _NUMBER,
            "minItems": 9,
            "maxItems": 9,
        },
        "position_covariance_type": {
            "title": "foxglove.PositionCovarianceType",
            "oneOf": [
                {"title": "UNKNOWN", "const": 0},
                {"title": "APPROXIMATED", "const": 1},
                {"title": "DIAGONAL_KNOWN", "const": 2},
                {"title": "KNOWN", "const": 3},
            ],
        },
    },
}
LOG: Final = {
    "title": "foxglove.Log",
    "description": "A log message",
    "type": "object",
    "properties": {
        "timestamp": _TIME,
        "level": {
            "title": "foxglove.LogLevel",
            "oneOf": [
                {"title": name, "const": number}
                for number, name in enumerate(
                    ("UNKNOWN", "DEBUG", "INFO", "WARNING", "ERROR", "FATAL")
                )
            ],
        },
        "message": _TEXT,
        "name": _TEXT,
        "file": _TEXT,
        "line": {"type": "integer", "minimum": 0},
    },
}
MOTION: Final = {
    "title": "overflight.Motion",
    "description": "How a payload moved",
    "type": "object",
    "properties": {
        "timestamp": _TIME,
        "speed_mps": _NUMBER,
        "track_deg": _NUMBER,
        "climb_mps": _NUMBER,
        "phase": _TEXT,
    },
}
_SCHEMAS: Final = {"location": (1, LOCATION_FIX), "motion": (2, MOTION), "packets": (3, LOG)}
_LEVELS: Final = {Verdict.OK: 2, Verdict.MARKED: 3, Verdict.REFUSED: 4}


def write(session: SessionReader, selection: Selection, out: BinaryIO) -> int:
    """Write the session; returns the number of packets in it.

    Log times are those of crossing, publish times those of measuring. An altitude is above the
    ellipsoid, and left out where the receiver gave none.
    """
    file = _Mcap(out)
    count = 0
    for entry in selected(session, selection):
        if isinstance(entry, tuple):
            packet, view = entry
            count += 1
            file.add("/packets", "packets", packet.crossed_at_ns, _log(packet, view))
            if packet.direction == Direction.UP and packet.verdict != Verdict.REFUSED:
                _telemetry(file, packet, view)
    file.finish()
    return count


def _telemetry(file: _Mcap, packet: SessionPacket, view: PacketView) -> None:
    message = view.message if view.type == "publish" else None
    if message is None or view.payload is None or not isinstance(message, Position | Navigation):
        return
    measured_ns = to_ns(message.measured_at)
    if isinstance(message, Navigation):
        fields = {"timestamp": _time(measured_ns), "phase": str(message.phase)} | _present(
            speed_mps=message.speed_mps, track_deg=message.track_deg, climb_mps=message.climb_mps
        )
        topic, kind = f"/{view.payload}/motion", "motion"
    elif message.lat_deg is None or message.lon_deg is None:
        return
    else:
        fields = {
            "timestamp": _time(measured_ns),
            "frame_id": view.payload,
            "latitude": message.lat_deg,
            "longitude": message.lon_deg,
            **_present(altitude=message.alt_hae_m),
            "position_covariance": [0.0] * 9,
            "position_covariance_type": 0,
        }
        topic, kind = f"/{view.payload}/location", "location"
    file.add(topic, kind, packet.crossed_at_ns, fields, published_ns=measured_ns)


def _log(packet: SessionPacket, view: PacketView) -> dict[str, Any]:
    topic = f" {view.topic}" if view.topic else ""
    text = f"{view.direction} {view.type}{topic} {view.size} B: {view.summary}"
    if packet.reason:
        text += f" ({view.verdict}: {packet.reason})"
    return {
        "timestamp": _time(packet.crossed_at_ns),
        "level": _LEVELS[packet.verdict],
        "message": text,
        "name": view.client_id or f"connection {packet.connection}",
        "file": "",
        "line": 0,
    }


def _present(**fields: float | None) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _time(time_ns: int) -> dict[str, int]:
    return {"sec": time_ns // 1_000_000_000, "nsec": time_ns % 1_000_000_000}


class _Mcap:
    """Writes an MCAP file of JSON messages, indexed, in one go."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._compressor = zstandard.ZstdCompressor()
        self._channels: dict[str, mcap.Channel] = {}
        self._records = bytearray()
        self._pairs: dict[int, list[int]] = {}
        self._times: list[int] = []
        self._chunks: list[mcap.ChunkEntry] = []
        self._counts: dict[int, int] = {}
        self._position = 0
        self._sequence = 0
        self._write(mcap.MAGIC + mcap.header("", f"overflight {__version__}"))

    def add(
        self,
        topic: str,
        kind: str,
        logged_ns: int,
        fields: dict[str, Any],
        *,
        published_ns: int | None = None,
    ) -> None:
        """Add a message to the channel `topic`."""
        channel = self._channels.get(topic)
        if channel is None:
            channel = mcap.Channel(len(self._channels) + 1, _SCHEMAS[kind][0], topic, "json", {})
            if not self._channels:
                self._write(_schemas())
            self._channels[topic] = channel
            self._write(mcap.channel(channel))
        pairs = self._pairs.setdefault(channel.id, [])
        pairs += (logged_ns, len(self._records))
        self._times.append(logged_ns)
        self._counts[channel.id] = self._counts.get(channel.id, 0) + 1
        head = mcap.MESSAGE_HEADER.pack(
            channel.id,
            self._sequence & 0xFFFFFFFF,
            logged_ns,
            logged_ns if published_ns is None else published_ns,
        )
        self._sequence += 1
        self._records += mcap.record(mcap.Op.MESSAGE, head + _encode(fields))
        if len(self._records) >= _CHUNK_BYTES:
            self._chunk()

    def finish(self) -> None:
        """Write the summary and the end."""
        self._chunk()
        self._write(mcap.data_end())
        statistics = mcap.Statistics(
            messages=sum(self._counts.values()),
            schemas=len(_SCHEMAS) if self._channels else 0,
            channels=len(self._channels),
            attachments=0,
            metadata=0,
            chunks=len(self._chunks),
            start_ns=min((chunk.start_ns for chunk in self._chunks), default=0),
            end_ns=max((chunk.end_ns for chunk in self._chunks), default=0),
            by_channel=self._counts,
        )
        groups = (
            _schemas() if self._channels else b"",
            b"".join(map(mcap.channel, self._channels.values())),
            mcap.statistics(statistics),
            b"".join(map(mcap.chunk_index, self._chunks)),
        )
        self._write(mcap.summary(groups, self._position))

    def _chunk(self) -> None:
        if not self._times:
            return
        records, start, end = bytes(self._records), min(self._times), max(self._times)
        compressed = self._compressor.compress(records)
        chunk = mcap.chunk(start, end, records, compressed)
        offset, indexes = self._position, {}
        self._write(chunk)
        for channel_id, pairs in self._pairs.items():
            indexes[channel_id] = self._position
            self._write(mcap.message_index(channel_id, mcap.index_pairs(pairs[::2], pairs[1::2])))
        index_bytes = self._position - offset - len(chunk)
        self._chunks.append(
            mcap.ChunkEntry(
                start, end, offset, len(chunk), indexes, index_bytes, len(compressed), len(records)
            )
        )
        self._records.clear()
        self._times.clear()
        self._pairs.clear()

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._position += len(data)


def _schemas() -> bytes:
    return b"".join(
        mcap.schema(mcap.Schema(number, str(schema["title"]), "jsonschema", _encode(schema)))
        for number, schema in _SCHEMAS.values()
    )

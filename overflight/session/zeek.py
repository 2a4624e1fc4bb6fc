"""Logs as Zeek's MQTT analyser writes them: mqtt_connect, mqtt_publish, mqtt_subscribe.

Into a directory they go as three files; into one file as three tables one after the other, each
with its own head, which ``zeek-cut`` reads as well.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, BinaryIO, Final

from overflight.session.pcapng import address_of
from overflight.session.views import Selection, selected
from overflight_contract import mqtt
from overflight_contract.dissect import PacketView
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    SessionPacket,
    SessionReader,
    Verdict,
)

_MAX_PAYLOAD: Final = 100
"""What Zeek keeps of a payload by default."""
_ID: Final = (
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
)
_CONNECT: Final = (
    *_ID,
    ("proto_name", "string"),
    ("proto_version", "string"),
    ("client_id", "string"),
    ("connect_status", "string"),
    ("will_topic", "string"),
    ("will_payload", "string"),
)
_PUBLISH: Final = (
    *_ID,
    ("from_client", "bool"),
    ("retain", "bool"),
    ("qos", "string"),
    ("status", "string"),
    ("topic", "string"),
    ("payload", "string"),
    ("payload_len", "count"),
)
_SUBSCRIBE: Final = (
    *_ID,
    ("action", "enum"),
    ("topics", "vector[string]"),
    ("qos_levels", "vector[count]"),
    ("granted_qos_level", "count"),
    ("ack", "bool"),
)
_TABLES: Final = {
    "mqtt_connect": _CONNECT,
    "mqtt_publish": _PUBLISH,
    "mqtt_subscribe": _SUBSCRIBE,
}
_QOS: Final = ("at most once", "at least once", "exactly once")


def write(session: SessionReader, selection: Selection, out: BinaryIO) -> int:
    """Write the three tables into one file; returns the number of lines."""
    with ExitStack() as stack:
        files = {name: stack.enter_context(tempfile.TemporaryFile()) for name in _TABLES}
        count = _write(session, selection, files)
        for file in files.values():
            file.seek(0)
            shutil.copyfileobj(file, out)
    return count


def write_folder(session: SessionReader, selection: Selection, folder: Path) -> int:
    """Write the three logs into a folder; returns the number of lines."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.log").open("wb")) for name in _TABLES}
        return _write(session, selection, files)


def _write(session: SessionReader, selection: Selection, files: Mapping[str, IO[bytes]]) -> int:
    log = _Log({name: _Table(files[name], name) for name in _TABLES})
    for entry in selected(session, selection):
        if isinstance(entry, ConnectionOpened):
            log.opened(entry)
        elif isinstance(entry, ConnectionClosed):
            log.closed(entry.connection)
        elif isinstance(entry, tuple):
            log.packet(*entry)
    log.end()
    return sum(table.lines for table in log.tables.values())


class _Table:
    """One log, tab-separated."""

    def __init__(self, out: IO[bytes], name: str) -> None:
        self._out = out
        self.lines = 0
        fields = _TABLES[name]
        head = ("#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-")
        names = "\t".join(field for field, _ in fields)
        kinds = "\t".join(kind for _, kind in fields)
        text = "\n".join((*head, f"#path\t{name}", f"#fields\t{names}", f"#types\t{kinds}"))
        out.write(text.encode() + b"\n")

    def write(self, *values: str) -> None:
        self._out.write("\t".join(values).encode() + b"\n")
        self.lines += 1


class _Log:
    """Follows the connections; a line is written once its outcome is known."""

    def __init__(self, tables: dict[str, _Table]) -> None:
        self.tables = tables
        self._who: dict[int, tuple[str, ...]] = {}
        self._connects: dict[int, list[str]] = {}
        self._waiting: dict[tuple[int, str, int, int], list[str]] = {}

    def opened(self, opened: ConnectionOpened) -> None:
        self._who[opened.connection] = _who(opened)

    def closed(self, connection: int) -> None:
        """Write what stays without an outcome."""
        for key in [key for key in self._waiting if key[0] == connection]:
            self.tables[key[1]].write(*self._waiting.pop(key))
        if connection in self._connects:
            self.tables["mqtt_connect"].write(*self._connects.pop(connection))

    def end(self) -> None:
        for connection in sorted({*self._connects, *(key[0] for key in self._waiting)}):
            self.closed(connection)

    def packet(self, packet: SessionPacket, view: PacketView) -> None:
        if packet.part > 1 or view.type in ("opaque", "malformed"):
            return
        note = getattr(self, f"_{view.type}", None)
        if note is not None and packet.connection not in self._who:
            self.opened(ConnectionOpened(packet.connection, packet.crossed_at_ns, "", "", ""))
        if note is not None:
            note(packet, view)

    def _connect(self, packet: SessionPacket, view: PacketView) -> None:
        found = view.decoded
        if not isinstance(found, mqtt.Connect):
            return
        will = found.will
        self._connects[packet.connection] = [
            *self._begin(packet),
            _text(found.protocol_name),
            found.version.label,
            _text(found.client_id),
            "-",
            _text(will.topic) if will else "-",
            _bytes(will.payload) if will else "-",
        ]

    def _connack(self, packet: SessionPacket, view: PacketView) -> None:
        row = self._connects.pop(packet.connection, None)
        found = view.decoded
        if row is not None and isinstance(found, mqtt.ConnAck):
            row[9] = "Connection Accepted" if found.reason_code == 0 else view.summary
            self.tables["mqtt_connect"].write(*row)

    def _publish(self, packet: SessionPacket, view: PacketView) -> None:
        refused = packet.verdict == Verdict.REFUSED
        row = [
            *self._begin(packet),
            "T" if packet.direction == Direction.UP else "F",
            "T" if view.retain else "F",
            _QOS[view.qos or 0],
            "refused" if refused else "incomplete_qos" if view.qos else "ok",
            _text(view.topic or ""),
            _bytes(view.body),
            str(view.size - (view.payload_offset or 0)),
        ]
        if view.qos and not refused and view.packet_id is not None:
            key = (packet.connection, "mqtt_publish", int(packet.direction), view.packet_id)
            if not view.dup or key not in self._waiting:
                self._waiting[key] = row
            return
        self.tables["mqtt_publish"].write(*row)

    def _acknowledged(self, packet: SessionPacket, view: PacketView) -> None:
        key = (packet.connection, "mqtt_publish", 1 - int(packet.direction), view.packet_id or 0)
        row = self._waiting.pop(key, None)
        if row is not None:
            row[9] = "ok"
            self.tables["mqtt_publish"].write(*row)

    _puback = _pubcomp = _acknowledged

    def _subscribe(self, packet: SessionPacket, view: PacketView) -> None:
        found = view.decoded
        if isinstance(found, mqtt.Subscribe):
            filters = [item.topic_filter for item in found.subscriptions]
            levels = ",".join(str(int(item.qos)) for item in found.subscriptions)
            self._ask(packet, view, "MQTT::SUBSCRIBE", filters, levels)

    def _unsubscribe(self, packet: SessionPacket, view: PacketView) -> None:
        found = view.decoded
        if isinstance(found, mqtt.Unsubscribe):
            self._ask(packet, view, "MQTT::UNSUBSCRIBE", list(found.topic_filters), "-")

    def _ask(
        self, packet: SessionPacket, view: PacketView, action: str, filters: list[str], levels: str
    ) -> None:
        topics = ",".join(_text(text).replace(",", "\\x2c") for text in filters)
        row = [*self._begin(packet), action, topics or "(empty)", levels, "-", "F"]
        key = (packet.connection, "mqtt_subscribe", int(packet.direction), view.packet_id or 0)
        self._waiting[key] = row

    def _answered(self, packet: SessionPacket, view: PacketView) -> None:
        key = (packet.connection, "mqtt_subscribe", 1 - int(packet.direction), view.packet_id or 0)
        row = self._waiting.pop(key, None)
        if row is None:
            return
        codes = getattr(view.decoded, "reason_codes", None)
        if codes and view.type == "suback":
            row[9] = str(int(codes[0]))
        row[10] = "T"
        self.tables["mqtt_subscribe"].write(*row)

    _suback = _unsuback = _answered

    def _begin(self, packet: SessionPacket) -> tuple[str, ...]:
        seconds, rest = divmod(packet.crossed_at_ns, 1_000_000_000)
        return (f"{seconds}.{rest // 1000:06d}", *self._who[packet.connection])


def _who(opened: ConnectionOpened) -> tuple[str, ...]:
    """Return uid and addresses of a connection."""
    peer, listener = address_of(opened.peer), address_of(opened.listener)
    seed = f"{opened.connection} {opened.at_ns} {opened.peer}".encode()
    uid = "C" + hashlib.sha256(seed).hexdigest()[:17]
    return (
        uid,
        str(peer[0]) if peer else "0.0.0.0",
        str(peer[1]) if peer else "0",
        str(listener[0]) if listener else "0.0.0.0",
        str(listener[1]) if listener else "0",
    )


def _text(text: str) -> str:
    return _bytes(text.encode("utf-8", "backslashreplace"), limit=None)


def _bytes(data: bytes, limit: int | None = _MAX_PAYLOAD) -> str:
    """Escape as Zeek does: what is not printable ASCII becomes its number in hex."""
    shown = data if limit is None else data[:limit]
    if not shown:
        return "(empty)"
    text = "".join(
        chr(byte) if 32 <= byte < 127 and byte != 0x5C else f"\\x{byte:02x}" for byte in shown
    )
    return "\\x2d" if text == "-" else text

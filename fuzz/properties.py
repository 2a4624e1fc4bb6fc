"""What must hold for any bytes; the fuzzers and a test over the corpus call it."""

from __future__ import annotations

from overflight_contract.dissect import Dissector
from overflight_contract.filters import FilterError, compile_filter, complete
from overflight_contract.mqtt import (
    Framed,
    Framer,
    Publish,
    RemoteProtocolError,
    Version,
    decode,
    encode,
    split_publish,
)
from overflight_contract.mqtt.tracing import trace
from overflight_contract.session.model import Direction, SessionPacket, Verdict

VERSIONS = tuple(Version)
SENDERS = (None, True, False)
MAX_PACKET = 2000


def frames(stream: bytes, step: int) -> tuple[list[Framed], bool]:
    """Frame a stream in pieces of `step` bytes; tells whether it was refused."""
    framer = Framer(MAX_PACKET)
    out: list[Framed] = []
    for start in range(0, len(stream), step):
        try:
            out += framer.feed(stream[start : start + step])
        except RemoteProtocolError as error:
            return [*out, *error.framed], True  # type: ignore[list-item]
        assert framer.pending <= MAX_PACKET
    return out, False


def check_stream(data: bytes) -> None:
    """Frame and decode: the first byte chooses version and sender, the second how it is split."""
    if len(data) < 2:
        return
    version, from_client = VERSIONS[data[0] % 3], SENDERS[data[0] // 3 % 3]
    stream = data[2:]
    whole, refused = frames(stream, max(1, len(stream)))
    split, refused_too = frames(stream, data[1] % 16 + 1)
    assert refused == refused_too
    packets = [each for each in whole if isinstance(each, bytes)]
    assert packets == [each for each in split if isinstance(each, bytes)]
    dissector = Dissector()
    for packet in packets:
        check_packet(packet, version, from_client)
        direction = Direction.DOWN if from_client is False else Direction.UP
        view = dissector.view(SessionPacket(0, 1, direction, Verdict.OK, "", packet))
        assert view.as_dict()["type"] == view.type
        assert all(0 <= f.offset <= f.offset + f.length <= len(packet) for f in view.fields())


def check_packet(packet: bytes, version: Version, from_client: bool | None) -> None:
    """Decode: a packet or `RemoteProtocolError`; what is decoded can be encoded, and stays so."""
    trace(packet, version)
    try:
        decoded = decode(packet, version, from_client=from_client)
    except RemoteProtocolError:
        return
    written = encode(decoded, version)
    spoken = getattr(decoded, "version", version)
    assert decode(written, spoken) == decoded
    assert encode(decode(written, spoken), spoken) == written
    if isinstance(decoded, Publish):
        qos, _dup, _retain, topic, packet_id, offset = split_publish(packet, version)
        assert (qos, packet_id, topic.decode()) == (decoded.qos, decoded.packet_id, decoded.topic)
        assert packet[offset:] == decoded.payload


def check_filter(data: bytes) -> None:
    """Compile: a filter or `FilterError` with a place in the text."""
    text = data.decode("utf-8", "replace")
    complete(text)
    try:
        keep = compile_filter(text)
    except FilterError as error:
        position = error.position
        keep = None
    if keep is None:
        assert 0 <= position <= len(text)
        return
    packet = SessionPacket(0, 1, Direction.UP, Verdict.OK, "", b"\x30\x03\x00\x01a")
    assert keep(Dissector().view(packet)) in (True, False)

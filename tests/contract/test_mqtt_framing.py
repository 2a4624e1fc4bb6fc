"""Cutting a stream: any split gives the same packets, memory stays bounded, errors stay."""

import pytest

from overflight_contract.mqtt import (
    Framer,
    Oversize,
    Piece,
    Publish,
    RemoteProtocolError,
    Rule,
    Version,
    encode,
    encode_publish,
    split_publish,
)

PINGREQ = b"\xc0\0"
SMALL = encode(Publish(topic="a/b", payload=b"x" * 50, qos=1, packet_id=7), Version.V311)
MIDDLE = encode(Publish(topic="a/b", payload=b"y" * 300), Version.V311)
LARGE = encode(Publish(topic="a/b", payload=b"z" * 70_000, qos=1, packet_id=8), Version.V311)
STREAM = SMALL + PINGREQ + MIDDLE + LARGE + PINGREQ
PACKETS = [SMALL, PINGREQ, MIDDLE, LARGE, PINGREQ]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 1000, 65536, 10**6])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_split_gives_the_same_packets(step, kind):
    framer = Framer()
    out = []
    for start in range(0, len(STREAM), step):
        out += framer.feed(kind(STREAM[start : start + step]))
    assert out == PACKETS
    assert all(type(each) is bytes for each in out)
    assert framer.pending == 0


@pytest.mark.parametrize("step", [1, 5, 1000, 10**6])
def test_an_oversize_packet_comes_in_pieces(step):
    framer = Framer(max_packet=1000)
    out, held = [], 0
    for start in range(0, len(STREAM), step):
        out += framer.feed(STREAM[start : start + step])
        held = max(held, framer.pending)
    assert [each for each in out if type(each) is bytes] == [SMALL, PINGREQ, MIDDLE, PINGREQ]
    begun = out.index(Oversize(LARGE[:4], len(LARGE) - 4))
    pieces = [each for each in out if isinstance(each, Piece)]
    assert out[begun + 1] is pieces[0]
    assert LARGE[:4] + b"".join(piece.data for piece in pieces) == LARGE
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(piece.data for piece in pieces)
    assert held <= 1000
    assert not framer.inside_oversize


def test_what_is_held_can_be_taken_back_and_fed_again():
    framer = Framer()
    for cut in range(1, len(SMALL)):
        assert framer.feed(MIDDLE + SMALL[:cut]) == [MIDDLE]
        held = framer.release()
        assert (held, framer.pending) == (SMALL[:cut], 0)
        assert framer.feed(PINGREQ) == [PINGREQ]
        assert framer.feed(held + SMALL[cut:]) == [SMALL]
    assert framer.release() == b""


def test_the_limit_counts_the_fixed_header():
    assert Framer(max_packet=len(MIDDLE)).feed(MIDDLE) == [MIDDLE]
    assert type(Framer(max_packet=len(MIDDLE) - 1).feed(MIDDLE)[0]) is Oversize


def test_an_oversize_header_alone_waits_for_its_body():
    framer = Framer(max_packet=10)
    assert framer.feed(MIDDLE[:3]) == [Oversize(MIDDLE[:3], len(MIDDLE) - 3)]
    assert framer.inside_oversize
    assert framer.feed(b"") == []
    assert framer.feed(MIDDLE[3:] + PINGREQ) == [Piece(MIDDLE[3:], last=True), PINGREQ]


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (b"\x00", Rule.TYPE),
        (b"\x36", Rule.QOS),
        (b"\x38", Rule.DUP),
        (b"\x80", Rule.FLAGS),
        (b"\x21", Rule.FLAGS),
        (b"\xc0\xff\xff\xff\xff", Rule.REMAINING_LENGTH),
    ],
)
def test_a_bad_header_is_refused_at_once_and_for_ever(bad, rule):
    framer = Framer()
    with pytest.raises(RemoteProtocolError) as caught:
        framer.feed(SMALL + PINGREQ + bad)
    assert caught.value.rule is rule
    assert caught.value.framed == (SMALL, PINGREQ)
    with pytest.raises(RemoteProtocolError):
        framer.feed(PINGREQ)


def test_a_packet_of_many_feeds_is_collected_without_copying_it_each_time():
    framer = Framer()
    body = bytes(3_000_000)
    packet = encode_publish(b"a", body, qos=0, packet_id=None, version=4)
    out = []
    for start in range(0, len(packet), 1000):
        out += framer.feed(packet[start : start + 1000])
    assert out == [packet]


@pytest.mark.parametrize("version", Version)
def test_split_publish_agrees_with_decode(version):
    packet = encode(
        Publish(topic="a/b", payload=b"x" * 200, qos=2, dup=True, retain=True, packet_id=9), version
    )
    qos, dup, retain, topic, packet_id, offset = split_publish(packet, version)
    assert (qos, dup, retain, topic, packet_id) == (2, True, True, b"a/b", 9)
    assert packet[offset:] == b"x" * 200


@pytest.mark.parametrize("version", Version)
def test_split_publish_refuses_every_prefix_that_is_too_short(version):
    packet = encode(Publish(topic="a/b", qos=1, packet_id=9), version)
    for cut in range(1, len(packet)):
        with pytest.raises(RemoteProtocolError):
            split_publish(packet[:cut], version)


@pytest.mark.parametrize(
    ("hexed", "rule"),
    [
        ("3206 0001 61 0000 00", Rule.PACKET_ID),
        ("3009 0001 61 8000", Rule.VARINT_MINIMAL),
        ("3009 0001 61 ffffffff01", Rule.VARINT),
        ("3009 0001 61 05", Rule.TRUNCATED),
    ],
)
def test_split_publish_refuses(hexed, rule):
    with pytest.raises(RemoteProtocolError) as caught:
        split_publish(bytes.fromhex(hexed), 5)
    assert caught.value.rule is rule


def test_encode_publish_writes_what_encode_writes():
    for version in Version:
        for qos, packet_id in ((0, None), (1, 500)):
            quick = encode_publish(b"a/b", b"xyz", qos=qos, packet_id=packet_id, version=version)
            packet = Publish(topic="a/b", payload=b"xyz", qos=qos, packet_id=packet_id)
            assert quick == encode(packet, version)

"""Property tests of the core: a packet or `RemoteProtocolError`, nothing else."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflight_contract.mqtt import (
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    Framer,
    LocalProtocolError,
    Oversize,
    Piece,
    PingReq,
    PingResp,
    Properties,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    RemoteProtocolError,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Version,
    Will,
    decode,
    encode,
    split_publish,
)
from overflight_contract.mqtt.properties import TABLE, WILL, Shape
from overflight_contract.mqtt.reasons import CODES, RETURN_CODES, suback_codes
from overflight_contract.mqtt.tracing import trace
from overflight_contract.mqtt.vocabulary import PROTOCOL_NAMES, PacketType

CHARACTERS = st.characters(exclude_categories=("Cs", "Cc", "Cn"))
TEXT = st.text(CHARACTERS, max_size=12)
NAME = st.text(CHARACTERS.filter(lambda c: c not in "+#"), min_size=1, max_size=12)
LEVEL = st.one_of(st.just("+"), st.text(st.sampled_from("abc é"), max_size=3))
FILTER = st.builds(
    lambda levels, many: "/".join([*levels, *(["#"] if many or not levels else [])]),
    st.lists(LEVEL, max_size=4),
    st.booleans(),
).filter(bool)
PACKET_ID = st.integers(1, 65535)
BLOB = st.binary(max_size=40)


def one_property(row):
    if row.name == "response_topic":
        return NAME
    return {
        Shape.TEXT: TEXT,
        Shape.BINARY: BLOB,
        Shape.PAIR: st.tuples(TEXT, TEXT),
        Shape.BYTE: st.integers(row.lowest, min(row.highest, 255)),
        Shape.TWO: st.integers(row.lowest, 65535),
        Shape.FOUR: st.integers(row.lowest, 2**32 - 1),
        Shape.VARINT: st.integers(max(1, row.lowest), 268_435_455),
    }[row.shape]


@st.composite
def properties(draw, place):
    values = {}
    for number, row in TABLE.items():
        if place not in row.places or not draw(st.booleans()):
            continue
        if number == 0x26 or (number == 0x0B and place == PacketType.PUBLISH):
            values[row.name] = tuple(draw(st.lists(one_property(row), min_size=1, max_size=3)))
        elif number == 0x0B:
            values[row.name] = (draw(one_property(row)),)
        else:
            values[row.name] = draw(one_property(row))
    if "authentication_data" in values and place == PacketType.CONNECT:
        values.setdefault("authentication_method", "m")
    if place == PacketType.AUTH:
        values.setdefault("authentication_method", "m")
    return Properties(**values)


@st.composite
def connects(draw, version):
    five = version is Version.V5
    username = draw(st.none() | TEXT)
    password = draw(st.none() | BLOB) if username is not None or five else None
    will = draw(
        st.none()
        | st.builds(
            Will,
            topic=NAME,
            payload=BLOB,
            qos=st.integers(0, 2),
            retain=st.booleans(),
            properties=properties(WILL) if five else st.none(),
        )
    )
    return Connect(
        client_id=draw(TEXT if five else st.text(CHARACTERS, min_size=1, max_size=23)),
        clean_start=draw(st.booleans()),
        keep_alive=draw(st.integers(0, 65535)),
        username=username,
        password=password,
        will=will,
        version=version,
        protocol_name=PROTOCOL_NAMES[version],
        properties=draw(properties(PacketType.CONNECT)) if five else None,
    )


@st.composite
def packets(draw, version):
    five = version is Version.V5
    kind = draw(st.sampled_from([k for k in PacketType if five or k is not PacketType.AUTH]))
    props = draw(properties(kind)) if five and kind not in (12, 13) else None
    packet_id = draw(PACKET_ID)
    code = draw(st.sampled_from(sorted(CODES[kind]))) if five and kind in CODES else 0
    match kind:
        case PacketType.CONNECT:
            return draw(connects(version))
        case PacketType.CONNACK:
            code = code if five else draw(st.sampled_from(sorted(RETURN_CODES)))
            present = draw(st.booleans()) and not code
            return ConnAck(session_present=present, reason_code=code, properties=props)
        case PacketType.PUBLISH:
            qos = draw(st.integers(0, 2))
            topic = "" if props and props.topic_alias and draw(st.booleans()) else draw(NAME)
            return Publish(
                topic=topic,
                payload=draw(BLOB),
                qos=qos,
                dup=draw(st.booleans()) and qos > 0,
                retain=draw(st.booleans()),
                packet_id=packet_id if qos else None,
                properties=props,
            )
        case PacketType.SUBSCRIBE:
            wanted = st.builds(
                Subscription,
                topic_filter=FILTER,
                qos=st.integers(0, 2),
                no_local=st.booleans() if five else st.just(False),
                retain_as_published=st.booleans() if five else st.just(False),
                retain_handling=st.integers(0, 2) if five else st.just(0),
            )
            several = tuple(draw(st.lists(wanted, min_size=1, max_size=3)))
            return Subscribe(packet_id=packet_id, subscriptions=several, properties=props)
        case PacketType.UNSUBSCRIBE:
            several = tuple(draw(st.lists(FILTER, min_size=1, max_size=3)))
            return Unsubscribe(packet_id=packet_id, topic_filters=several, properties=props)
        case PacketType.SUBACK:
            codes = st.sampled_from(sorted(suback_codes(version)))
            several = tuple(draw(st.lists(codes, min_size=1, max_size=3)))
            return SubAck(packet_id=packet_id, reason_codes=several, properties=props)
        case PacketType.UNSUBACK:
            several = (code, 0) if five else ()
            return UnsubAck(packet_id=packet_id, reason_codes=several, properties=props)
        case PacketType.PINGREQ:
            return PingReq()
        case PacketType.PINGRESP:
            return PingResp()
        case PacketType.DISCONNECT:
            return Disconnect(reason_code=code, properties=props)
        case PacketType.AUTH:
            return Auth(reason_code=code, properties=props)
    make = {4: PubAck, 5: PubRec, 6: PubRel, 7: PubComp}[kind]
    return make(packet_id=packet_id, reason_code=code, properties=props)


VERSIONED = st.sampled_from(Version).flatmap(lambda v: st.tuples(st.just(v), packets(v)))


@settings(max_examples=300, deadline=None)
@given(VERSIONED)
def test_decode_undoes_encode_and_encode_undoes_decode(versioned):
    version, packet = versioned
    written = encode(packet, version)
    back = decode(written, version)
    assert back == packet
    assert encode(back, version) == written
    assert Framer().feed(written) == [written]


@settings(max_examples=100, deadline=None)
@given(VERSIONED, st.data())
def test_every_prefix_is_incomplete_or_an_error(versioned, data):
    version, packet = versioned
    written = encode(packet, version)
    cut = data.draw(st.integers(0, len(written) - 1))
    framer = Framer()
    assert framer.feed(written[:cut]) == []
    assert framer.feed(written[cut:]) == [written]
    with pytest.raises(RemoteProtocolError):
        decode(written[:cut], version)


@settings(max_examples=300, deadline=None)
@given(VERSIONED, st.data())
def test_a_damaged_packet_is_a_packet_or_a_protocol_error(versioned, data):
    version, packet = versioned
    damaged = bytearray(encode(packet, version))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    check(bytes(damaged), version)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(Version), st.integers(16, 255), st.binary(max_size=60))
def test_noise_is_a_packet_or_a_protocol_error(version, first, body):
    check(bytes((first, len(body))) + body, version)


def check(packet, version):
    """Decode; what is decoded can be encoded, and means the same then."""
    with contextlib.suppress(RemoteProtocolError):
        split_publish(packet, version)
    assert trace(packet, version)
    try:
        decoded = decode(packet, version)
    except RemoteProtocolError:
        return
    written = encode(decoded, version)
    assert decode(written, version) == decoded


@settings(max_examples=150, deadline=None)
@given(st.lists(VERSIONED, max_size=6), st.data())
def test_any_split_of_a_stream_gives_the_same_packets(several, data):
    written = [encode(packet, version) for version, packet in several]
    stream = b"".join(written)
    limit = data.draw(st.sampled_from([20, 100, 10_000]))
    framer, out = Framer(limit), []
    at = 0
    while at < len(stream):
        step = data.draw(st.integers(1, 40))
        out += framer.feed(stream[at : at + step])
        assert framer.pending <= limit
        at += step
    joined = [each for each in out if type(each) is bytes]
    assert joined == [packet for packet in written if len(packet) <= limit]
    parts = (
        e.header if isinstance(e, Oversize) else e.data if isinstance(e, Piece) else e for e in out
    )
    assert b"".join(parts) == stream


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=8))
def test_noise_is_framed_or_refused(chunks):
    framer = Framer(100)
    with contextlib.suppress(RemoteProtocolError):
        for chunk in chunks:
            framer.feed(chunk)


def test_an_order_that_is_the_ascending_one_may_be_told():
    packet = Publish(topic="a", properties=Properties(topic_alias=1, order=(0x23,)))
    assert decode(encode(packet, Version.V5), Version.V5).properties == Properties(topic_alias=1)
    empty = Publish(topic="a", properties=Properties())
    assert encode(empty, Version.V5) == encode(Publish(topic="a"), Version.V5)


@pytest.mark.parametrize(
    ("packet", "version"),
    [
        (Publish(topic="a", qos=1), Version.V311),
        (Publish(topic="a", packet_id=1), Version.V311),
        (Publish(topic="a", qos=3, packet_id=1), Version.V311),
        (Publish(topic="a/#"), Version.V311),
        (Publish(topic="\ud800"), Version.V311),
        (Publish(topic="a" * 65536), Version.V311),
        (Publish(topic="a", properties=Properties(topic_alias=1)), Version.V311),
        (Publish(topic="a", properties=Properties(topic_alias=0)), Version.V5),
        (Publish(topic="a", properties=Properties(topic_alias=70_000)), Version.V5),
        (Publish(topic="a", properties=Properties(topic_alias=1, order=(2,))), Version.V5),
        (PubAck(packet_id=0), Version.V5),
        (PubAck(packet_id=1, reason_code=0x80), Version.V311),
        (PubAck(packet_id=-1), Version.V311),
        (Subscribe(packet_id=1, subscriptions=()), Version.V311),
        (UnsubAck(packet_id=1), Version.V5),
        (Auth(), Version.V311),
        (Connect(client_id="a", version=Version.V311, protocol_name="MQIsdp"), Version.V311),
    ],
)
def test_what_can_t_be_sent_is_our_own_error(packet, version):
    with pytest.raises(LocalProtocolError):
        encode(packet, version)

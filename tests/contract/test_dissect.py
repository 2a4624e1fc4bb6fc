"""What is made of a session's packets: state by connection, summaries, fields, pieces."""

from typing import NamedTuple

import pytest

from overflight_contract import messages
from overflight_contract.dissect import FIRST, LAST, MIDDLE, Dissector
from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Disconnect,
    Properties,
    PubAck,
    Publish,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Version,
    Will,
    encode,
)


class Packet(NamedTuple):
    crossed_at_ns: int
    connection: int
    direction: int
    verdict: int
    reason: str
    data: bytes
    part: int = 0
    sequence: int = 0


UP, DOWN = 0, 1
V4, V5 = Version.V311, Version.V5
NAVIGATION = (
    b'{"flight":"20230201T120000Z-7f3a","seq":8,"held_from":1,"measured_at":"2023-02-01T12:00:00Z"'
    b',"track_deg":93.4,"speed_mps":21.5,"climb_mps":-4.2,"phase":"descent"'
    b',"waypoint":{"number":3,"distance_m":12345,"bearing_deg":91.0},"cross_track_m":null}'
)
NO_FIX = (
    b'{"flight":"20230201T120000Z-7f3a","seq":9,"held_from":1,"measured_at":"2023-02-01T12:00:00Z"'
    b',"lat_deg":null,"lon_deg":null,"alt_msl_m":null,"alt_hae_m":null,"fix":"none"'
    b',"sats":0,"hdop":null}'
)
POSITION = NO_FIX.replace(b'"lat_deg":null,"lon_deg":null', b'"lat_deg":53.1045,"lon_deg":-119.2')
POSITION = POSITION.replace(b'"none"', b'"3d"').replace(b'"alt_msl_m":null', b'"alt_msl_m":18612.0')
RECEIPT = b'{"flight":"20230201T120000Z-7f3a","through":41}'


@pytest.fixture
def see():
    dissector = Dissector()

    def see(packet, version=V4, *, direction=UP, connection=1, verdict=0, part=0):
        data = packet if isinstance(packet, bytes) else encode(packet, version)
        return dissector.view(Packet(0, connection, direction, verdict, "", data, part))

    see.dissector = dissector
    return see


def connect(version=V4, client_id="HAB-01", **fields):
    return Connect(client_id=client_id, version=version, **fields)


@pytest.mark.parametrize(
    ("packet", "version", "direction", "summary"),
    [
        (connect(keep_alive=60), V4, UP, "MQTT 3.1.1, client HAB-01, keep-alive 60 s, clean start"),
        (
            connect(V5, username="u", password=b"p", clean_start=False),
            V5,
            UP,
            "MQTT 5, client HAB-01, keep-alive 0 s, session kept, user u, password",
        ),
        (
            connect(will=Will(topic="bye", payload=b"12345")),
            V4,
            UP,
            "MQTT 3.1.1, client HAB-01, keep-alive 0 s, clean start, will to bye, 5 bytes",
        ),
        (ConnAck(session_present=True), V4, DOWN, "connection accepted, session present"),
        (ConnAck(reason_code=0x87), V5, DOWN, "not authorized"),
        (PubAck(packet_id=3), V4, DOWN, ""),
        (PubAck(packet_id=3, reason_code=0x87), V5, DOWN, "not authorized"),
        (
            PubAck(packet_id=3, reason_code=0x97, properties=Properties(reason_string="full")),
            V5,
            DOWN,
            "quota exceeded: full",
        ),
        (
            Subscribe(
                packet_id=1,
                subscriptions=(
                    Subscription(topic_filter="a/#", qos=1),
                    Subscription(topic_filter="b"),
                ),
            ),
            V4,
            UP,
            "a/# QoS 1, b QoS 0",
        ),
        (SubAck(packet_id=1, reason_codes=(1, 0x80)), V4, DOWN, "granted QoS 1, refused"),
        (SubAck(packet_id=1, reason_codes=(0x87,)), V5, DOWN, "not authorized"),
        (Unsubscribe(packet_id=1, topic_filters=("a", "b")), V4, UP, "a, b"),
        (UnsubAck(packet_id=1, reason_codes=(0x11,)), V5, DOWN, "no subscription existed"),
        (Disconnect(), V4, UP, ""),
        (Disconnect(reason_code=4), V5, UP, "disconnect with will message"),
        (
            Publish(topic="overflight/1/HAB-01/position", payload=POSITION),
            V4,
            UP,
            "53.10450 -119.20000 18612 m 3d 0 sats",
        ),
        (Publish(topic="overflight/1/HAB-01/position", payload=NO_FIX), V4, UP, "no fix 0 sats"),
        (
            Publish(topic="overflight/1/HAB-01/navigation", payload=NAVIGATION),
            V4,
            UP,
            "descent 93° 21.5 m/s -4.2 m/s waypoint 3 in 12.3 km",
        ),
        (
            Publish(topic="overflight/1/HAB-01/receipt", payload=RECEIPT),
            V4,
            DOWN,
            "through 41 of 20230201T120000Z-7f3a",
        ),
        (
            Publish(topic="overflight/1/HAB-01/position", payload=b"{}"),
            V4,
            UP,
            "not of the contract: does not fit the schema: Object missing required field `flight`",
        ),
        (Publish(topic="t", payload=b"hello"), V4, UP, "5 bytes: hello"),
        (Publish(topic="t", payload=b""), V4, UP, "0 bytes: empty"),
        (Publish(topic="t", payload=bytes(20)), V4, UP, "20 bytes: " + "00 " * 15 + "00…"),
        (b"\x90\x02\0\1", V4, DOWN, "malformed: SUBACK has no reason code [MQTT-3.8.4-5]"),
    ],
)
def test_summaries(see, packet, version, direction, summary):
    see(connect(version), version)
    view = see(packet, version, direction=direction)
    assert view.summary == summary
    assert view.as_dict()["summary"] == summary


def test_what_connect_says_is_remembered_for_its_connection_alone(see):
    see(connect(V5), V5, connection=1)
    see(connect(V4, "ground"), V4, connection=2)
    first = see(PubAck(packet_id=3), V5, direction=DOWN, connection=1)
    second = see(PubAck(packet_id=4), V4, direction=DOWN, connection=2)
    assert (first.client_id, first.version, first.payload, first.packet_id) == (
        "HAB-01",
        V5,
        "HAB-01",
        3,
    )
    assert (second.client_id, second.version, second.payload) == ("ground", V4, None)
    see.dissector.closed(1)
    assert see(b"\xc0\0", connection=1).client_id == ""


def test_an_assigned_client_id_is_taken_over(see):
    see(connect(V5, ""), V5)
    see(ConnAck(properties=Properties(assigned_client_identifier="auto-1")), V5, direction=DOWN)
    assert see(b"\xc0\0").client_id == "auto-1"


def test_topic_aliases_are_resolved_by_connection_and_direction(see):
    def publish(topic, alias, **keys):
        packet = Publish(topic=topic, properties=Properties(topic_alias=alias))
        return see(packet, V5, **keys).topic

    see(connect(V5), V5, connection=1)
    see(connect(V5), V5, connection=2)
    assert publish("a", 1) == "a"
    assert publish("down", 1, direction=DOWN) == "down"
    assert publish("", 1) == "a"
    assert publish("", 1, direction=DOWN) == "down"
    assert publish("", 1, connection=2) is None
    assert publish("b", 1) == "b"
    assert publish("", 1) == "b"
    publish("never", 1, verdict=2)
    assert publish("", 1) == "b"


def test_the_payload_is_that_of_the_topic(see):
    see(connect(V4, "gateway"))
    publish = Publish(topic="overflight/1/HAB-02/position", payload=POSITION)
    assert see(publish).payload == "HAB-02"
    assert see(b"\xc0\0").payload == "HAB-02"
    assert see(Publish(topic="overflight/1/HAB-03/position", payload=POSITION)).payload == "HAB-03"


@pytest.mark.parametrize("version", [V4, V5])
def test_a_connect_in_pieces_or_malformed_says_who_it_is(see, version):
    packet = Connect(client_id="HAB-09", username="u", password=b"x" * 400, version=version)
    whole = encode(packet, version)
    see(whole[:3], part=FIRST)
    piece = see(whole[3:200], part=MIDDLE)
    assert (piece.version, piece.client_id, piece.payload) == (version, "HAB-09", "HAB-09")
    see(whole[200:], part=LAST)
    assert see(b"\xc0\0").client_id == "HAB-09"
    spoilt = whole.replace(b"\x00\x01u", b"\x00\x01\x01")
    view = see(spoilt, connection=2)
    assert (view.version, view.client_id) == (version, "HAB-09")
    assert "U+0001" in view.malformed


def test_the_topic_of_an_oversize_packet_is_in_the_piece_behind_its_header(see):
    see(connect())
    topic = "overflight/1/HAB-02/position"
    whole = encode(Publish(topic=topic, payload=bytes(500), qos=1, packet_id=9), V4)
    first = see(whole[:3], part=FIRST, verdict=2)
    assert (first.type, first.topic, first.size) == ("publish", None, len(whole))
    piece = see(whole[3:100], part=MIDDLE, verdict=2)
    assert (piece.topic, piece.payload, piece.qos, piece.packet_id) == (topic, "HAB-02", 1, 9)
    assert piece.body == bytes(100 - 3 - 2 - len(topic) - 2)
    last = see(whole[100:], part=LAST, verdict=2)
    assert (last.topic, last.body) == (topic, whole[100:])


def test_an_oversize_packet_in_pieces(see):
    see(connect())
    whole = encode(Publish(topic="photos/1", payload=bytes(500), qos=1, packet_id=9), V4)
    first = see(whole[:100], part=FIRST, verdict=1)
    middle = see(whole[100:300], part=MIDDLE, verdict=1)
    last = see(whole[300:], part=LAST, verdict=1)
    assert (first.size, first.topic, first.packet_id) == (len(whole), "photos/1", 9)
    assert [view.type for view in (first, middle, last)] == ["publish"] * 3
    assert [view.topic for view in (first, middle, last)] == ["photos/1"] * 3
    assert first.body + middle.body + last.body == bytes(500)
    assert first.summary == f"begins; {len(whole)} bytes in all, captured in pieces"
    assert (middle.summary, last.summary) == ("goes on", "ends")
    assert not any(view.malformed for view in (first, middle, last))
    assert see(b"abc", part=LAST).summary == "a piece whose beginning is not here"


def test_tls_that_is_passed_through_is_opaque(see):
    see.dissector.opened(7, opaque=True)
    view = see(b"\x16\x03\x01" + bytes(60), connection=7)
    assert (view.type, view.topic, view.malformed) == ("opaque", None, "")
    assert view.summary == "63 bytes of TLS, unread"
    assert [(f.offset, f.length) for f in view.fields()] == [(0, 63)]


def test_fields_of_a_message_lie_where_their_bytes_are(see):
    see(connect())
    view = see(Publish(topic="overflight/1/HAB-01/navigation", payload=NAVIGATION))
    fields = {field.name: field for field in view.fields()}
    for name, text in (
        ("seq", b"8"),
        ("measured_at", b'"2023-02-01T12:00:00Z"'),
        ("waypoint", b'{"number":3,"distance_m":12345,"bearing_deg":91.0}'),
        ("cross_track_m", b"null"),
    ):
        field = fields[name]
        assert view.data[field.offset : field.offset + field.length] == text
    assert fields["speed_mps"].value == "21.5"
    assert isinstance(view.message, messages.Navigation)


def test_the_dictionary_has_what_the_tap_promises(see):
    see(connect())
    view = see(Publish(topic="t", payload=bytes(5000), qos=1, packet_id=2))
    found = view.as_dict()
    assert found["at"] == "1970-01-01T00:00:00.000Z"
    assert found["direction"] == "up"
    assert found["type"] == "publish"
    assert found["verdict"] == "ok"
    assert len(str(found["hex"])) == 2 * 4096
    assert found["size"] == len(view.data)


@pytest.mark.parametrize(
    "data", [b"\x42\2\0\1", b"\x40\2\0\0", b"", b"\0", b"\0\0", b"\x30", b"\x10\xff", b"\xff" * 9]
)
def test_nothing_is_too_broken_to_be_looked_at(see, data):
    view = see(data)
    assert view.summary.startswith("malformed: ")
    assert view.fields()
    assert view.as_dict()

"""Each refusal, in each version and QoS, as a conversation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflight_contract.mqtt import (
    Auth,
    ConnAck,
    Disconnect,
    PingReq,
    Properties,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    SubAck,
    Subscribe,
    Subscription,
    Unsubscribe,
    Version,
    Will,
    decode,
    encode,
)
from overflight_contract.session import Direction, Verdict
from overflight_relay.effects import MADE_HERE
from overflight_relay.known import Known
from overflight_relay.ruleset import parse_rules

TOPIC = "overflight/1/HAB-01/position"
RECEIPT = "overflight/1/HAB-01/receipt"
ALL = [Version.V31, Version.V311, Version.V5]


def publish(payload, topic=TOPIC, qos=1, packet_id=5, **fields):
    return Publish(
        topic=topic, payload=payload, qos=qos, packet_id=packet_id if qos else None, **fields
    )


def the_only(effects):
    records = [record for record in effects.records if record[4] != MADE_HERE]
    assert len(records) == 1
    return records[0]


def refused(effects, rule):
    record = the_only(effects)
    assert record[3] is Verdict.REFUSED
    assert record[4].startswith(f"{rule}: "), record[4]
    assert effects.forward == []
    return record


# -- a payload that keeps to the contract ---------------------------------------------------------


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_of_the_contract_crosses_untouched(wire, make_position, version, qos):
    talk = wire(version).connected()
    data = encode(publish(make_position(), qos=qos), version)
    effects = talk.raw_up(data)
    assert effects.forward == [data]
    assert effects.replies == []
    assert the_only(effects)[3] is Verdict.OK
    assert the_only(effects)[5] == data


@pytest.mark.parametrize("version", ALL)
def test_a_whole_visit_passes(wire, make_position, version):
    talk = wire(version).connected()
    subscribe = Subscribe(packet_id=1, subscriptions=(Subscription(topic_filter=RECEIPT, qos=1),))
    assert talk.up(subscribe).forward
    assert talk.down(SubAck(packet_id=1, reason_codes=(1,))).forward
    assert talk.up(publish(make_position(), packet_id=2)).forward
    assert talk.down(PubAck(packet_id=2)).forward
    receipt = Publish(
        topic=RECEIPT,
        payload=b'{"flight":"20230128T060000Z-7f3a","through":1}',
        qos=1,
        packet_id=9,
        retain=True,
    )
    assert talk.down(receipt).forward
    assert talk.up(PubAck(packet_id=9)).forward
    assert talk.up(PingReq()).forward
    assert talk.up(Unsubscribe(packet_id=3, topic_filters=(RECEIPT,))).forward
    assert talk.up(Disconnect()).forward


def test_qos_2_passes_both_ways(wire, make_position):
    talk = wire(Version.V5).connected()
    assert talk.up(publish(make_position(), qos=2)).forward
    assert talk.down(PubRec(packet_id=5)).forward
    assert talk.up(PubRel(packet_id=5)).forward
    assert talk.down(PubComp(packet_id=5)).forward
    assert talk.known.sent == set()


# -- PUBLISH --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ALL)
def test_qos_0_is_dropped(wire, version):
    talk = wire(version).connected()
    effects = talk.up(publish(b"picture", qos=0))
    refused(effects, "schema")
    assert effects.replies == []
    assert not effects.ends


@pytest.mark.parametrize(("qos", "kind"), [(1, PubAck), (2, PubRec)])
@pytest.mark.parametrize(
    ("topic", "rule", "code"), [("pictures", "topic", 0x87), (TOPIC, "schema", 0x99)]
)
def test_version_5_is_told_why(wire, qos, kind, topic, rule, code):
    talk = wire(Version.V5).connected()
    effects = talk.up(publish(b"picture", topic=topic, qos=qos))
    refused(effects, rule)
    assert talk.answer(effects) == kind(packet_id=5, reason_code=code)
    assert not effects.ends


@pytest.mark.parametrize("version", [Version.V31, Version.V311])
@pytest.mark.parametrize("qos", [1, 2])
def test_before_version_5_the_connection_ends(wire, version, qos):
    talk = wire(version).connected()
    effects = talk.up(publish(b"picture", qos=qos))
    refused(effects, "schema")
    assert effects.replies == []
    assert effects.ends


def test_a_refused_publish_that_sets_an_alias_ends_the_connection(wire):
    talk = wire(Version.V5)
    talk.connect()
    talk.down(ConnAck(properties=Properties(topic_alias_maximum=3)))
    effects = talk.up(publish(b"x", properties=Properties(topic_alias=3)))
    refused(effects, "properties")
    assert effects.ends
    assert talk.answer(effects) == Disconnect(reason_code=0x87)


def test_a_refused_publish_whose_packet_id_is_in_flight_ends_the_connection(wire, make_position):
    talk = wire(Version.V5).connected()
    assert talk.up(publish(make_position())).forward
    effects = talk.up(publish(b"picture"))
    refused(effects, "schema")
    assert effects.ends
    assert talk.answer(effects) == Disconnect(reason_code=0x99)


def test_once_acknowledged_the_packet_id_is_free(wire, make_position):
    talk = wire(Version.V5).connected()
    talk.up(publish(make_position()))
    talk.down(PubAck(packet_id=5))
    effects = talk.up(publish(b"picture"))
    assert not effects.ends
    assert talk.answer(effects) == PubAck(packet_id=5, reason_code=0x99)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"topic": "overflight/1/HAB-02/position"}, "topic"),
        ({"topic": "overflight/1/HAB-01/receipt"}, "topic"),
        ({"topic": "overflight/2/HAB-01/position"}, "topic"),
        ({"retain": True}, "retained"),
        ({"properties": Properties(user_property=(("a", "b"),))}, "properties"),
        ({"properties": Properties(message_expiry_interval=60)}, "properties"),
        ({"properties": Properties(content_type="image/jpeg")}, "properties"),
        ({"properties": Properties(correlation_data=b"\xff\xd8")}, "properties"),
    ],
)
def test_what_a_publish_may_not_have(wire, make_position, fields, rule):
    talk = wire(Version.V5).connected()
    refused(talk.up(publish(make_position(), **fields)), rule)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text + b" ",
        lambda text: text.replace(b'"seq":1,', b'"seq":1,"seq":1,'),
        lambda text: text.replace(b"47.12345", b"47.123450"),
        lambda text: text.replace(b"47.12345", b"47.1234567"),
        lambda text: text.replace(b'"sats":11', b'"sats":1e1'),
        lambda text: text[:-1] + b',"picture":"/9j/4AAQ"}',
        lambda text: b"\xff\xd8\xff\xe0" + bytes(300),
        lambda text: text + b"x" * 600,
    ],
)
def test_room_in_a_message_is_refused(wire, make_position, spoil):
    talk = wire(Version.V5).connected()
    effects = talk.up(publish(spoil(make_position())))
    assert the_only(effects)[3] is Verdict.REFUSED
    assert effects.forward == []


def test_spare_bytes_of_a_length_are_refused(wire, make_position):
    talk = wire(Version.V311).connected()
    whole = encode(publish(make_position()), Version.V311)
    assert whole[2] < 128
    padded = whole[:2] + bytes((whole[2] | 128, 0)) + whole[3:]
    refused(talk.raw_up(padded), "encoding")


def test_a_smaller_size_may_be_set(wire, make_position):
    talk = wire(Version.V5, rules=parse_rules({"size": {"max_payload": 100}}, "x")).connected()
    for _ in range(40):  # also where the quick check would take over
        effects = talk.up(publish(make_position()))
        refused(effects, "size")
        assert talk.answer(effects).reason_code == 0x99


# -- CONNECT --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"client_id": "hello there"}, "identity"),
        ({"client_id": "/9j/4AAQSkZJRg"}, "identity"),
        ({"client_id": ""}, "identity"),
        ({"username": "somebody"}, "identity"),
        ({"username": "HAB-01", "password": b"/9j/4AAQ"}, "identity"),
        ({"will": Will(topic="x", payload=b"y")}, "will"),
        ({"keep_alive": 61}, "keep-alive"),
        ({"keep_alive": 65535}, "keep-alive"),
        ({"properties": Properties(user_property=(("a", "b"),))}, "properties"),
        ({"properties": Properties(session_expiry_interval=123456789)}, "properties"),
        ({"properties": Properties(authentication_method="x")}, "properties"),
    ],
)
def test_a_connect_that_says_too_much_is_refused(wire, fields, rule):
    talk = wire(Version.V5)
    effects = talk.connect(**fields)
    refused(effects, rule)
    assert talk.answer(effects).reason_code == 0x87
    assert effects.ends


@pytest.mark.parametrize("version", [Version.V31, Version.V311])
def test_a_refused_connect_gets_the_code_of_its_version(wire, version):
    talk = wire(version)
    effects = talk.connect(client_id="not-a-payload")
    assert talk.answer(effects).reason_code == 2
    talk = wire(version)
    effects = talk.connect(will=Will(topic="x", payload=b"y"))
    assert talk.answer(effects).reason_code == 5


@pytest.mark.parametrize(
    "fields",
    [
        {"clean_start": False},
        {"username": "HAB-01"},
        {"properties": Properties(session_expiry_interval=86400, receive_maximum=20)},
        {"properties": Properties(session_expiry_interval=0xFFFFFFFF)},
    ],
)
def test_a_connect_may_say_what_it_needs(wire, fields):
    assert wire(Version.V5).connect(**fields).forward


def test_configured_credentials_cross_and_are_recorded_masked(wire):
    talk = wire(Version.V5, known=Known({"HAB-01": "secret"}))
    effects = talk.connect(username="HAB-01", password=b"secret")
    assert b"secret" in effects.forward[0]
    record = the_only(effects)
    assert b"secret" not in record[5]
    assert record[5].endswith(b"******")
    assert record[6] == 4
    assert talk.known.credential == "matched"


def test_a_wrong_password_is_not_recorded_either(wire):
    effects = wire(Version.V5).connect(username="HAB-01", password=b"secret")
    assert b"secret" not in refused(effects, "identity")[5]


def test_a_certificate_must_name_the_client(wire):
    assert not wire(known=Known(certificate_name="HAB-02")).connect().forward
    assert wire(known=Known(certificate_name="HAB-01")).connect().forward


@pytest.mark.parametrize("enforce", [True, False])
def test_the_first_packet_is_a_connect(wire, enforce):
    talk = wire(Version.V311, enforce=enforce)
    effects = talk.up(PingReq())
    assert the_only(effects)[3] is (Verdict.REFUSED if enforce else Verdict.MARKED)
    assert bool(effects.ends) is enforce
    assert bool(effects.forward) is not enforce


def test_a_second_connect_ends_the_connection(wire):
    talk = wire(Version.V5).connected()
    effects = talk.connect()
    refused(effects, "protocol")
    assert effects.ends


def test_nothing_follows_a_disconnect(wire, make_position):
    talk = wire(Version.V5).connected()
    talk.up(Disconnect())
    refused(talk.up(publish(make_position())), "protocol")


# -- SUBSCRIBE, UNSUBSCRIBE -----------------------------------------------------------------------


@pytest.mark.parametrize(("version", "code"), [(Version.V311, 0x80), (Version.V5, 0x87)])
def test_a_foreign_subscription_is_refused(wire, version, code):
    talk = wire(version).connected()
    both = (Subscription(topic_filter=RECEIPT, qos=1), Subscription(topic_filter="#"))
    effects = talk.up(Subscribe(packet_id=4, subscriptions=both))
    refused(effects, "subscriptions")
    answer = talk.answer(effects)
    assert isinstance(answer, SubAck)
    assert answer.reason_codes == (code, code)
    assert not effects.ends


def test_in_3_1_there_is_no_way_to_refuse_a_subscription(wire):
    talk = wire(Version.V31).connected()
    effects = talk.up(Subscribe(packet_id=4, subscriptions=(Subscription(topic_filter="#"),)))
    assert effects.ends
    assert effects.replies == []


def test_a_subscription_identifier_is_refused(wire):
    talk = wire(Version.V5).connected()
    effects = talk.up(
        Subscribe(
            packet_id=4,
            subscriptions=(Subscription(topic_filter=RECEIPT),),
            properties=Properties(subscription_identifier=(12345,)),
        )
    )
    refused(effects, "properties")


def test_a_foreign_unsubscribe(wire):
    talk = wire(Version.V5).connected()
    effects = talk.up(Unsubscribe(packet_id=4, topic_filters=("a", "b")))
    assert talk.answer(effects).reason_codes == (0x87, 0x87)
    assert not effects.ends
    talk = wire(Version.V311).connected()
    assert talk.up(Unsubscribe(packet_id=4, topic_filters=("a",))).ends


# -- the rest -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (PubAck(packet_id=77), "acknowledgements"),
        (PubComp(packet_id=77), "acknowledgements"),
        (PubRec(packet_id=77), "acknowledgements"),
        (PubRel(packet_id=77), "acknowledgements"),
        (Disconnect(reason_code=0x04), "goodbye"),
        (Disconnect(properties=Properties(reason_string="hello")), "properties"),
        (Auth(reason_code=0x18, properties=Properties(authentication_method="x")), "goodbye"),
    ],
)
def test_other_packets_that_could_carry_something(wire, packet, rule):
    talk = wire(Version.V5).connected()
    effects = talk.up(packet)
    refused(effects, rule)
    assert effects.ends
    assert isinstance(talk.answer(effects), Disconnect)


def test_an_acknowledgement_with_a_reason_string_is_refused(wire):
    talk = wire(Version.V5).connected()
    receipt = Publish(
        topic=RECEIPT, payload=b'{"flight":"20230128T060000Z-7f3a","through":1}', qos=1, packet_id=9
    )
    talk.down(receipt)
    effects = talk.up(PubAck(packet_id=9, properties=Properties(reason_string="hello")))
    refused(effects, "properties")


@pytest.mark.parametrize("version", [Version.V311, Version.V5])
def test_a_message_to_the_payload_that_is_no_receipt_is_not_delivered(wire, version):
    talk = wire(version).connected()
    effects = talk.down(Publish(topic="commands", payload=b"descend", qos=1, packet_id=3))
    refused(effects, "receipts")
    if version is Version.V5:
        assert talk.answer(effects) == PubAck(packet_id=3, reason_code=0x99)
        assert not effects.ends
    else:
        assert effects.replies == []
        assert effects.ends


def test_garbage_is_refused_with_the_paragraph(wire):
    talk = wire(Version.V5).connected()
    effects = talk.raw_up(b"\x00\x01\x02")
    record = refused(effects, "malformed")
    assert "5.0 §2.1.2" in record[4]
    assert record[5] == b"\x00\x01\x02"
    assert effects.ends


def test_the_answers_of_the_relay_are_recorded_as_its_own(wire):
    talk = wire(Version.V5).connected()
    effects = talk.up(publish(b"picture"))
    own = [record for record in effects.records if record[4] == MADE_HERE]
    assert [record[2] for record in own] == [Direction.DOWN]
    assert isinstance(decode(own[0][5], Version.V5), PubAck)


# -- above the size limit -------------------------------------------------------------------------


@pytest.mark.parametrize("version", [Version.V311, Version.V5])
@pytest.mark.parametrize("qos", [0, 1])
def test_a_packet_over_the_limit_is_refused_by_its_header(wire, version, qos):
    talk = wire(version).connected()
    data = encode(publish(bytes(200_000), qos=qos), version)
    effects = [talk.raw_up(data[start : start + 5000]) for start in range(0, len(data), 5000)]
    recorded = b"".join(
        record[5] for effect in effects for record in effect.records if record[4] != MADE_HERE
    )
    assert recorded == data
    assert all(not effect.forward for effect in effects)
    assert bool(effects[-1].ends) == (qos == 1 and version is Version.V311)
    assert talk.conversation.pending < 70_000
    if qos and version is Version.V5:
        assert talk.answer(effects[-1]) == PubAck(packet_id=5, reason_code=0x99)


@pytest.mark.parametrize("reason", ["in flight", "alias"])
def test_over_the_limit_the_connection_ends_where_the_broker_would_lose_count(
    wire, make_position, reason
):
    talk = wire(Version.V5).connected()
    if reason == "in flight":
        talk.up(publish(make_position()))
    properties = Properties(topic_alias=1) if reason == "alias" else None
    effects = talk.up(publish(bytes(200_000), properties=properties))
    assert effects.ends
    assert talk.answer(effects) == Disconnect(reason_code=0x95)


def test_no_piece_of_an_oversize_connect_shows_its_password(wire):
    talk = wire(Version.V311, enforce=False)
    will = Will(topic="x", payload=bytes(65_000))
    effects = talk.connect(username="u" * 800, password=b"secret" * 100, will=will)
    assert b"secret" in b"".join(effects.forward)
    assert b"secret" not in b"".join(record[5] for record in effects.records)
    assert effects.records[-1][6] & 4


def test_observe_streams_it_through_in_pieces(wire):
    talk = wire(Version.V311, enforce=False).connected()
    data = encode(publish(bytes(200_000)), Version.V311)
    effects = [talk.raw_up(data[start : start + 5000]) for start in range(0, len(data), 5000)]
    assert b"".join(piece for effect in effects for piece in effect.forward) == data
    parts = [record[6] for effect in effects for record in effect.records]
    assert parts[0] == 1
    assert parts[-1] == 3
    assert set(parts[1:-1]) == {2}
    assert {record[3] for effect in effects for record in effect.records} == {Verdict.MARKED}


# -- observe --------------------------------------------------------------------------------------


def test_observe_marks_and_lets_everything_through(wire):
    talk = wire(Version.V5, enforce=False)
    for effects in (
        talk.connect(client_id="anybody", will=Will(topic="x", payload=b"y")),
        talk.up(publish(b"picture", topic="pictures")),
        talk.up(Subscribe(packet_id=1, subscriptions=(Subscription(topic_filter="#"),))),
        talk.down(Publish(topic="pictures", payload=b"x")),
    ):
        assert the_only(effects)[3] is Verdict.MARKED
        assert effects.forward
        assert effects.replies == []
        assert not effects.ends


@settings(max_examples=150, deadline=None)
@given(
    version=st.sampled_from(ALL),
    data=st.lists(
        st.binary(max_size=40)
        | st.sampled_from(
            [
                b"\xc0\x00",
                b"@\x02\x00\x01",
                b"\x32\x07\x00\x01t\x00\x05ab",
                b"\x30\x80\x80\x05\x00\x01t" + bytes(81_917),
                b"\x32\xff\xff\xff\xff",
            ]
        ),
        max_size=12,
    ),
    cut=st.integers(1, 5000),
    upward=st.booleans(),
)
def test_observe_forwards_and_records_any_bytes_as_they_came(wire, version, data, cut, upward):
    talk = wire(version, enforce=False).connected()
    feed = talk.raw_up if upward else talk.raw_down
    sent = b"".join(data)
    cut = max(cut, len(sent) // 500)
    effects = [feed(sent[start : start + cut]) for start in range(0, len(sent), cut)]
    forwarded = b"".join(piece for effect in effects for piece in effect.forward)
    assert forwarded == sent[: len(sent) - talk.conversation.pending]
    records = [record for effect in effects for record in effect.records]
    assert not any(effect.replies or effect.ends for effect in effects)
    if not any(record[6] & 4 for record in records):
        assert b"".join(record[5] for record in records) == forwarded


@settings(max_examples=100, deadline=None)
@given(version=st.sampled_from(ALL), data=st.binary(max_size=200), connected=st.booleans())
def test_enforce_never_forwards_garbage(wire, version, data, connected):
    talk = wire(version)
    if connected:
        talk.connected()
    effects = talk.raw_up(b"\xff" + data)
    assert effects.forward == []
    assert effects.ends


def test_observe_passes_what_is_no_mqtt_at_all(wire):
    talk = wire(Version.V5, enforce=False)
    sent = [b"GET / HT", b"TP/1.1\r\n", b"\r\n", b"\xff" * 10]
    got = b"".join(piece for data in sent for piece in talk.raw_up(data).forward)
    assert got == b"".join(sent)


# -- rule sets ------------------------------------------------------------------------------------


def test_a_rule_set_changes_settings(wire, make_position):
    rules = parse_rules(
        {
            "retained": {"enabled": False},
            "topic": {"also": ["fleet/{client_id}/state"]},
            "rate": {"per_second": 1, "burst": 2},
        },
        "test.toml",
    )
    talk = wire(Version.V5, rules=rules).connected()
    assert talk.up(publish(make_position(), retain=True)).forward
    assert talk.up(publish(b"x", topic="fleet/HAB-01/state", packet_id=6)).forward
    effects = talk.up(publish(make_position(), packet_id=7))
    refused(effects, "rate")
    assert talk.answer(effects).reason_code == 0x97
    talk.now += 2_000_000_000
    assert talk.up(publish(make_position(), packet_id=7)).forward

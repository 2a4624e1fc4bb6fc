"""What the standard forbids though it is well formed: refused with its paragraph, or marked."""

import pytest

from overflight_contract.mqtt import (
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    PingReq,
    PingResp,
    Properties,
    PubAck,
    Publish,
    PubRel,
    SubAck,
    Subscribe,
    Subscription,
    Version,
    decode,
    encode,
)
from overflight_contract.session import Verdict

TOPIC = "overflight/1/HAB-01/position"
RECEIPT = "overflight/1/HAB-01/receipt"
METHOD = Properties(authentication_method="m")
V4, V5 = Version.V311, Version.V5


def publish(payload=b"x", packet_id=5, qos=1, **fields):
    packet_id = packet_id if qos else None
    return Publish(topic=TOPIC, payload=payload, qos=qos, packet_id=packet_id, **fields)


def subscribe(packet_id=1):
    wanted = (Subscription(topic_filter=RECEIPT, qos=1),)
    return Subscribe(packet_id=packet_id, subscriptions=wanted)


def allowing(**properties):
    return ConnAck(properties=Properties(**properties))


CASES = [
    ("first", V4, [], ("up", PingReq()), "[MQTT-3.1.0-1]", 0x82),
    ("second-connect", V5, ["hello"], ("up", Connect(client_id="HAB-01")), "[MQTT-3.1.0-2]", 0x82),
    ("server-only", V5, ["hello"], ("up", PingResp()), "5.0 §2.1.2", 0x82),
    ("after-the-end", V5, ["hello", ("up", Disconnect())], ("up", PingReq()), "[MQTT-3.14", 0x82),
    ("connack-twice", V5, ["hello"], ("down", ConnAck()), "[MQTT-3.2.0-2]", 0x82),
    ("before-connack", V4, ["connect"], ("down", publish(qos=0)), "[MQTT-3.2.0-1]", None),
    (
        "receive-maximum",
        V5,
        ["connect", ("down", allowing(receive_maximum=1)), ("up", "position")],
        ("up", publish(packet_id=6)),
        "[MQTT-3.3.4-9]",
        0x93,
    ),
    (
        "maximum-qos",
        V5,
        ["connect", ("down", allowing(maximum_qos=1))],
        ("up", publish(qos=2)),
        "[MQTT-3.2.2-11]",
        0x9B,
    ),
    (
        "retain",
        V5,
        ["connect", ("down", allowing(retain_available=0))],
        ("up", publish(retain=True)),
        "[MQTT-3.2.2-14]",
        0x9A,
    ),
    (
        "packet-size",
        V5,
        ["connect", ("down", allowing(maximum_packet_size=100))],
        ("up", publish(b"x" * 200)),
        "[MQTT-3.1.2-24]",
        0x95,
    ),
    (
        "alias-over-maximum",
        V5,
        ["hello"],
        ("up", publish(properties=Properties(topic_alias=1))),
        "[MQTT-3.3.2-8]",
        0x94,
    ),
    (
        "alias-unknown",
        V5,
        ["connect", ("down", allowing(topic_alias_maximum=9))],
        ("up", Publish(topic="", properties=Properties(topic_alias=1))),
        "5.0 §3.3.2.3.4",
        0x94,
    ),
    (
        "after-refusal",
        V4,
        ["connect", ("down", ConnAck(reason_code=5))],
        ("down", publish()),
        "3.1",
        0,
    ),
]


def play(talk, step, make_position):
    if step == "hello":
        talk.connected()
    elif step == "connect":
        talk.connect()
    elif step == ("up", "position"):
        assert talk.up(publish(make_position())).forward
    else:
        return (talk.up if step[0] == "up" else talk.down)(step[1])
    return None


@pytest.mark.parametrize("enforce", [True, False])
@pytest.mark.parametrize(
    ("version", "before", "last", "paragraph", "code"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_it_is_refused_with_its_paragraph(
    wire, make_position, enforce, version, before, last, paragraph, code
):
    talk = wire(version, enforce=enforce)
    for step in before:
        play(talk, step, make_position)
    effects = play(talk, last, make_position)
    _, _, _, verdict, reason, data, _ = effects.records[0]
    assert reason.startswith("protocol: ")
    assert paragraph in reason
    if enforce:
        assert verdict is Verdict.REFUSED
        assert effects.ends == reason
        assert not effects.forward
        expected = [Disconnect(reason_code=code)] if version is V5 else []
        assert [decode(reply, version) for reply in effects.replies] == expected
    else:
        assert verdict is Verdict.MARKED
        assert effects.forward == [data]
        assert not effects.ends


def test_a_client_need_not_wait_for_connack(wire, make_position):
    talk = wire(V4)
    talk.connect()
    for packet in (subscribe(), publish(make_position()), PingReq()):
        assert talk.up(packet).forward
    assert talk.down(ConnAck()).forward
    assert talk.down(SubAck(packet_id=1, reason_codes=(1,))).forward
    assert talk.down(PubAck(packet_id=5)).forward


def test_who_authenticates_waits_for_connack(wire):
    talk = wire(V5, enforce=False)
    talk.connect(properties=METHOD)
    assert "[MQTT-3.1.4-5]" in talk.up(PingReq()).records[0][4]
    assert "protocol" not in talk.up(Auth(reason_code=0x18, properties=METHOD)).records[0][4]


def test_what_was_under_way_when_the_other_end_closed_passes(wire, make_position):
    talk = wire(V5).connected()
    talk.up(publish(make_position()))
    assert talk.up(Disconnect()).forward
    assert talk.down(PubAck(packet_id=5)).records[0][3] is Verdict.OK
    assert talk.down(Disconnect(reason_code=0x8B)).records[0][3] is Verdict.OK


def test_a_subscription_in_flight_is_no_message_in_flight(wire, make_position):
    talk = wire(V5)
    talk.connect()
    talk.down(allowing(receive_maximum=1))
    assert talk.up(subscribe(1)).forward
    assert talk.up(publish(make_position(), packet_id=2)).forward
    assert talk.up(publish(make_position(), packet_id=2, dup=True)).forward
    talk.down(PubAck(packet_id=2))
    assert talk.up(publish(make_position(2), packet_id=3)).forward


@pytest.mark.parametrize("together", [True, False])
def test_the_receive_maximum_holds_on_the_quick_path(wire, make_position, together):
    talk = wire(V5, enforce=False)
    talk.connect()
    talk.down(allowing(receive_maximum=40))
    sent = [publish(make_position(seq), packet_id=seq) for seq in range(1, 46)]
    talk.raw_up(b"".join(encode(packet, V5) for packet in sent[:33]))
    rest = [encode(packet, V5) for packet in sent[33:]]
    if together:
        rest = [b"".join(rest)]
    records = [record for data in rest for record in talk.raw_up(data).records]
    assert [record[3] for record in records] == [Verdict.OK] * 7 + [Verdict.MARKED] * 5
    assert all("[MQTT-3.3.4-9]" in record[4] for record in records[7:])


def test_a_release_of_nothing_names_its_paragraph(wire):
    talk = wire(V4).connected()
    effects = talk.up(PubRel(packet_id=9))
    assert effects.records[0][4].endswith("is not in flight [MQTT-4.3.2-1]")
    assert effects.ends


@pytest.mark.parametrize("enforce", [True, False])
@pytest.mark.parametrize(
    ("hello", "begun"),
    [
        (False, b"\x30\x7f"),
        (False, b"\xc0"),
        (True, b"\xc0\x05"),
        (True, b"\x20"),
        (True, b"\x10\x10"),
    ],
)
def test_a_packet_that_begins_wrongly_is_not_waited_for(wire, enforce, hello, begun):
    talk = wire(V4, enforce=enforce)
    if hello:
        talk.connected()
    effects = talk.raw_up(begun)
    assert [record[5] for record in effects.records] == [begun]
    assert effects.records[0][3] is (Verdict.REFUSED if enforce else Verdict.MARKED)
    assert bool(effects.ends) is enforce
    assert effects.forward == ([] if enforce else [begun])
    if not enforce:
        assert talk.raw_up(b"more").forward == [b"more"]
        assert talk.conversation.pending == 0


def test_a_good_beginning_is_waited_for(wire):
    talk = wire(V4)
    hello = encode(Connect(client_id="HAB-01", keep_alive=60, version=V4), V4)
    for count, byte in enumerate(hello[:-1], 1):
        assert not talk.raw_up(bytes((byte,))).records
        assert talk.conversation.pending == count
    assert talk.raw_up(hello[-1:]).forward == [hello]


def hello(client_id, password=b""):
    """A CONNECT with a control character in its user name, which a broker may take or not."""
    packet = Connect(client_id=client_id, keep_alive=60, username="u", password=password)
    return encode(packet, V5).replace(b"\x00\x01u", b"\x00\x01\x01")


@pytest.mark.parametrize("password", [b"", b"x" * 65_535], ids=["small", "in pieces"])
@pytest.mark.parametrize("step", [10**6, 1000, 7])
def test_what_follows_a_connect_that_was_only_marked_is_understood(wire, password, step):
    talk = wire(V5, enforce=False)
    data = hello("HAB-01", password)
    effects = [talk.raw_up(data[start : start + step]) for start in range(0, len(data), step)]
    assert b"".join(b"".join(each.forward) for each in effects) == data
    assert {record[3] for each in effects for record in each.records} == {Verdict.MARKED}
    assert talk.conversation.client_id == "HAB-01"
    assert talk.down(ConnAck()).records[0][3] is Verdict.OK
    assert talk.up(subscribe()).records[0][3] is Verdict.OK


def test_a_connect_that_was_refused_is_not_taken_note_of(wire):
    talk = wire(V5)
    effects = talk.raw_up(hello("HAB-01"))
    assert effects.ends
    assert talk.known.version is None


C4, C5 = "0004 4d515454 04", "0004 4d515454 05"


@pytest.mark.parametrize(
    ("body", "answered"),
    [
        ("0004 4d515454 06 02 003c 0000", "2003 00 84 00"),
        ("0004 4d515454 02 02 003c 0000", "2002 00 01"),
        ("0006 4d5149736470 05 02 003c 0000", "2002 00 01"),
        ("0006 4d5149736470 03 02 003c 0000", "2002 00 02"),
        (f"{C4} 00 003c 0000", "2002 00 02"),
        (f"{C4} 03 003c 0001 61", ""),
        (f"{C5} 03 003c 00 0001 61", "2003 00 81 00"),
        (f"{C5} 02 003c 03 210000 0001 61", "2003 00 82 00"),
        (f"{C5} 06 003c 00 0001 61 00 0001 23 0000", "2003 00 81 00"),
        ("0004 4d515455 04 02 003c 0001 61", ""),
        ("00", ""),
        ("0004 4d515454", ""),
    ],
)
def test_a_connect_that_breaks_the_standard_is_answered_as_it_asks(wire, body, answered):
    data = bytes.fromhex(body)
    effects = wire(V5).raw_up(b"\x10" + bytes((len(data),)) + data)
    assert b"".join(effects.replies) == bytes.fromhex(answered)
    assert effects.ends
    assert not effects.forward


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        ("8203 0001 00", 0x82),
        ("8207 0001 00 0001 61 03", 0x82),
        ("3007 0001 61 03 230000", 0x94),
        ("3004 0001 23 00", 0x81),
        ("40020000", 0x81),
    ],
)
def test_a_packet_that_breaks_the_standard_is_answered_with_its_code(wire, packet, code):
    talk = wire(V5).connected()
    effects = talk.raw_up(bytes.fromhex(packet))
    assert talk.answer(effects) == Disconnect(reason_code=code)
    assert effects.ends

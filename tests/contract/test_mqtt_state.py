"""The protocol as data: conversations that fit, and where others break."""

from pathlib import Path

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
    PubComp,
    Publish,
    PubRec,
    PubRel,
    RemoteProtocolError,
    Rule,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Version,
    reference,
)
from overflight_contract.mqtt.state import FLOWS, PHASES, Flow, Phase, Protocol, Sender

C, S = Sender.CLIENT, Sender.SERVER
METHOD = Properties(authentication_method="m")


def connect(version=Version.V5, **fields):
    return Connect(client_id="a", version=version, **fields)


def publish(packet_id=1, qos=1, **fields):
    return Publish(topic=fields.pop("topic", "t"), qos=qos, packet_id=packet_id, **fields)


def subscribe(packet_id=1, count=1):
    filters = tuple(Subscription(topic_filter="t") for _ in range(count))
    return Subscribe(packet_id=packet_id, subscriptions=filters)


def alias(number, topic="t"):
    return Publish(topic=topic, properties=Properties(topic_alias=number))


def walk(*steps):
    protocol = Protocol()
    for sender, packet, *size in steps:
        protocol.take(packet, sender, *size)
    return protocol


HELLO = [(C, connect()), (S, ConnAck())]
HELLO_4 = [(C, connect(Version.V311, clean_start=False)), (S, ConnAck(session_present=True))]


@pytest.mark.parametrize(
    "steps",
    [
        [*HELLO, (C, PingReq()), (S, PingResp()), (C, Disconnect())],
        [*HELLO, (C, publish()), (S, PubAck(packet_id=1)), (C, publish()), (S, publish())],
        [*HELLO, (C, publish()), (C, publish(dup=True)), (S, PubAck(packet_id=1))],
        [
            *HELLO,
            (S, publish(qos=2)),
            (S, publish(qos=2, dup=True)),
            (C, PubRec(packet_id=1)),
            (S, PubRel(packet_id=1)),
            (S, PubRel(packet_id=1)),
            (C, PubComp(packet_id=1)),
            (S, publish()),
        ],
        [*HELLO, (C, publish(qos=2)), (S, PubRec(packet_id=1, reason_code=0x97)), (C, publish())],
        [
            *HELLO,
            (C, publish(qos=2)),
            (C, publish(qos=2)),
            (S, PubRec(packet_id=1)),
            (C, publish(qos=2, payload=b"again")),
            (S, PubRec(packet_id=1)),
            (C, PubRel(packet_id=1)),
            (S, PubRec(packet_id=1)),
            (C, PubRel(packet_id=1)),
            (S, PubComp(packet_id=1)),
            (C, publish()),
        ],
        [*HELLO, (C, subscribe(count=2)), (S, SubAck(packet_id=1, reason_codes=(0, 1)))],
        [
            *HELLO_4,
            (C, Unsubscribe(packet_id=1, topic_filters=("a", "b"))),
            (S, UnsubAck(packet_id=1)),
        ],
        [(C, connect(Version.V311)), (C, subscribe()), (C, publish(2)), (S, ConnAck())],
        [*HELLO_4, (S, PubRel(packet_id=9)), (C, PubComp(packet_id=9)), (S, PubAck(packet_id=8))],
        [
            (C, connect(properties=METHOD)),
            (S, Auth(reason_code=0x18, properties=METHOD)),
            (C, Auth(reason_code=0x18, properties=METHOD)),
            (S, ConnAck()),
            (C, Auth(reason_code=0x19, properties=METHOD)),
        ],
        [*HELLO, (C, Disconnect()), (S, publish())],
        [(C, connect()), (S, Disconnect(reason_code=0x8B))],
        [
            (C, connect(properties=Properties(session_expiry_interval=5))),
            (S, ConnAck()),
            (C, Disconnect(properties=Properties(session_expiry_interval=9))),
        ],
    ],
)
def test_conversations_that_fit(steps):
    walk(*steps)


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        ([(C, PingReq())], Rule.CONNECT_FIRST),
        ([(S, ConnAck())], Rule.CONNECT_FIRST),
        ([*HELLO, (C, connect())], Rule.CONNECT_TWICE),
        ([(C, connect()), (C, connect())], Rule.CONNECT_TWICE),
        ([*HELLO, (S, ConnAck())], Rule.CONNACK_TWICE),
        ([(C, connect()), (S, publish())], Rule.CONNACK_FIRST),
        ([*HELLO, (C, Disconnect()), (C, PingReq())], Rule.AFTER_DISCONNECT),
        ([(C, connect()), (S, ConnAck(reason_code=0x87)), (S, publish())], Rule.AFTER_DISCONNECT),
        ([*HELLO, (S, PingReq())], Rule.SENDER),
        ([*HELLO_4, (S, Disconnect())], Rule.SENDER),
        ([*HELLO_4, (C, Auth())], Rule.SENDER),
        ([(C, connect(properties=METHOD)), (C, publish())], Rule.BEFORE_CONNACK),
        ([(C, connect()), (S, ConnAck(session_present=True))], Rule.SESSION_PRESENT),
        ([*HELLO, (C, publish()), (C, publish())], Rule.PACKET_ID_IN_USE),
        ([*HELLO, (C, publish()), (C, subscribe())], Rule.PACKET_ID_IN_USE),
        ([*HELLO, (C, publish(qos=2)), (C, publish(qos=1))], Rule.PACKET_ID_IN_USE),
        (
            [
                *HELLO,
                (C, publish(qos=2)),
                (S, PubRec(packet_id=1)),
                (C, PubRel(packet_id=1)),
                (C, publish(qos=2)),
            ],
            Rule.PACKET_ID_IN_USE,
        ),
        ([*HELLO, (C, publish(qos=2)), (S, PubAck(packet_id=1))], Rule.PACKET_ID_UNKNOWN),
        ([*HELLO, (C, publish(qos=2)), (C, PubRel(packet_id=1))], Rule.PACKET_ID_UNKNOWN),
        ([*HELLO, (C, subscribe()), (S, PubAck(packet_id=1))], Rule.PACKET_ID_UNKNOWN),
        (
            [*HELLO, (C, subscribe(count=2)), (S, SubAck(packet_id=1, reason_codes=(0,)))],
            Rule.SUBACK_EMPTY,
        ),
        (
            [
                (C, connect()),
                (S, ConnAck(properties=Properties(receive_maximum=1))),
                (C, publish(1)),
                (C, publish(2)),
            ],
            Rule.RECEIVE_MAXIMUM,
        ),
        ([*HELLO, (C, alias(1))], Rule.TOPIC_ALIAS),
        (
            [
                (C, connect(properties=Properties(topic_alias_maximum=1))),
                (S, ConnAck()),
                (S, alias(1)),
                (S, alias(1, "")),
                (S, alias(2)),
            ],
            Rule.TOPIC_ALIAS,
        ),
        ([(C, connect()), (C, alias(1, ""))], Rule.TOPIC_ALIAS_UNKNOWN),
        (
            [
                (C, connect()),
                (S, ConnAck(properties=Properties(maximum_qos=1))),
                (C, publish(1, 1)),
                (C, publish(2, 2)),
            ],
            Rule.MAXIMUM_QOS,
        ),
        (
            [
                (C, connect()),
                (S, ConnAck(properties=Properties(retain_available=0))),
                (C, Publish(topic="t", retain=True)),
            ],
            Rule.RETAIN_UNAVAILABLE,
        ),
        (
            [*HELLO, (C, Disconnect(properties=Properties(session_expiry_interval=9)))],
            Rule.SESSION_EXPIRY_ZERO,
        ),
        (
            [(C, connect(properties=Properties(maximum_packet_size=20))), (S, ConnAck(), 21)],
            Rule.PACKET_TOO_LARGE,
        ),
    ],
)
def test_where_others_break(steps, rule):
    *before, last = steps
    protocol = walk(*before)
    with pytest.raises(RemoteProtocolError) as caught:
        protocol.take(last[1], last[0], *last[2:])
    assert caught.value.rule is rule


def test_keep_alive_is_one_and_a_half_times_what_was_agreed():
    protocol = walk((C, connect(keep_alive=10)))
    assert not protocol.silent_too_long(15)
    assert protocol.silent_too_long(15.1)
    protocol.take(ConnAck(properties=Properties(server_keep_alive=20)), S)
    assert not protocol.silent_too_long(30)
    assert not walk((C, connect())).silent_too_long(10**9)


def test_the_receive_maximum_counts_until_pubcomp():
    protocol = walk(*HELLO, (C, publish(1, 2)), (S, PubRec(packet_id=1)), (C, publish(2)))
    assert protocol.ends[C].in_flight == 2
    protocol.take(PubRel(packet_id=1), C)
    protocol.take(PubComp(packet_id=1), S)
    protocol.take(PubAck(packet_id=2), S)
    assert protocol.ends[C].in_flight == 0


def test_every_phase_and_flow_can_be_left_and_reached():
    assert {step.then for step in PHASES} | {Phase.NEW} == set(Phase)
    assert {step.phase for step in PHASES} | {Phase.CLOSED} == set(Phase)
    assert {turn.then for turn in FLOWS} == set(Flow) == {turn.flow for turn in FLOWS}


def test_the_docs_are_drawn_from_the_tables():
    path = Path(__file__).parents[2] / "docs" / "mqtt.md"
    assert path.read_text() == reference.text(), (
        "run: python -m overflight_contract.mqtt.reference > docs/mqtt.md"
    )

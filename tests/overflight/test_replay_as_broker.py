"""Playing the broker to a payload under test: causes, translation, and the first divergence."""

import argparse
import asyncio
import datetime as dt
import json

import aiomqtt
import pytest

from overflight.cli import main
from overflight.replay.broker_side import BrokerSide
from overflight.replay.comparing import DEFAULT_IGNORED, ignoring
from overflight.replay.conversation import conversations, of_client
from overflight.replay.rewriting import Rewriter
from overflight.replay.serving import serve
from overflight_contract import messages
from overflight_contract.commandline import HostPort
from overflight_contract.errors import InputError
from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Disconnect,
    Framer,
    PingReq,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    SubAck,
    Subscribe,
    Subscription,
    Version,
    decode,
    encode,
)
from overflight_contract.session import (
    ConnectionClosed,
    Direction,
    SessionPacket,
    SessionWriter,
    Verdict,
)

S = 10**9
START = 1_675_252_800 * S
V4 = Version.V311
RECORDED, LIVE = "20230201T120000Z-7f3a", "20240101T000000Z-beef"
TOPIC = "overflight/1/HAB-01/position"
RECEIPT = "overflight/1/HAB-01/receipt"


def position(seq, flight=RECORDED, second=0, lat_deg=53.1):
    return messages.encode(
        messages.Position(
            flight=flight,
            seq=seq,
            held_from=1,
            measured_at=dt.datetime(2023, 2, 1, 12, 0, second, tzinfo=dt.UTC),
            lat_deg=lat_deg,
            lon_deg=-119.2,
            alt_msl_m=None,
            alt_hae_m=None,
            fix=messages.Fix.TWO_D,
            sats=None,
            hdop=None,
        )
    )


def item(at_s, packet, direction=0, connection=1):
    data = encode(packet, V4)
    at_ns = START + int(at_s * S)
    return SessionPacket(at_ns, connection, Direction(direction), Verdict.OK, "", data)


CONNECT = Connect(client_id="HAB-01", version=V4, clean_start=False, keep_alive=60)
SUBSCRIBE = Subscribe(packet_id=7, subscriptions=(Subscription(topic_filter=RECEIPT, qos=1),))
SESSION = [
    item(0, CONNECT),
    item(0, ConnAck(session_present=True), 1),
    item(1, SUBSCRIBE),
    item(1, SubAck(packet_id=7, reason_codes=(1,)), 1),
    item(2, Publish(topic=TOPIC, payload=position(1), qos=1, packet_id=8)),
    item(2, Publish(topic=TOPIC, payload=position(2), qos=1, packet_id=9)),
    item(2.5, PubAck(packet_id=8), 1),
    item(2.6, PubAck(packet_id=9), 1),
    item(
        3,
        Publish(
            topic=RECEIPT,
            payload=messages.encode(messages.Receipt(flight=RECORDED, through=2)),
            qos=1,
            packet_id=3,
        ),
        1,
    ),
    item(3, PubAck(packet_id=3)),
    item(4, PingReq()),
    item(5, Disconnect()),
    ConnectionClosed(1, START + 5 * S, "", "client"),
]


class Payload:
    """Talks to a `BrokerSide` without any I/O."""

    def __init__(self, items=SESSION, ignored=DEFAULT_IGNORED, rewriter=None):
        self.side = BrokerSide(of_client(conversations(items), None), ignored, rewriter)
        self.side.connected()

    def say(self, packet):
        out = self.side.receive(encode(packet, V4))
        return [decode(each, V4) for each in out]

    def until_published(self):
        assert self.say(CONNECT) == [ConnAck(session_present=True)]
        assert self.say(Subscribe(packet_id=1, subscriptions=SUBSCRIBE.subscriptions)) == [
            SubAck(packet_id=1, reason_codes=(1,))
        ]


def test_each_packet_follows_its_cause_and_ids_and_flight_are_translated():
    payload = Payload()
    payload.until_published()
    sent = Publish(topic=TOPIC, payload=position(1, LIVE), qos=1, packet_id=40)
    assert payload.say(sent) == [PubAck(packet_id=40)]
    assert payload.say(PingReq())
    sent = Publish(topic=TOPIC, payload=position(2, LIVE), qos=1, packet_id=41)
    ack, receipt = payload.say(sent)
    assert ack == PubAck(packet_id=41)
    assert messages.decode_receipt(receipt.payload) == messages.Receipt(flight=LIVE, through=2)
    assert payload.say(PubAck(packet_id=receipt.packet_id)) == []
    assert not payload.side.finished
    payload.say(Disconnect())
    assert payload.side.finished
    assert payload.side.divergence is None
    assert payload.side.progress.matched == 5


def test_a_resent_message_is_acknowledged_again_and_not_compared():
    payload = Payload()
    payload.until_published()
    first = Publish(topic=TOPIC, payload=position(1, LIVE), qos=1, packet_id=40)
    payload.say(first)
    again = Publish(topic=TOPIC, payload=position(1, LIVE), qos=1, packet_id=40, dup=True)
    assert payload.say(again) == [PubAck(packet_id=40)]
    assert payload.side.progress.matched == 3


def test_qos_2_is_answered_live():
    items = [
        *SESSION[:4],
        item(2, Publish(topic="t", payload=b"x", qos=2, packet_id=8)),
        item(2, PubRec(packet_id=8), 1),
        item(2, PubRel(packet_id=8)),
        item(2, PubComp(packet_id=8), 1),
    ]
    payload = Payload(items)
    payload.until_published()
    assert payload.say(Publish(topic="t", payload=b"x", qos=2, packet_id=5)) == [
        PubRec(packet_id=5)
    ]
    assert payload.say(PubRel(packet_id=5)) == [PubComp(packet_id=5)]
    assert payload.side.divergence is None


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        (Publish(topic="other", payload=position(1, LIVE), qos=1, packet_id=1), "topic"),
        (Publish(topic=TOPIC, payload=position(1, LIVE)), "qos"),
        (Publish(topic=TOPIC, payload=position(2, LIVE), qos=1, packet_id=1), "seq"),
        (
            Publish(topic=TOPIC, payload=position(1, LIVE, 7, 53.2), qos=1, packet_id=1),
            "measured_at lat_deg",
        ),
        (Publish(topic=TOPIC, payload=b"?", qos=1, packet_id=1), "payload"),
        (Disconnect(), "type"),
    ],
)
def test_the_first_divergence_is_named_field_by_field(sent, names):
    payload = Payload()
    payload.until_published()
    assert payload.say(sent) == []
    divergence = payload.side.divergence
    assert divergence.number == 3
    found = {each.name for each in divergence.differences}
    assert set(names.split()) <= found
    text = "\n".join(divergence.lines())
    assert "packet 3 is not as recorded (sequence 0, 2023-02-01T12:00:02.000Z)" in text
    assert json.dumps(divergence.as_dict())
    assert payload.side.hangs_up


def test_rules_say_what_need_not_be_as_recorded():
    sent = Publish(topic=TOPIC, payload=position(1, LIVE, 7, 53.2), qos=1, packet_id=99)
    for ignored, same in (
        ("flight,packet-id,values", True),
        ("flight,packet-id,time", False),
        ("time,packet-id,values", False),
        ("flight,values,time", False),
    ):
        payload = Payload(ignored=ignoring(ignored) | {"client-id"})
        payload.say(CONNECT)
        payload.say(SUBSCRIBE)
        payload.say(sent)
        assert (payload.side.divergence is None) == same, ignored


def test_messages_may_come_in_any_order_where_that_is_ignored():
    def said(seq, packet_id):
        return Publish(topic=TOPIC, payload=position(seq, LIVE), qos=1, packet_id=packet_id)

    strict, lenient = Payload(), Payload(ignored=DEFAULT_IGNORED | {"order"})
    for payload in (strict, lenient):
        payload.until_published()
        payload.say(said(2, 30))
    assert strict.side.divergence is not None
    assert PubAck(packet_id=31) in lenient.say(said(1, 31))
    lenient.say(Disconnect())
    assert lenient.side.finished
    assert lenient.side.divergence is None


def test_nothing_ignored_is_exactly_as_recorded():
    payload = Payload(ignored=ignoring("nothing"))
    for packet in SESSION:
        if isinstance(packet, SessionPacket) and packet.direction == 0:
            payload.side.receive(packet.data)
    assert payload.side.finished
    assert payload.side.divergence is None


def test_a_renamed_payload_is_compared_under_its_new_name():
    payload = Payload(rewriter=Rewriter({"HAB-01": "TEST-01"}))
    connect = Connect(client_id="TEST-01", version=V4, clean_start=False, keep_alive=60)
    payload.say(connect)
    assert payload.side.divergence is None
    renamed = RECEIPT.replace("HAB-01", "TEST-01")
    subscriptions = (Subscription(topic_filter=renamed, qos=1),)
    payload.say(Subscribe(packet_id=1, subscriptions=subscriptions))
    assert payload.side.divergence is None


def test_a_payload_that_leaves_early_is_told_apart():
    payload = Payload()
    payload.until_published()
    payload.side.closed()
    assert "packet 3 was not sent" in payload.side.divergence.lines()[0]


def test_a_payload_that_says_more_is_told_apart():
    payload = Payload(SESSION[:2])
    payload.say(CONNECT)
    assert payload.side.finished
    assert not payload.side.hangs_up
    payload.say(SUBSCRIBE)
    assert "packet 2 was not recorded" in payload.side.divergence.lines()[0]


def test_noise_is_a_divergence():
    payload = Payload()
    payload.side.receive(b"\0\0")
    assert "protocol" in "\n".join(payload.side.divergence.lines())


def test_connections_are_played_one_after_the_other():
    second = [
        each._replace(connection=2) if isinstance(each, SessionPacket) else each
        for each in SESSION[:2]
    ]
    items = [*SESSION[:2], ConnectionClosed(1, START, "reset", "relay"), *second]
    payload = Payload(items)
    payload.say(CONNECT)
    assert payload.side.hangs_up
    assert not payload.side.finished
    payload.side.connected()
    payload.say(CONNECT)
    assert payload.side.finished
    assert payload.side.divergence is None


def test_which_client_is_played():
    other = item(0, Connect(client_id="HAB-02", version=V4), 0, 2)
    message = item(1, Publish(topic="t"), 0, 2)
    several = conversations([*SESSION, other, message])
    with pytest.raises(InputError, match="several clients"):
        of_client(several, None)
    assert [each.connection for each in of_client(several, "HAB-02")] == [2]
    with pytest.raises(InputError, match="no client nobody"):
        of_client(several, "nobody")
    with pytest.raises(argparse.ArgumentTypeError):
        ignoring("weather")


async def test_a_real_client_is_served():
    side = BrokerSide(
        of_client(conversations(SESSION), None), ignoring("flight,packet-id,values,client-id")
    )
    where = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(side, HostPort("127.0.0.1", 0), 10, where.set_result))
    address = await where
    async with aiomqtt.Client(
        address.host, address.port, identifier="HAB-01", clean_session=False, keepalive=60
    ) as client:
        await client.subscribe(RECEIPT, qos=1)
        for seq in (1, 2):
            await client.publish(TOPIC, position(seq, LIVE), qos=1)
        receipt = await anext(aiter(client.messages))
        assert messages.decode_receipt(receipt.payload).flight == LIVE
    assert await serving, side.divergence


def write(path):
    with_writer = SessionWriter(path)
    with_writer.write(SESSION)
    with_writer.close()
    return path


def test_the_command_says_what_is_missing(tmp_path, capsys):
    path = write(tmp_path / "flight.mcap")
    words = ["replay", str(path), "--as", "broker", "--listen", "127.0.0.1:0", "--timeout", "50ms"]
    assert main(words) == 1
    assert "0 of 5 packets as recorded; then nothing came for 0.05 s" in capsys.readouterr().out
    assert main([*words, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["matched"], found["recorded"], found["divergence"]) == (0, 5, None)
    assert main([*words, "--to", "mqtt://x"]) == 2


def test_a_framed_answer_is_whole():
    payload = Payload()
    out = payload.side.receive(encode(CONNECT, V4))
    assert Framer().feed(b"".join(out)) == out

"""What conformance clients try, straight at mosquitto and through the relay: both hear the same.

The stories are those that interoperability suites tell, by the standard's sections, in packets:
what the broker answers is compared packet by packet, with all fields.
"""

import asyncio
import uuid

import pytest

from overflight_contract.mqtt import (
    Auth,
    ConnAck,
    Disconnect,
    PingReq,
    PingResp,
    Properties,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    UnsubAck,
    Unsubscribe,
    Version,
    Will,
)

pytestmark = pytest.mark.mosquitto
V31, V4, V5 = Version.V31, Version.V311, Version.V5
ALL = (V31, V4, V5)
STORIES = []
CLOSED = "closed"


def story(*versions):
    def keep(tell):
        STORIES.extend(pytest.param(tell, v, id=f"{tell.__name__}-{v.label}") for v in versions)
        return tell

    return keep


def publish(topic, payload=b"x", qos=0, packet_id=1, **fields):
    packet_id = packet_id if qos else None
    return Publish(topic=topic, payload=payload, qos=qos, packet_id=packet_id, **fields)


def lasting(**more):
    """Return the properties of a session that outlives its connection."""
    return Properties(session_expiry_interval=60, **more)


def answers(qos):
    return ((), (PubAck,), (PubRec, PubComp))[qos]


@story(*ALL)
async def basic(world):
    a = await world.peer("a")
    await a.subscribe(world.topic("t"))
    for qos in (0, 1, 2):
        a.send(publish(world.topic("t"), b"qos %d" % qos, qos, packet_id=qos + 1))
        await a.until(*answers(qos))
    a.send(PingReq())
    await a.until(PingResp)
    a.send(Disconnect())
    await a.until(CLOSED)


@story(*ALL)
async def a_second_connect(world):
    a = await world.peer("a")
    a.send(world.hello("a"))
    await a.until(CLOSED)


@story(V4, V5)
async def a_wrong_protocol_name(world):
    a = await world.plain("a")
    a.send(b"\x10\x0d\x00\x02hj\x04\x02\x00\x3c\x00\x03abc")
    await a.until(CLOSED)


@story(V4)
async def an_unknown_protocol_version(world):
    a = await world.plain("a")
    a.send(b"\x10\x0d\x00\x04MQTT\x09\x02\x00\x3c\x00\x01a")
    await a.until(CLOSED)


@story(V4, V5)
async def no_connect(world):
    a = await world.plain("a")
    a.send(PingReq())
    await a.until(CLOSED)


@story(*ALL)
async def retained(world):
    a = await world.peer("a")
    for qos in (0, 1, 2):
        a.send(publish(world.topic(f"r/{qos}"), b"kept", qos, qos + 1, retain=True))
        await a.until(*answers(qos))
    b = await world.peer("b")
    for qos in (0, 1, 2):  # one by one: a wildcard would bring them in any order
        await b.subscribe(world.topic(f"r/{qos}"), 2, 101 + qos)
        await b.until(Publish)
    for qos in (0, 1, 2):
        a.send(publish(world.topic(f"r/{qos}"), b"", qos, qos + 1, retain=True))
        await a.until(*answers(qos))
    c = await world.peer("c")
    await c.subscribe(world.topic("r/+"))


@story(*ALL)
async def a_will(world):
    b = await world.peer("b")
    await b.subscribe(world.topic("will"))
    a = await world.peer("a", will=Will(topic=world.topic("will"), payload=b"gone", qos=2))
    await a.drop()
    await b.until(Publish, PubRel)
    c = await world.peer("c", will=Will(topic=world.topic("will"), payload=b"never", qos=1))
    c.send(Disconnect())
    await c.until(CLOSED)


@story(V5)
async def a_will_all_the_same(world):
    b = await world.peer("b")
    await b.subscribe(world.topic("will"))
    will = Will(topic=world.topic("will"), payload=b"w", properties=Properties(content_type="t"))
    a = await world.peer("a", will=will)
    a.send(Disconnect(reason_code=4))
    await b.until(Publish)


@story(V5)
async def a_will_that_waits(world):
    b = await world.peer("b")
    await b.subscribe(world.topic("will"))
    delay = Properties(will_delay_interval=1)
    will = Will(topic=world.topic("will"), payload=b"late", properties=delay)
    a = await world.peer("a", will=will, properties=lasting())
    await a.drop()
    await b.until(Publish)


@story(*ALL)
async def messages_for_who_is_away(world):
    a = await world.peer("a", clean_start=False, properties=lasting())
    await a.subscribe(world.topic("q/#"))
    a.send(Disconnect())
    await a.until(CLOSED)
    b = await world.peer("b")
    for qos in (1, 2):
        b.send(publish(world.topic(f"q/{qos}"), b"meanwhile", qos, qos))
        await b.until(*answers(qos))
    a = await world.peer("a", clean_start=False, properties=lasting())
    await a.until(Publish, Publish, PubRel)
    a.send(Disconnect())
    await a.until(CLOSED)
    await world.peer("a", clean_start=True)


@story(*ALL)
async def overlapping_subscriptions(world):
    a = await world.peer("a")
    await a.subscribe(world.topic("o/#"), 2, 101)
    await a.subscribe(world.topic("o/+"), 1, 102)
    a.send(publish(world.topic("o/c"), b"overlap", 2, 7))
    await a.until(Publish)
    a.send(PingReq())
    await a.until(PingResp)


@story(V4, V5)
async def silence(world):
    b = await world.peer("b")
    await b.subscribe(world.topic("will"))
    will = Will(topic=world.topic("will"), payload=b"silent")
    a = await world.peer("a", keep_alive=1, will=will)
    await asyncio.gather(a.until(CLOSED), b.until(Publish))


@story(*ALL)
async def redelivery(world):
    b = await world.peer("b", clean_start=False, properties=lasting())
    b.acknowledges = False
    await b.subscribe(world.topic("again/+"))
    a = await world.peer("a")
    for qos in (1, 2):
        a.send(publish(world.topic(f"again/{qos}"), b"twice", qos, qos))
        await a.until(*answers(qos))
    await b.until(Publish, Publish)
    await b.drop()
    b = await world.peer("b", clean_start=False, properties=lasting())
    await b.until(Publish, Publish, PubRel)


@story(V4)
async def an_empty_client_id(world):
    a = await world.plain("a")
    a.send(b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x3c\x00\x00")  # not clean: refused
    await a.until(CLOSED)
    await world.peer("b", client_id="")


@story(V5)
async def an_assigned_client_id(world):
    a = await world.plain("a")
    a.send(world.hello("a", client_id=""))
    connack = await a.until(ConnAck)
    assert connack.properties.assigned_client_identifier
    world.heard["a"].clear()
    a._taken = 0


@story(*ALL)
async def topics_with_a_dollar(world):
    a = await world.peer("a")
    await a.subscribe("+/" + world.topic("x"))
    a.send(publish("$" + world.topic("x"), b"hidden", 1, 5))
    await a.until(PubAck)
    await a.subscribe("$" + world.topic("y"), 1, 101)
    a.send(publish("$" + world.topic("y"), b"seen", 1, 6))
    await a.until(PubAck)


@story(*ALL)
async def unsubscribing(world):
    a = await world.peer("a")
    await a.subscribe(world.topic("u/1"), 1, 101)
    await a.subscribe(world.topic("u/2"), 1, 102)
    filters = (world.topic("u/1"), world.topic("nothing"))
    a.send(Unsubscribe(packet_id=103, topic_filters=filters))
    await a.until(UnsubAck)
    for n in (1, 2):
        a.send(publish(world.topic(f"u/{n}"), b"%d" % n, 1, n))
    await a.until(Publish)


@story(*ALL)
async def a_session_taken_over(world):
    first = await world.peer("first", client_id=f"{world.tag}-same")
    await world.peer("second", client_id=f"{world.tag}-same")
    await first.until(CLOSED)


@story(V4, V5)
async def a_message_of_qos_2_again_and_again(world):
    a = await world.peer("a")
    a.acknowledges = False
    await a.subscribe(world.topic("two"), 0)
    for dup in (False, False, True):
        a.send(publish(world.topic("two"), b"once", 2, 9, dup=dup))
        await a.end_or(PubRec)
    for _ in range(2):
        a.send(PubRel(packet_id=9))
    a.send(PingReq())
    await a.end_or(PingResp)


@story(V5)
async def the_client_s_receive_maximum(world):
    b = await world.peer("b", properties=Properties(receive_maximum=2))
    b.acknowledges = False
    await b.subscribe(world.topic("flow"), 2)
    a = await world.peer("a")
    for n in range(1, 6):
        a.send(publish(world.topic("flow"), b"%d" % n, 2, n))
        await a.until(PubRec, PubComp)
    first, second = await b.until(Publish), await b.until(Publish)
    b.send(PingReq())
    assert isinstance(await b.next(), PingResp)
    b.acknowledges = True
    for packet in (first, second):
        b.send(PubRec(packet_id=packet.packet_id))
    await b.until(Publish, Publish, Publish)


@story(V5)
async def many_in_flight(world):
    a = await world.peer("a")
    a.acknowledges = False
    for n in range(1, 100):
        a.send(publish(world.topic("flow"), b"%d" % n, 2, n))
    a.send(PingReq())
    await a.end_or(PingResp)


@story(V5)
async def aliases_of_the_client(world):
    a = await world.peer("a")
    await a.subscribe(world.topic("alias"))
    one = Properties(topic_alias=1)
    a.send(publish(world.topic("alias"), b"1", 1, 1, properties=one))
    a.send(publish("", b"2", 1, 2, properties=one))
    await a.until(Publish, Publish)
    a.send(publish("", b"3", properties=Properties(topic_alias=9)))
    await a.until(CLOSED)


@story(V5)
async def an_alias_over_the_maximum(world):
    a = await world.peer("a")
    a.send(publish(world.topic("alias"), b"1", properties=Properties(topic_alias=60_000)))
    await a.until(CLOSED)


@story(V5)
async def the_client_s_maximum_packet_size(world):
    b = await world.peer("b", properties=Properties(maximum_packet_size=64))
    await b.subscribe(world.topic("size"))
    a = await world.peer("a")
    for payload in (b"x" * 200, b"small"):
        a.send(publish(world.topic("size"), payload, 1, len(payload)))
        await a.until(PubAck)
    await b.until(Publish)


@story(V5)
async def subscription_options(world):
    a = await world.peer("a")
    await a.subscribe(world.topic("o/local"), 1, 101, no_local=True)
    a.send(publish(world.topic("o/local"), b"own", 1, 1))
    a.send(publish(world.topic("o/kept"), b"kept", 1, 2, retain=True))
    await a.until(PubAck, PubAck)
    for handling in (0, 1, 1, 2):
        await a.subscribe(world.topic("o/kept"), 1, 102, retain_handling=handling)
    await a.subscribe(world.topic("o/flag"), 1, 103, retain_as_published=True)
    a.send(publish(world.topic("o/flag"), b"f", 1, 3, retain=True))
    await a.until(Publish)
    for name in ("kept", "flag"):
        a.send(publish(world.topic(f"o/{name}"), b"", 0, retain=True))


@story(V5)
async def subscription_identifiers(world):
    a = await world.peer("a")
    for n in (1, 456_789):
        identifier = Properties(subscription_identifier=(n,))
        topic_filter = world.topic("i/#" if n == 1 else "i/a")
        await a.subscribe(topic_filter, 2, 100 + n % 100, identifier)
    a.send(publish(world.topic("i/a"), b"found by both", 1, 1))
    await a.until(Publish)


@story(V5)
async def a_request_and_its_response(world):
    a, b = await world.peer("a"), await world.peer("b")
    await a.subscribe(world.topic("answer"))
    await b.subscribe(world.topic("ask"))
    ask = Properties(response_topic=world.topic("answer"), correlation_data=b"\0\xff")
    a.send(publish(world.topic("ask"), b"how high?", 1, 1, properties=ask))
    asked = await b.until(Publish)
    data = Properties(correlation_data=asked.properties.correlation_data)
    b.send(publish(asked.properties.response_topic, b"18 km", 1, 1, properties=data))
    await a.until(Publish)


@story(V5)
async def properties_of_a_message(world):
    a = await world.peer("a")
    await a.subscribe(world.topic("p"))
    given = Properties(
        payload_format_indicator=1,
        content_type="text/plain",
        message_expiry_interval=600,
        user_property=(("k", "1"), ("k", "2"), ("", "")),
    )
    a.send(publish(world.topic("p"), "grüß".encode(), 2, 3, properties=given))
    await a.until(Publish)


@story(V5)
async def a_message_that_expires(world):
    a = await world.peer("a", clean_start=False, properties=lasting())
    await a.subscribe(world.topic("e/#"))
    await a.drop()
    b = await world.peer("b")
    for n, seconds in ((1, 1), (2, 600)):
        expiry = Properties(message_expiry_interval=seconds)
        b.send(publish(world.topic(f"e/{n}"), b"%d" % seconds, 1, n, properties=expiry))
        await b.until(PubAck)
    await asyncio.sleep(2.2)
    a = await world.peer("a", clean_start=False, properties=lasting())
    got = await a.until(Publish)
    assert got.payload == b"600"
    heard = world.heard["a"]
    heard[heard.index(got)] = "the one that had not expired"  # its interval counts down


@story(V5)
async def a_session_that_expires(world):
    a = await world.peer("a", properties=Properties(session_expiry_interval=1))
    await a.drop()
    await asyncio.sleep(2.5)
    await world.peer("a", clean_start=False)


@story(V5)
async def shared_subscriptions(world):
    a = await world.peer("a")
    await a.subscribe(f"$share/{world.tag}/" + world.topic("s"), 1)
    for n in range(1, 5):
        a.send(publish(world.topic("s"), b"%d" % n, 1, n))
    await a.until(Publish, Publish, Publish, Publish)


@story(V5)
async def an_authentication_that_nobody_knows(world):
    a = await world.plain("a")
    a.send(world.hello("a", properties=Properties(authentication_method="nobody")))
    await a.until(CLOSED)
    b = await world.peer("b")
    b.send(Auth(reason_code=0x19, properties=Properties(authentication_method="nobody")))
    await b.until(CLOSED)


@pytest.mark.parametrize(("tell", "version"), STORIES)
async def test_both_hear_the_same(mosquitto, relay_on, world_on, tell, version):
    async with relay_on(f"127.0.0.1:{mosquitto}") as relay:

        async def told(port):
            world = world_on(port, version, uuid.uuid4().hex[:8])
            await tell(world)
            return await world.told()

        straight, through = await asyncio.gather(told(mosquitto), told(relay.port))
        assert relay.relay.failure is None
    assert straight == through

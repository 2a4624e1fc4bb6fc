"""Ordinary clients behave through the relay (`observe`) as they do without it.

Each case runs twice against mosquitto: straight, and through a relay. What every side received is
compared.
"""

import asyncio
import contextlib
import shutil
import threading
import uuid

import aiomqtt
import paho.mqtt.client as paho
import pytest

from overflight_contract.session import open_session

pytestmark = pytest.mark.mosquitto

VERSIONS = [("mqttv31", "31"), ("mqttv311", "311"), ("mqttv5", "5")]


def program(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install mosquitto-clients")
    return found


async def run(*command, data=None, seconds=20):
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(seconds):
        out, err = await process.communicate(data)
    return process.returncode, out, err


@contextlib.asynccontextmanager
async def subscriber(port, *options, topic="t/#"):
    process = await asyncio.create_subprocess_exec(
        program("mosquitto_sub"),
        "-p",
        str(port),
        "-t",
        topic,
        "-t",
        "ready",
        "-F",
        "%t %q %r %x",
        *options,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(15):
            while True:  # until its subscription stands
                poke = await run(
                    program("mosquitto_pub"), "-p", str(port), "-t", "ready", "-m", "1"
                )
                assert poke[0] == 0
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await process.stdout.readline()
                        break
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def lines(process, count):
    found = []
    async with asyncio.timeout(20):
        while len(found) < count:
            line = await process.stdout.readline()
            assert line, "mosquitto_sub ended"
            if not line.startswith(b"ready"):
                found.append(line.strip())
    return found


async def both_ways(case, mosquitto, relay_on, record=None):
    """Run `case(port)` straight and through a relay; return both results."""
    straight = await case(mosquitto)
    async with relay_on(f"127.0.0.1:{mosquitto}", record) as relay:
        through = await case(relay.port)
        assert relay.relay.failure is None
    return straight, through


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version[1])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_mosquitto_pub_and_sub(mosquitto, relay_on, tmp_path, version, qos):
    async def case(port):
        options = ("-V", version[0], "-q", str(qos))
        async with subscriber(port, *options) as process:
            for text in ("hello", "", "ünïcode"):
                command = (program("mosquitto_pub"), "-p", str(port), "-t", "t/a", *options)
                status, _, _ = await run(*command, *(["-m", text] if text else ["-n"]))
                assert status == 0
            return await lines(process, 3)

    straight, through = await both_ways(case, mosquitto, relay_on, tmp_path / "s.mcap")
    assert straight == through
    with open_session(tmp_path / "s.mcap") as session:
        assert session.packet_count >= 12


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version[1])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_retained_messages(mosquitto, relay_on, version, qos):
    topic = f"t/{uuid.uuid4().hex}"

    async def case(port):
        pub, sub = program("mosquitto_pub"), program("mosquitto_sub")
        base = ("-p", str(port), "-t", topic, "-V", version[0], "-q", str(qos))
        await run(pub, *base, "-r", "-m", "kept")
        first = await run(sub, *base, "-C", "1", "-F", "%r %q %x")
        await run(pub, *base, "-r", "-n")
        second = await run(sub, *base, "-W", "1", "-C", "1", "-F", "%r %q %x")
        return first, second[:2]

    straight, through = await both_ways(case, mosquitto, relay_on)
    assert straight == through
    assert straight[0][1] == b"1 %d 6b657074\n" % qos


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version[1])
async def test_the_will_of_mosquitto_sub(mosquitto, relay_on, version):
    async def case(port):
        topic = f"t/{uuid.uuid4().hex}"
        will = ("--will-topic", f"{topic}/will", "--will-payload", "gone", "--will-qos", "2")
        options = ("-V", version[0], "-q", "2")
        async with (
            subscriber(port, *options, topic=f"{topic}/#") as watcher,
            subscriber(port, *options, *will, topic=f"{topic}/nothing") as mortal,
        ):
            mortal.kill()
            return [line.replace(topic.encode(), b"t") for line in await lines(watcher, 1)]

    straight, through = await both_ways(case, mosquitto, relay_on)
    assert straight == through == [b"t/will 2 0 676f6e65"]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version[1])
@pytest.mark.parametrize("qos", [1, 2])
async def test_the_session_of_mosquitto_sub_lasts(mosquitto, relay_on, version, qos):
    async def case(port):
        topic = f"t/{uuid.uuid4().hex}"
        base = ("-p", str(port), "-V", version[0], "-q", str(qos))
        keeps = ("-i", topic[-20:], "-t", topic, "-c", *(["-x", "60"] * (version[1] == "5")))
        sub, pub = program("mosquitto_sub"), program("mosquitto_pub")
        assert (await run(sub, *base, *keeps, "-E"))[0] == 0  # subscribes, and goes
        for text in ("one", "two"):
            await run(pub, *base, "-t", topic, "-m", text)
        return await run(sub, *base, *keeps, "-C", "2", "-F", "%q %r %p")

    straight, through = await both_ways(case, mosquitto, relay_on)
    assert straight == through
    assert straight[1] == b"%d 0 one\n%d 0 two\n" % (qos, qos)


BIG = bytes(range(256)) * 20_480
"""5 MB."""


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version[1])
@pytest.mark.parametrize("qos", ["0", "1", "2"])
async def test_a_message_of_5_megabytes(mosquitto, relay_on, tmp_path, version, qos):
    async def case(port):
        base = ("-p", str(port), "-t", "big", "-V", version[0], "-q", qos)
        sub, pub = program("mosquitto_sub"), program("mosquitto_pub")
        receiving = asyncio.create_task(run(sub, *base, "-C", "1", "-N", seconds=40))
        while not receiving.done():  # the subscription takes a moment
            await run(pub, *base, "-s", data=BIG)
            await asyncio.wait([receiving], timeout=0.3)
        return receiving.result()[1] == BIG

    assert await both_ways(case, mosquitto, relay_on, tmp_path / "s.mcap") == (True, True)


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_5_megabytes_of_aiomqtt(mosquitto, relay_on, version, qos):
    async def case(port):
        topic = f"aio/{uuid.uuid4().hex}"
        options = {"hostname": "127.0.0.1", "port": port, "protocol": version, "timeout": 40}
        async with aiomqtt.Client(**options) as watcher, aiomqtt.Client(**options) as sender:
            await watcher.subscribe(topic, qos=qos)
            await sender.publish(topic, BIG, qos=qos)
            async with asyncio.timeout(40):
                message = await anext(watcher.messages)
            return message.payload == BIG, message.qos

    assert await both_ways(case, mosquitto, relay_on) == ((True, qos), (True, qos))


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
@pytest.mark.parametrize("qos", ["0", "1", "2"])
async def test_request_and_response(mosquitto, relay_on, version, qos):
    async def case(port):
        base = ("-p", str(port), "-V", version, "-q", qos)
        rr = (program("mosquitto_rr"), *base, "-t", "t/ask", "-e", "t/say")
        async with subscriber(port, "-V", version, "-q", qos, topic="t/ask") as asked:
            asking = asyncio.create_task(run(*rr, "-m", "how high?"))
            question = await lines(asked, 1)
            await run(program("mosquitto_pub"), *base, "-t", "t/say", "-m", "18 km")
            return question, await asking

    straight, through = await both_ways(case, mosquitto, relay_on)
    assert straight == through
    assert straight[1][1] == b"18 km\n"


@pytest.mark.parametrize("version", [paho.MQTTv31, paho.MQTTv311, paho.MQTTv5])
async def test_paho_with_a_will_and_a_session_that_lasts(mosquitto, relay_on, version):
    async def case(port):
        return await asyncio.to_thread(paho_story, port, version)

    straight, through = await both_ways(case, mosquitto, relay_on)
    assert straight == through
    assert (b"gone", 1) in {(payload, qos) for _, payload, qos in straight}


def paho_story(port, version):
    """A client with a will is cut off; another was away and gets what came meanwhile."""
    got, names = [], [uuid.uuid4().hex[:20] for _ in range(2)]
    arrived = threading.Semaphore(0)

    def client(name, clean):
        options = {} if version == paho.MQTTv5 else {"clean_session": clean}
        made = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=name, protocol=version, **options
        )
        ready = threading.Event()
        made.on_connect = lambda *_: ready.set()
        made.on_subscribe = lambda *_: ready.set()
        made.on_message = lambda _c, _u, message: (
            got.append((message.topic.rpartition("/")[2], message.payload, message.qos)),
            arrived.release(),
        )
        return made, ready

    def connect(made, ready, clean):
        ready.clear()
        if version == paho.MQTTv5:
            properties = paho.Properties(paho.PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 60
            made.connect("127.0.0.1", port, clean_start=clean, properties=properties)
        else:
            made.connect("127.0.0.1", port)
        made.loop_start()
        assert ready.wait(10)

    topic = f"paho/{names[0]}"
    watcher, ready = client(names[0], clean=False)
    connect(watcher, ready, clean=True)
    ready.clear()
    watcher.subscribe(f"{topic}/#", qos=2)
    assert ready.wait(10)
    watcher.disconnect()
    watcher.loop_stop()

    sender, ready = client(names[1], clean=True)
    sender.will_set(f"{topic}/will", b"gone", qos=1)
    connect(sender, ready, clean=True)
    sender.publish(f"{topic}/kept", b"retained", qos=1, retain=True).wait_for_publish(10)
    sender.publish(f"{topic}/kept", b"", qos=1, retain=True).wait_for_publish(10)
    sender.publish(f"{topic}/big", BIG, qos=2).wait_for_publish(30)
    for qos in (1, 2):
        sender.publish(f"{topic}/{qos}", b"while away", qos=qos).wait_for_publish(10)
    sender.loop_stop()
    sender._sock_close()  # no DISCONNECT: the will is due

    watcher, ready = client(names[0], clean=False)
    connect(watcher, ready, clean=False)
    for _ in range(6):
        assert arrived.acquire(timeout=30)
    watcher.disconnect()
    watcher.loop_stop()
    return sorted(got)


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
async def test_aiomqtt(mosquitto, relay_on, version):
    async def case(port):
        topic = f"aio/{uuid.uuid4().hex}"
        options = {"hostname": "127.0.0.1", "port": port, "protocol": version}
        got = []
        async with aiomqtt.Client(**options) as watcher, aiomqtt.Client(**options) as sender:
            await watcher.subscribe(f"{topic}/#", qos=2)
            for number in range(60):
                await sender.publish(f"{topic}/{number % 3}", str(number), qos=number % 3)
            async with asyncio.timeout(20):
                async for message in watcher.messages:
                    got.append((str(message.topic)[-1], message.payload, message.qos))
                    if len(got) == 60:
                        break
            return sorted(got)

    straight, through = await both_ways(case, mosquitto, relay_on)
    assert straight == through


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
async def test_aiomqtt_with_a_will_a_session_that_lasts_and_what_is_retained(
    mosquitto, relay_on, version
):
    async def case(port):
        return await aiomqtt_story(port, version)

    straight, through = await both_ways(case, mosquitto, relay_on)
    assert straight == through
    assert [payload for _, payload, _, _ in straight] == [b"1", b"2", b"kept", b"gone"]


async def aiomqtt_story(port, version):
    topic, got = f"aio/{uuid.uuid4().hex}", []
    options = {"hostname": "127.0.0.1", "port": port, "protocol": version}

    def lasting():
        if version is aiomqtt.ProtocolVersion.V311:
            return aiomqtt.Client(**options, identifier=topic[-20:], clean_session=False)
        properties = paho.Properties(paho.PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 60
        return aiomqtt.Client(
            **options, identifier=topic[-20:], clean_start=False, properties=properties
        )

    async with lasting() as watcher:
        await watcher.subscribe(f"{topic}/#", qos=2)
    will = aiomqtt.Will(f"{topic}/will", b"gone", qos=1)
    sender = aiomqtt.Client(**options, will=will)
    await sender.__aenter__()
    for qos in (1, 2):
        await sender.publish(f"{topic}/{qos}", b"%d" % qos, qos=qos)
    sender._client._sock_close()  # no DISCONNECT: the will is due
    with contextlib.suppress(aiomqtt.MqttError):
        await sender.__aexit__(None, None, None)
    async with aiomqtt.Client(**options) as other:
        await other.publish(f"{topic}/kept", b"kept", qos=1, retain=True)
    async with lasting() as watcher, asyncio.timeout(20):
        async for message in watcher.messages:
            name = str(message.topic).rpartition("/")[2]
            got.append((name, message.payload, message.qos, message.retain))
            if len(got) == 4:
                break
    async with aiomqtt.Client(**options) as other:
        await other.publish(f"{topic}/kept", b"", qos=1, retain=True)
    return sorted(got)

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


@pytest.mark.parametrize("version", VERSIONS[1:], ids=lambda version: version[1])
async def test_retained_messages(mosquitto, relay_on, version):
    topic = f"t/{uuid.uuid4().hex}"

    async def case(port):
        pub, sub = program("mosquitto_pub"), program("mosquitto_sub")
        base = ("-p", str(port), "-t", topic, "-V", version[0], "-q", "1")
        await run(pub, *base, "-r", "-m", "kept")
        first = await run(sub, *base, "-C", "1", "-F", "%r %q %x")
        await run(pub, *base, "-r", "-n")
        second = await run(sub, *base, "-W", "1", "-C", "1", "-F", "%r %q %x")
        return first, second[:2]

    straight, through = await both_ways(case, mosquitto, relay_on)
    assert straight == through
    assert straight[0][1] == b"1 1 6b657074\n"


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_a_message_of_5_megabytes(mosquitto, relay_on, tmp_path, version):
    data = bytes(range(256)) * 20_480

    async def case(port):
        sub = (program("mosquitto_sub"), "-p", str(port), "-t", "big", "-V", version, "-q", "1")
        receiving = asyncio.create_task(run(*sub, "-C", "1", "-N", seconds=40))
        pub = (program("mosquitto_pub"), "-p", str(port), "-t", "big", "-V", version, "-q", "1")
        while not receiving.done():  # the subscription takes a moment
            await run(*pub, "-s", data=data)
            await asyncio.wait([receiving], timeout=0.3)
        return receiving.result()[1] == data

    assert await both_ways(case, mosquitto, relay_on, tmp_path / "s.mcap") == (True, True)


async def test_request_and_response(mosquitto, relay_on):
    async def case(port):
        rr = (
            program("mosquitto_rr"),
            "-p",
            str(port),
            "-V",
            "mqttv5",
            "-t",
            "t/ask",
            "-e",
            "t/say",
        )
        async with subscriber(port, "-V", "mqttv5", topic="t/ask") as asked:
            asking = asyncio.create_task(run(*rr, "-m", "how high?"))
            question = await lines(asked, 1)
            await run(program("mosquitto_pub"), "-p", str(port), "-t", "t/say", "-m", "18 km")
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
    for qos in (1, 2):
        sender.publish(f"{topic}/{qos}", b"while away", qos=qos).wait_for_publish(10)
    sender.loop_stop()
    sender._sock_close()  # no DISCONNECT: the will is due

    watcher, ready = client(names[0], clean=False)
    connect(watcher, ready, clean=False)
    for _ in range(3):
        assert arrived.acquire(timeout=15)
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

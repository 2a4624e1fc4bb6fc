"""Virtual time: days in seconds, in order, with right timestamps."""

import asyncio
import datetime as dt
import time

import pytest

from overflight.replay.client import open_client
from overflight.replay.playing import play
from overflight.virtual import DeadlockError, MemoryBroker, VirtualLoop, run
from overflight_contract.mqtt import (
    Connect,
    Publish,
    Subscribe,
    Subscription,
    Version,
    Will,
    encode,
    encode_publish,
)
from overflight_contract.session import Direction, SessionPacket, SessionWriter, Verdict
from overflight_ground.ingest.address import parse_broker

S = 10**9
START = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)
START_NS = int(START.timestamp()) * S
BROKER = parse_broker("mqtt://broker")
DAY_S = 86_400


def test_time_jumps_and_clocks_go_with_it():
    async def main():
        loop = asyncio.get_running_loop()
        before = time.time()
        await asyncio.sleep(3 * DAY_S)
        return loop.time(), loop.now(), time.time() - before, time.time_ns()

    real = time.monotonic()
    elapsed_s, now, passed_s, time_ns = run(main(), start=START)
    assert time.monotonic() - real < 2
    assert elapsed_s == 3 * DAY_S
    assert now == START + dt.timedelta(days=3)
    assert passed_s == 3 * DAY_S
    assert time_ns == START_NS + 3 * DAY_S * S


def test_timers_fire_in_order():
    async def main():
        order = []

        async def wait(name, seconds):
            await asyncio.sleep(seconds)
            order.append((name, asyncio.get_running_loop().time()))

        await asyncio.gather(wait("c", 30), wait("a", 10), wait("b", 20))
        return order

    assert run(main()) == [("a", 10), ("b", 20), ("c", 30)]


def test_streams_run_through_memory():
    async def main():
        async def shout(reader, writer):
            while line := await reader.readline():
                await asyncio.sleep(60)
                writer.write(line.upper())
            writer.close()

        server = await asyncio.start_server(shout, "0.0.0.0", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("anywhere", port)
        writer.write(b"hello\nworld\n")
        answers = [await reader.readline(), await reader.readline()]
        writer.write_eof()
        assert await reader.read() == b""
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("anywhere", port)
        return answers, asyncio.get_running_loop().time()

    assert run(main()) == ([b"HELLO\n", b"WORLD\n"], 120)


def test_a_deadlock_is_told_instead_of_hanging(monkeypatch):
    monkeypatch.setattr("overflight.virtual.loop._STUCK_S", 0.01)

    async def main():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlockError):
        run(main())


def test_threads_may_still_answer():
    async def main():
        return await asyncio.to_thread(lambda: 7)

    assert run(main()) == 7


def test_the_memory_broker_speaks_mqtt():
    received = []

    async def main():
        async with MemoryBroker() as broker:
            will = Will(topic="will", payload=b"gone", qos=1)
            listener = await open_client(
                Connect(client_id="a", keep_alive=60), BROKER, None, received.append
            )
            wanted = tuple(Subscription(topic_filter=name, qos=1) for name in ("t/#", "will"))
            listener.subscribe(Subscribe(packet_id=1, subscriptions=wanted))
            await listener.settle(5)
            sender = await open_client(
                Connect(client_id="b", version=Version.V311, will=will), BROKER, None
            )
            for qos in (0, 1, 2):
                sender.publish(Publish(topic=f"t/{qos}", payload=b"x", qos=qos, retain=qos == 2))
            assert await sender.settle(5)
            await asyncio.sleep(3600)  # keep-alive goes on
            sender.drop()
            await asyncio.sleep(1)
            assert listener.lost is None
            assert list(broker.retained) == ["t/2"]
            await listener.close()

    run(main())
    assert [(m.topic, m.payload, m.qos) for m in received] == [
        ("t/0", b"x", 0),
        ("t/1", b"x", 1),
        ("t/2", b"x", 1),
        ("will", b"gone", 1),
    ]


def test_an_eight_day_flight_replays_in_seconds_with_right_timestamps(tmp_path):
    path, count, step_s = tmp_path / "long.mcap", 8 * 24 * 60, 60
    writer = SessionWriter(path)
    connect = encode(Connect(client_id="HAB-01", version=Version.V311), Version.V311)
    data = [connect]
    data += [
        encode_publish(b"t", b"%d" % n, qos=1, packet_id=n % 65535 + 1, version=4)
        for n in range(count)
    ]
    times = [0, *range(0, count * step_s, step_s)]
    writer.write(
        [
            SessionPacket(START_NS + at_s * S, 1, Direction.UP, Verdict.OK, "", packet)
            for at_s, packet in zip(times, data, strict=True)
        ]
    )
    writer.close()

    async def main():
        arrived = []
        async with MemoryBroker() as broker:
            listener = await open_client(
                Connect(client_id="ground"),
                BROKER,
                None,
                lambda m: arrived.append((int(m.payload), time.time())),
            )
            wanted = (Subscription(topic_filter="#", qos=1),)
            listener.subscribe(Subscribe(packet_id=1, subscriptions=wanted))
            await listener.settle(5)
            report = await play(path, "mqtt://broker")
            await listener.settle(5)
            assert len(broker.published) == count
            await listener.close()
        return report, arrived

    real = time.monotonic()
    report, arrived = run(main(), start=START)
    assert time.monotonic() - real < 60
    assert report.complete
    assert report.late_last_ms == 0
    assert [n for n, _ in arrived] == list(range(count))
    begin = START.timestamp()
    assert all(abs(at - begin - n * step_s) < 0.001 for n, at in arrived)


def test_a_loop_of_its_own_for_others(tmp_path):
    loop = VirtualLoop(START)
    try:
        assert loop.run_until_complete(asyncio.sleep(10, "done")) == "done"
        assert loop.time() == 10
    finally:
        loop.close()

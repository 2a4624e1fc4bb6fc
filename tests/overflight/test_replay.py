"""Replays to a real broker; the tests of what other tools lack are named after it."""

import asyncio
import contextlib
import datetime as dt
import json
import time

import aiomqtt
import pytest

from overflight.cli import main
from overflight.replay.clock import Clock
from overflight.replay.connections import Manner, Target
from overflight.replay.player import Player
from overflight.replay.rewriting import Rewriter
from overflight.replay.timeline import Selection, Timeline
from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Disconnect,
    PubAck,
    Publish,
    SubAck,
    Subscribe,
    Subscription,
    Version,
    Will,
    encode,
)
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    SessionPacket,
    SessionWriter,
    Verdict,
    open_session,
)
from overflight_ground.broker import EmbeddedBroker
from overflight_ground.ingest.address import parse_broker

S = 10**9
START = 1_675_252_800 * S
V4 = Version.V311


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    server = EmbeddedBroker(tmp_path_factory.mktemp("broker"))
    server.start()
    yield server
    server.stop()


class Story:
    """Writes a session file, packet by packet."""

    def __init__(self, path):
        self.path = path
        self.writer = SessionWriter(path)
        self.items = []

    def opened(self, at_s, connection=1):
        self.items.append(ConnectionOpened(connection, START + int(at_s * S), "", "", ""))

    def closed(self, at_s, connection=1):
        self.items.append(ConnectionClosed(connection, START + int(at_s * S), "", "client"))

    def up(self, at_s, packet, connection=1, verdict=0, version=V4):
        self._add(at_s, packet, connection, 0, verdict, version)

    def down(self, at_s, packet, connection=1, version=V4):
        self._add(at_s, packet, connection, 1, 0, version)

    def _add(self, at_s, packet, connection, direction, verdict, version):
        self.items.append(
            SessionPacket(
                START + int(at_s * S),
                connection,
                Direction(direction),
                Verdict(verdict),
                "",
                encode(packet, version),
            )
        )

    def begin(self, at_s=0, connection=1, version=V4, **fields):
        self.opened(at_s, connection)
        fields = {"client_id": f"HAB-0{connection}", **fields}
        self.up(at_s, Connect(version=version, **fields), connection, version=version)
        self.down(at_s + 0.001, ConnAck(), connection, version=version)

    def end(self):
        self.writer.write(self.items)
        self.writer.close()
        return self.path


@pytest.fixture
def story(tmp_path):
    return Story(tmp_path / "flight.mcap")


@pytest.fixture
def flight(story):
    story.begin()
    for n in range(1, 51):
        story.up(n / 50, Publish(topic="flight/n", payload=b"%d" % n, qos=1, packet_id=n))
        story.down(n / 50 + 0.001, PubAck(packet_id=n))
    story.up(1.1, Disconnect())
    story.closed(1.1)
    return story.end()


@contextlib.asynccontextmanager
async def listener(broker, topic="#", **keys):
    """Collect what comes out of the broker, with an independent client."""
    heard = []
    async with aiomqtt.Client(broker.host, broker.port, **keys) as client:
        await client.subscribe(topic, qos=1)

        async def collect():
            async for message in client.messages:
                heard.append(message)

        task = asyncio.create_task(collect())
        yield heard
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition, deadline_s=10):
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


def player(broker, path, *, speed=None, manner=None, **chosen):
    target = Target(address=parse_broker(broker.url), client_id="replay")
    line = Timeline(lambda: open_session(path), Selection(**chosen))
    return Player(line, target, manner or Manner(), Clock(speed, time.monotonic))


async def test_as_the_clients_did(broker, flight):
    async with listener(broker, "flight/#") as heard:
        report = await player(broker, flight).run()
        await until(lambda: len(heard) >= 50)
    assert [message.payload for message in heard] == [b"%d" % n for n in range(1, 51)]
    assert (report.connections, report.messages, report.acknowledged) == (1, 50, 50)
    assert report.complete
    assert report.left_out.from_broker == 51


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_flat(broker, flight, qos):
    async with listener(broker, "flight/#") as heard:
        report = await player(
            broker, flight, flat=True, raw=qos == 1, manner=Manner(flat=True, qos=qos)
        ).run()
        await until(lambda: len(heard) >= 50)
    assert [message.payload for message in heard] == [b"%d" % n for n in range(1, 51)]
    assert report.acknowledged == (50 if qos else 0)


async def test_drift(broker, flight):
    """Lateness of one packet does not add to the next: the last is as punctual as the first."""
    report = await player(broker, flight, speed=1.0).run()
    assert report.messages == 50
    assert report.late_last_ms < 500  # the clock test is exact; this one sees the whole path
    assert report.elapsed_s >= 1.09


async def test_speed(broker, flight):
    report = await player(broker, flight, speed=10.0).run()
    assert report.messages == 50
    assert 0.1 <= report.elapsed_s < 1.0


async def test_seek(broker, flight):
    replay = player(broker, flight, speed=1.0)
    replay.clock.pause()
    async with listener(broker, "flight/#") as heard:
        running = asyncio.create_task(replay.run())
        replay.step()
        replay.step()
        await until(lambda: len(heard) >= 1)
        replay.clock.set_speed(None)
        replay.seek(int(0.9 * S))
        replay.clock.resume()
        replay.changed()
        report = await running
        await until(lambda: heard and heard[-1].payload == b"50")
    payloads = [int(message.payload) for message in heard]
    assert payloads[-6:] == [45, 46, 47, 48, 49, 50]
    assert len(payloads) < 10
    assert report.seeks == 1


async def test_a_seek_while_paused_shows_where_it_went(broker, flight):
    replay = player(broker, flight, speed=1.0)
    replay.clock.pause()
    running = asyncio.create_task(replay.run())
    replay.step()
    await until(lambda: replay.at_ns is not None)
    begins_ns = replay.at_ns
    replay.seek(int(0.75 * S))
    await until(lambda: replay.position_ns == int(0.75 * S))
    assert replay.at_ns == begins_ns + int(0.75 * S)
    replay.stop()
    await running


async def test_retained_state_is_restored_after_a_seek(broker, story):
    story.begin()
    for n in range(1, 4):
        story.up(n, Publish(topic="state/a", payload=b"%d" % n, retain=True))
    story.up(4, Publish(topic="state/b", payload=b"x", retain=True))
    story.up(8, Publish(topic="state/late", payload=b"y", retain=True))
    story.up(9, Disconnect())
    path = story.end()

    async def retained():
        async with listener(broker, "state/#") as heard:
            await until(lambda: len(heard) >= 3)
            return {str(m.topic): m.payload for m in heard if m.payload}

    report = await player(broker, path, from_ns=START + 6 * S).run()
    assert report.restored == 2
    assert await retained() == {"state/a": b"3", "state/b": b"x", "state/late": b"y"}

    replay = player(broker, path)
    running = asyncio.create_task(_play_then_seek(replay, int(2.5 * S)))
    await running
    assert (await retained())["state/a"] == b"3"


async def _play_then_seek(replay, position_ns):
    """Play to the end, and once there, go back."""
    line = replay._timeline
    cues = line.cues

    def with_seek():
        for cue in cues():
            yield cue
        if replay.report.seeks == 0:
            replay.seek(position_ns)
            yield cue._replace(position_ns=cue.position_ns + 1)

    line.cues = with_seek
    await replay.run()


async def test_going_back_clears_what_was_not_retained_yet(broker, story):
    story.begin()
    story.up(1, Publish(topic="past/a", payload=b"1", retain=True))
    story.up(5, Publish(topic="past/b", payload=b"2", retain=True))
    story.up(6, Publish(topic="past/c", payload=b"2"))
    path = story.end()
    replay = player(broker, path)
    async with listener(broker, "past/#") as heard:
        await _play_then_seek(replay, int(5.5 * S))
        await until(lambda: sum(str(m.topic) == "past/c" for m in heard) >= 2)
        before = len(heard)
        replay = player(broker, path)
        await _play_then_seek(replay, int(2 * S))
        await until(lambda: sum(str(m.topic) == "past/c" for m in heard) >= 4)
    cleared = [str(m.topic) for m in heard[before:] if not m.payload]
    assert cleared == ["past/b"]


async def test_no_packet_goes_unplayed_without_a_word(broker, story):
    story.begin()
    story.up(1, Publish(topic="a", payload=b"1"))
    story.up(2, Publish(topic="b", payload=b"2"), verdict=2)
    path = story.end()
    report = await player(broker, path).run()
    assert report.messages == 1
    assert any("1 packets that the relay refused" in line for line in report.lines())


async def test_two_replays_send_the_same(broker, flight):
    async with listener(broker, "flight/#") as heard:
        await player(broker, flight).run()
        await until(lambda: len(heard) >= 50)
        await player(broker, flight, speed=20.0).run()
        await until(lambda: len(heard) >= 100)
    sent = [(str(m.topic), m.payload, m.qos, m.retain) for m in heard]
    assert sent[:50] == sent[50:]


async def test_several_clients_each_with_its_own_connection(broker, story):
    for connection in (1, 2):
        story.begin(connection / 100, connection)
        wanted = (Subscription(topic_filter="hello/1", qos=1),)
        story.up(0.2, Subscribe(packet_id=1, subscriptions=wanted), connection)
        story.down(0.21, SubAck(packet_id=1, reason_codes=(1,)), connection)
    story.up(0.5, Publish(topic="hello/1", payload=b"from 1", qos=1, packet_id=2), 1)
    story.up(0.9, Disconnect(), 1)
    path = story.end()
    received = []
    replay = player(broker, path, speed=1.0)
    replay._connections._on_message = received.append
    report = await replay.run()
    assert report.connections == 2
    assert [message.payload for message in received] == [b"from 1", b"from 1"]


async def test_a_connection_that_was_lost_is_lost_again_and_its_will_comes(broker, story):
    story.begin(will=Will(topic="will/1", payload=b"gone"))
    story.up(0.1, Publish(topic="will/0", payload=b"here"))
    story.closed(0.2)
    path = story.end()
    async with listener(broker, "will/#") as heard:
        await player(broker, path).run()
        await until(lambda: len(heard) >= 2)
    assert [message.payload for message in heard] == [b"here", b"gone"]


async def test_a_client_that_takes_over_does_not_cost_what_is_in_flight(broker, story):
    story.begin(0, 1, client_id="same")
    for n in range(1, 301):
        story.up(n / 1000, Publish(topic="over/n", payload=b"%d" % n, qos=1, packet_id=n))
    story.begin(0.3, 2, client_id="same")
    story.up(0.4, Publish(topic="over/n", payload=b"301", qos=1, packet_id=1), 2)
    path = story.end()
    report = await player(broker, path, raw=True).run()
    assert (report.acknowledged, report.unacknowledged) == (301, 0)


async def test_version_5_is_played_to_a_broker_that_has_none(broker, story):
    story.begin(version=Version.V5)
    story.up(0.1, Publish(topic="five", payload=b"5", qos=1, packet_id=1), version=Version.V5)
    path = story.end()
    async with listener(broker, "five") as heard:
        report = await player(broker, path, raw=True).run()
        await until(lambda: len(heard) >= 1)
    assert report.versions == {"3.1.1": 1}
    assert heard[0].payload == b"5"


async def test_loops(broker, flight):
    async with listener(broker, "flight/#") as heard:
        report = await player(broker, flight, manner=Manner(loops=3)).run()
        await until(lambda: len(heard) >= 150)
    assert (report.loops, report.messages) == (3, 150)


async def test_rename_and_shift(broker, flight):
    rewriter = Rewriter({"n": "m"}, dt.timedelta(hours=1))
    async with listener(broker, "flight/m") as heard:
        await player(broker, flight, manner=Manner(rewriter=rewriter), count=3).run()
        await until(lambda: len(heard) >= 3)


def test_the_command_prints_a_report(broker, flight, capsys):
    words = ["replay", str(flight), "--to", broker.url, "--speed", "max", "--json"]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["messages"], report["acknowledged"]) == (50, 50)
    assert main([*words[:-1], "--flat", "--count", "7", "--loop", "2"]) == 0
    assert "14 messages on" in capsys.readouterr().out


async def test_an_interrupt_ends_it_in_good_order(broker, flight):
    replay = player(broker, flight, speed=1.0)
    running = asyncio.create_task(replay.run())
    await until(lambda: replay.report.messages > 3)
    replay.interrupt()
    report = await running
    assert report.interrupted
    assert report.acknowledged == report.messages < 50


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ([], 2, "say where to play to"),
        (["--to", "mqtt://127.0.0.1:1"], 4, "can't reach the broker"),
        (["--to", "http://x"], 2, "is no broker"),
        (["--to", "mqtt://127.0.0.1:1", "--only", "type = x"], 2, "means nothing"),
        (["--to", "mqtt://127.0.0.1:1", "--password-file", "/nowhere"], 2, "password file"),
        (["--to", "mqtt://127.0.0.1:1", "--from", "9h"], 2, "nothing was recorded then"),
        (["--to", "mqtt://127.0.0.1:1", "--from", "2s", "--until", "1s"], 2, "not before --until"),
    ],
)
def test_errors_are_one_sentence(flight, capsys, words, status, says):
    assert main(["replay", str(flight), *words]) == status
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error

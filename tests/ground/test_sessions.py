"""Session files: into a store without a broker, and opened for replay beside live data."""

from __future__ import annotations

import asyncio
import base64
import errno
import io
import json
import struct

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.writer import Writer

from overflight_contract import messages as m
from overflight_contract.mqtt import Connect, Publish, Version, decode, encode
from overflight_contract.session import (
    Direction,
    SessionPacket,
    SessionWriter,
    Verdict,
    journal,
    open_session,
)
from overflight_contract.topics import topic_for
from overflight_ground.alerts.rules import AreaRule, Rules
from overflight_ground.exporting import export
from overflight_ground.http.application import create_app
from overflight_ground.ingest.plausible import Clock
from overflight_ground.replaying import take_in
from overflight_ground.sessions.player import Player
from overflight_ground.sessions.shelf import Shelf
from overflight_ground.station import Station
from overflight_ground.store.reading import MessageFilter

S = 1_000_000_000
BEGIN_NS = 1_600_000_000 * S
AUTHORISED = {"Authorization": "Bearer t"}


@pytest.fixture
def session_file(tmp_path, position, navigation):
    """A session of 20 messages, a second apart, one refused and one forged."""
    path = tmp_path / "flight.mcap"
    packets = [encode(Connect(client_id="HAB-01", version=Version.V311), Version.V311)]
    for n in range(1, 21):
        message = position(n) if n % 2 else navigation(n)
        topic = topic_for("HAB-01", m.kind_of(message))
        body = Publish(topic=topic, payload=m.encode(message), qos=1, packet_id=n)
        packets.append(encode(body, Version.V311))
    stray = Publish(topic="overflight/1/HAB-01/image", payload=b"\xff\xd8", qos=1, packet_id=99)
    packets += [encode(stray, Version.V311)] * 2
    verdicts = [Verdict.OK] * 21 + [Verdict.MARKED, Verdict.REFUSED]
    writer = SessionWriter(path)
    writer.write(
        [
            SessionPacket(
                BEGIN_NS + n * S, 1, Direction.UP, verdict, "topic" if verdict else "", packet
            )
            for n, (packet, verdict) in enumerate(zip(packets, verdicts, strict=True))
        ]
    )
    writer.close()
    return path


def test_a_file_is_taken_in_without_a_broker_and_twice_changes_nothing(
    session_file, store, intake, tmp_path
) -> None:
    first = take_in(session_file, intake)
    assert (first.messages, first.stored, first.quarantined) == (21, 20, 1)
    with (tmp_path / "one").open("wb") as out:
        export(store, MessageFilter(), "messages", out)
    second = take_in(session_file, intake)
    assert (second.stored, second.quarantined, second.duplicates) == (0, 0, 21)
    with (tmp_path / "two").open("wb") as out:
        export(store, MessageFilter(), "messages", out)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    lines = (tmp_path / "one").read_text().splitlines()
    assert [json.loads(line)["message"]["seq"] for line in lines] == list(range(1, 21))


@pytest.fixture
async def client(store, tmp_path):
    rules = Rules(area=AreaRule(enabled=False))
    shelf = Shelf(tmp_path / "sessions", rules, tmp_path, lambda: BEGIN_NS)
    station = Station(store, lambda: BEGIN_NS, clock=Clock.DATA)
    transport = httpx.ASGITransport(create_app(station, "t", shelf), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as made:
        made.shelf = shelf  # type: ignore[attr-defined]
        yield made
    await shelf.close_all()


async def upload(client, content: bytes, name: str = "my flight.mcap", **params):
    return await client.post(
        "/api/v1/sessions", params={"name": name, **params}, content=content, headers=AUTHORISED
    )


def as_csv(session_file, *, encoded: bool) -> bytes:
    """The messages of a session as mqtt-recorder would have written them."""
    lines = []
    with open_session(session_file) as session:
        for packet in list(session.packets())[1:21]:
            found = decode(packet.data, Version.V311)
            text = base64.b64encode(found.payload).decode() if encoded else found.payload.decode()
            row = [found.topic, text, "1", "False", str(packet.crossed_at_ns / S), "1.0"]
            lines.append(",".join('"' + field.replace('"', '""') + '"' for field in row))
    return "\n".join(lines).encode()


def as_pcap(session_file) -> bytes:
    """The packets of a session in Ethernet frames, from one client to port 1883."""
    frames, number = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)], 1000
    with open_session(session_file) as session:
        for packet in list(session.packets())[:21]:
            tcp = struct.pack(">HHIIBBHHH", 50000, 1883, number, 1, 0x50, 0x18, 512, 0, 0)
            body = tcp + packet.data
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, 6, 0,
                             bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))  # fmt: skip
            frame = bytes(12) + b"\x08\x00" + ip + body
            seconds, rest = divmod(packet.crossed_at_ns, S)
            frames.append(struct.pack("<IIII", seconds, rest // 1000, len(frame), len(frame)))
            frames.append(frame)
            number += len(packet.data)
    return b"".join(frames)


def as_foreign_mcap(session_file) -> bytes:
    """The messages of a session as another program's MCAP file."""
    out = io.BytesIO()
    writer = Writer(out)
    writer.start()
    channels: dict[str, int] = {}
    with open_session(session_file) as session:
        for packet in list(session.packets())[1:21]:
            found = decode(packet.data, Version.V311)
            if found.topic not in channels:
                channels[found.topic] = writer.register_channel(found.topic, "json", 0)
            at_ns = packet.crossed_at_ns
            writer.add_message(channels[found.topic], at_ns, found.payload, at_ns)
    writer.finish()
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "made", "params"),
    [
        ("capture.pcap", as_pcap, {}),
        ("recording.csv", lambda file: as_csv(file, encoded=False), {}),
        ("recording.CSV", lambda file: as_csv(file, encoded=True), {"base64": "true"}),
        ("other.mcap", as_foreign_mcap, {}),
    ],
)
async def test_a_capture_of_another_program_becomes_a_session(
    client, session_file, name, made, params
) -> None:
    reply = await upload(client, made(session_file), name, **params)
    assert reply.status_code == 201, reply.text
    session = reply.json()
    assert (session["messages"], session["quarantined"]) == (20, 0)
    assert session["name"] == name.rpartition(".")[0]
    (track,) = (await client.get(f"/api/v1/sessions/{session['session']}/payloads")).json()[
        "payloads"
    ]
    assert track["payload"] == "HAB-01"
    assert [path.name for path in client.shelf.folder.glob("*.part")] == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("flight.mcap", b"this is no session", "flight.mcap is no pcap, pcapng, MCAP"),
        ("../../etc/x.csv", b"a,b,c", "x.csv, row 1, is not as mqtt-recorder writes it"),
        ("empty.csv", b"", "empty.csv is a mqtt-recorder file, but there is no MQTT in it"),
        ("cut.mcap", b"\x89MCAP0\r\n", "cut.mcap"),
        ("c.pcap", struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1), "no MQTT in it"),
    ],
)
async def test_what_is_wrong_with_an_upload_is_said(client, name, content, words) -> None:
    reply = await upload(client, content, name)
    assert reply.status_code == 422
    assert words in reply.json()["detail"]
    assert str(client.shelf.folder) not in reply.text
    assert list(client.shelf.folder.iterdir()) == []


async def test_upload_needs_the_token_and_a_session(client, session_file) -> None:
    assert (await client.post("/api/v1/sessions", content=b"x")).status_code == 401
    wrong = await upload(client, b"this is no session")
    assert wrong.status_code == 422
    assert wrong.headers["content-type"] == "application/problem+json"
    assert (await client.get("/api/v1/sessions")).json() == {"sessions": []}


@pytest.mark.parametrize("name", ["flight.mcap", "capture.pcap"])
async def test_no_room_for_an_upload_is_said(client, session_file, monkeypatch, name) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left for the journal")

    monkeypatch.setattr(journal, "append", full)
    monkeypatch.setattr("pathlib.Path.rename", full)
    content = session_file.read_bytes() if name.endswith(".mcap") else as_pcap(session_file)
    reply = await upload(client, content, name)
    assert reply.status_code == 507
    assert "No space left on device" in reply.json()["detail"]
    assert str(client.shelf.folder) not in reply.text
    assert list(client.shelf.folder.iterdir()) == []


async def test_an_uploaded_session_is_served_beside_live_data(client, session_file) -> None:
    made = (await upload(client, session_file.read_bytes())).json()
    assert (made["messages"], made["quarantined"], made["state"]) == (20, 1, "paused")
    root = f"/api/v1/sessions/{made['session']}"
    track = (await client.get(f"{root}/payloads/HAB-01/track")).json()
    assert len(track["rows"]) == 10
    assert (await client.get(f"{root}/health")).json()["messages"] == 20
    assert (await client.get("/api/v1/health")).json()["messages"] == 0
    assert (await client.get("/api/v1/payloads/HAB-01/track")).status_code == 404
    (listed,) = (await client.get("/api/v1/sessions")).json()["sessions"]
    assert listed["name"] == "my-flight"


async def test_play_pause_seek_speed_close(client, session_file) -> None:
    made = (await upload(client, session_file.read_bytes())).json()
    root = f"/api/v1/sessions/{made['session']}"

    async def post(action: str):
        reply = await client.post(f"{root}/{action}", headers=AUTHORISED)
        assert reply.status_code == 200, reply.text
        return reply.json()

    assert (await post("speed?factor=10"))["speed"] == 10
    assert (await post("seek?to=2020-09-13T12:26:50Z"))["at"] == "2020-09-13T12:26:50.000Z"
    assert (await post("play"))["state"] == "playing"
    async with asyncio.timeout(10):
        while (await client.get(root)).json()["state"] != "ended":
            await asyncio.sleep(0.02)
    assert (await post("pause"))["at"] == made["end"]
    assert (await client.delete(root, headers=AUTHORISED)).status_code == 204
    assert (await client.get(root)).status_code == 404
    assert (await post("open"))["state"] == "paused"
    assert (await client.delete(f"{root}?remove=true", headers=AUTHORISED)).status_code == 204
    assert (await client.get("/api/v1/sessions")).json() == {"sessions": []}


async def test_a_playing_session_streams_what_crosses(client, session_file) -> None:
    made = (await upload(client, session_file.read_bytes())).json()
    opened = client.shelf.open[made["session"]]
    listener = opened.station.hub.join()
    for action in ("speed?factor=100", "play"):
        await client.post(f"/api/v1/sessions/{made['session']}/{action}", headers=AUTHORISED)
    found: list[int] = []
    async with asyncio.timeout(10):
        while len(found) < 9:
            _, block = await listener.queue.get()
            if block.startswith(b"event: batch"):
                data = json.loads(block.split(b"data: ")[1])
                found += [p["seq"] for p in data["positions"]]
    assert found == [3, 5, 7, 9, 11, 13, 15, 17, 19]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["play", "pause", "seek", "speed"]),
            st.floats(0, 100),
            st.floats(0, 5),
        ),
        max_size=30,
    )
)
def test_a_player_never_leaves_its_session_and_never_drifts(steps) -> None:
    player, now_s = Player(1000 * S, 1100 * S), 50.0
    for action, value, pause_s in steps:
        if action == "seek":
            player.seek(int((1000 + value) * S), now_s)
        elif action == "speed":
            player.set_speed(value, now_s)
        else:
            getattr(player, action)(now_s)
        before = player.at_ns(now_s)
        now_s += pause_s
        at = player.at_ns(now_s)
        assert 1000 * S <= at <= 1100 * S
        if player.playing:
            expected = min(1100 * S, before + pause_s * player.speed * S)
            assert abs(at - expected) < 2_000
        else:
            assert at == before

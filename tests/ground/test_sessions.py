"""Session files: into a store without a broker, and opened for replay beside live data."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_contract import messages as m
from overflight_contract.mqtt import Connect, Publish, Version, encode
from overflight_contract.session import Direction, SessionPacket, SessionWriter, Verdict
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


async def upload(client, content: bytes):
    return await client.post(
        "/api/v1/sessions", params={"name": "my flight.mcap"}, content=content, headers=AUTHORISED
    )


async def test_upload_needs_the_token_and_a_session(client, session_file) -> None:
    assert (await client.post("/api/v1/sessions", content=b"x")).status_code == 401
    wrong = await upload(client, b"this is no session")
    assert wrong.status_code == 422
    assert wrong.headers["content-type"] == "application/problem+json"
    assert (await client.get("/api/v1/sessions")).json() == {"sessions": []}


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

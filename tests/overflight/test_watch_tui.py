"""The full-screen watch: what it shows, and that thousands of packets do not hold it up."""

import os
import re
import time
from pathlib import Path

import pytest

from overflight.watch.sources import Batch
from overflight.watch.tui import WatchApp
from overflight_contract.dissect import Dissector
from overflight_contract.mqtt import ConnAck, Connect, PubAck, Publish, Version, encode
from overflight_contract.session import Direction, SessionPacket, Verdict, open_session

V5 = Version.V5
START = 1_675_252_800_000_000_000
SNAPSHOTS = Path(__file__).parent / "snapshots"


def batch(messages=6):
    story = [
        (Direction.UP, Connect(client_id="HAB-01", keep_alive=60), Verdict.OK, ""),
        (Direction.DOWN, ConnAck(), Verdict.OK, ""),
    ]
    for n in range(1, messages + 1):
        packet = Publish(topic="overflight/1/HAB-01/x", payload=b"%d" % n, qos=1, packet_id=n)
        story.append((Direction.UP, packet, Verdict.REFUSED, "topic: no kind of message 'x'"))
        story.append((Direction.DOWN, PubAck(packet_id=n, reason_code=0x87), Verdict.OK, ""))
    dissector, views, items = Dissector(), [], []
    for n, (direction, packet, verdict, reason) in enumerate(story):
        item = SessionPacket(
            START + n * 250_000_000, 1, direction, verdict, reason, encode(packet, V5), 0, n
        )
        items.append(item)
        views.append(dissector.view(item))
    return Batch(views, 0, tuple(items))


def screen_text(app):
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips) + "\n"


async def shown(app, pilot, messages=6):
    app.take(batch(messages))
    app.flush()
    await pilot.pause()


@pytest.mark.parametrize("name", ["list", "filtered"])
async def test_its_look(name):
    text = "" if name == "list" else "verdict == refused"
    app = WatchApp("none", text, reads=False)
    async with app.run_test(size=(120, 32)) as pilot:
        await shown(app, pilot)
        await pilot.press("up")
        await pilot.pause()
        app.flush()
        await pilot.pause()
        found = screen_text(app)
    golden = SNAPSHOTS / f"watch_{name}.txt"
    if os.environ.get("OVERFLIGHT_WRITE_SNAPSHOTS"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found)
    assert found == golden.read_text()


async def test_filter_pause_follow_and_save(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = WatchApp("none", "", reads=False)
    async with app.run_test(size=(120, 32)) as pilot:
        await shown(app, pilot)
        assert len(app.packets.shown) == 14
        await pilot.press("slash")
        await pilot.press(*"type == puback", "enter")
        assert len(app.packets.shown) == 6
        await pilot.press("slash")
        await pilot.press("ctrl+u", *"type == nonsense", "enter")
        assert len(app.packets.shown) == 6
        assert "nonsense" in screen_text(app)
        await pilot.press("escape", "space")
        await shown(app, pilot)
        assert len(app.packets.shown) == 6
        await pilot.press("space")
        assert len(app.packets.shown) == 12
        assert app.packets.follow
        await pilot.press("home")
        assert (app.packets.cursor, app.packets.follow) == (0, False)
        await pilot.press("s")
    saved = list(tmp_path.glob("watch-*.mcap"))
    with open_session(saved[0]) as session:
        assert session.packet_count == 12


async def test_a_wrong_filter_is_pointed_at_and_can_be_forgotten():
    app = WatchApp("none", "verdict == refused", reads=False)
    async with app.run_test(size=(120, 32)) as pilot:
        await shown(app, pilot)
        assert "REFUSED: topic: no kind of message" in screen_text(app)
        await pilot.press("slash", "ctrl+u", *"type == publish and nonsense == 1", "enter")
        line = app.query_one("#filter")
        assert app.focused is line
        assert line.cursor_position == len("type == publish and ")
        assert "filter, column 21: no field 'nonsense'" in screen_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert line.value == "verdict == refused"
        assert "column" not in screen_text(app)


async def test_the_reason_is_seen_whole_however_long():
    reason = "size: " + " ".join(["packet of 70975 bytes; at most 65536 are looked into"] * 5)
    data = encode(Publish(topic="overflight/1/HAB-01/position", payload=b"x" * 300), V5)
    item = SessionPacket(START, 1, Direction.UP, Verdict.REFUSED, reason, data, 0, 0)
    app = WatchApp("none", "", reads=False)
    async with app.run_test(size=(100, 32)) as pilot:
        app.take(Batch([Dissector().view(item)], 0, (item,)))
        app.flush()
        await pilot.pause()
        text = screen_text(app)
    listed = next(row for row in text.splitlines() if "✗" in row)
    assert "REFUSED: size:" in listed
    words = re.findall(r"[\w;:]+", text)
    assert " ".join(words).count("at most 65536 are looked into") >= 5


async def test_where_nothing_is_chosen_nothing_is_shown_of_it():
    app = WatchApp("none", "", reads=False)
    async with app.run_test(size=(120, 32)) as pilot:
        await shown(app, pilot)
        assert "packet type and flags" in screen_text(app)
        await pilot.press("slash", *"type == auth", "enter")
        await pilot.pause()
        assert app.packets.chosen is None
        assert "packet type and flags" not in screen_text(app)


async def test_in_a_small_terminal_the_packets_have_the_room():
    app = WatchApp("none", "", reads=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot)
        await pilot.press("up")
        await pilot.pause()
        text = screen_text(app)
        assert "all connections" not in text
        assert "REFUSED: topic: no kind" in text
        assert "packet type and flags" in text
        await pilot.resize_terminal(120, 32)
        await pilot.pause()
        assert "all connections" in screen_text(app)


async def test_it_says_that_its_relay_is_gone_and_back():
    app = WatchApp("none", "", reads=False)
    async with app.run_test(size=(120, 32)) as pilot:
        await shown(app, pilot)
        app.take(Batch([], note="the relay is gone; waiting for it"))
        app.flush()
        await pilot.pause()
        assert "the relay is gone; waiting for it" in screen_text(app)
        await shown(app, pilot)
        assert "gone" not in screen_text(app)


async def test_thousands_of_packets_do_not_hold_it_up():
    app = WatchApp("none", "verdict == refused", reads=False)
    async with app.run_test(size=(120, 32)) as pilot:
        await shown(app, pilot)
        app.take(batch(20_000))
        started = time.process_time()
        app.flush()
        await pilot.pause()
        await pilot.press("up", "up", "end")
        spent = time.process_time() - started
        assert app.packets.total == 40_016
        assert len(app.packets.shown) == 20_006
        print(f"40,000 packets shown in {spent:.2f} s of CPU")


async def test_a_connection_can_be_picked():
    app = WatchApp("none", "", reads=False)
    async with app.run_test(size=(120, 32)) as pilot:
        await shown(app, pilot)
        app.query_one("#connections").focus()
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert "HAB-01" in screen_text(app)
        assert len(app.packets.shown) == 14


async def test_a_file_is_read(tmp_path):
    from overflight_contract.session import SessionWriter

    path = tmp_path / "s.mcap"
    with SessionWriter(path) as writer:
        writer.write(batch().items)
    app = WatchApp(str(path), "", follow=False)
    async with app.run_test(size=(120, 32)) as pilot:
        for _ in range(200):
            await pilot.pause(0.02)
            if app.packets.total == 14:
                break
        assert app.packets.total == 14

"""Captures of other programs become sessions: pcap and pcapng, mqtt-recorder CSV, foreign MCAP."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType, Writer

from overflight.cli import main
from overflight.session import pcapng
from overflight.session.views import Selection
from overflight_contract import mqtt
from overflight_contract.imports import capture, tcp
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Note,
    SessionPacket,
    SessionWriter,
    Verdict,
    open_session,
)

V = mqtt.Version.V311
SHARED = Path(__file__).parents[3] / "shared" / "data" / "mqtt"
T0 = 1_675_252_800_000_000_000


def conversation(count=12, size=4000):
    connect = mqtt.Connect(client_id="HAB-01", clean_start=True, keep_alive=60, version=V,
                           username="u", password=b"secret")  # fmt: skip
    yield Direction.UP, mqtt.encode(connect, V)
    yield Direction.DOWN, mqtt.encode(mqtt.ConnAck(), V)
    for n in range(1, count):
        publish = mqtt.Publish(topic="t", payload=bytes([n]) * size, qos=1, packet_id=n)
        yield Direction.UP, mqtt.encode(publish, V)
        yield Direction.DOWN, mqtt.encode(mqtt.PubAck(packet_id=n), V)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A session as pcapng, with its frames."""
    home = tmp_path_factory.mktemp("imports")
    with SessionWriter(home / "a.mcap") as writer:
        writer.write([ConnectionOpened(1, T0, "10.0.0.5:50000", "10.0.0.1:1883", "mqtt://b:1")])
        for n, (direction, data) in enumerate(conversation()):
            writer.write([SessionPacket(T0 + n, 1, direction, Verdict.OK, "", data)])
        writer.write([ConnectionClosed(1, T0 + 100, "bye", "client")])
    out = io.BytesIO()
    with open_session(home / "a.mcap") as session:
        pcapng.write(session, Selection(), out)
    (home / "a.pcapng").write_bytes(out.getvalue())
    return home / "a.pcapng", list(capture.frames(home / "a.pcapng"))


def assembled(frames):
    assembler = tcp.Assembler(capture.PORTS)
    items = [item for frame in frames for item in assembler.frame(*frame)]
    return items + list(assembler.end())


def said(items, direction):
    return [i.data for i in items if isinstance(i, SessionPacket) and i.direction == direction]


def expected(direction):
    packets = [data for way, data in conversation() if way == direction]
    if direction == Direction.UP:
        packets[0] = packets[0].replace(b"secret", b"******")
    return packets


def test_frames_in_order_give_the_packets_and_mask_the_password(exported):
    items = assembled(exported[1])
    assert isinstance(items[0], ConnectionOpened)
    assert items[0].peer == "10.0.0.5:50000"
    assert said(items, Direction.UP) == expected(Direction.UP)
    assert said(items, Direction.DOWN) == expected(Direction.DOWN)
    assert items[1].masked
    assert isinstance(items[-1], ConnectionClosed)
    assert items[-1].by == "client"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), spread=st.integers(1, 12), again=st.floats(0, 0.5))
def test_disorder_and_retransmission_change_nothing(exported, seed, spread, again):
    rng = random.Random(seed)
    frames = []
    for number, frame in enumerate(exported[1]):
        frames.append((number, frame))
        if rng.random() < again:
            frames.append((number + rng.random() * spread, frame))
    start, rest = frames[:3], frames[3:]  # the handshake comes first
    rest = [(number + rng.random() * spread, frame) for number, frame in rest]
    closing = exported[1][-3:]
    ordered = [frame for _, frame in sorted(rest, key=lambda entry: entry[0])]
    ordered = [frame for frame in ordered if frame not in closing]
    items = assembled([frame for _, frame in start] + ordered + closing)
    assert said(items, Direction.UP) == expected(Direction.UP)
    assert said(items, Direction.DOWN) == expected(Direction.DOWN)


def test_a_lost_segment_is_named_and_the_rest_is_read(exported):
    frames = exported[1]
    carrying = [n for n, frame in enumerate(frames) if len(frame.data) > 1000]
    lost = carrying[len(carrying) // 2]
    items = assembled(frames[:lost] + frames[lost + 1 :])
    found = said(items, Direction.UP)
    assert found == [data for data in expected(Direction.UP) if data in found]
    assert len(found) >= len(expected(Direction.UP)) - 2
    notes = [item for item in items if isinstance(item, Note)]
    assert any("missing from the capture" in note.detail["what"] for note in notes)


@pytest.mark.parametrize("skip", [3, 4, 6, 7, 10])
def test_a_start_in_midstream_finds_the_next_packet(exported, skip):
    items = assembled(exported[1][skip:])
    found = said(items, Direction.UP)
    assert found
    assert found == expected(Direction.UP)[-len(found) :]
    assert isinstance(items[0], ConnectionOpened)
    assert items[0].peer == "10.0.0.5:50000"


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200), linktype=st.sampled_from([0, 1, 101, 113, 276, 9]))
def test_any_frame_is_taken_or_passed_over(data, linktype):
    assert isinstance(assembled([(0, linktype, data)]), list)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_capture_cut_off_anywhere_gives_what_is_whole(exported, data, tmp_path_factory):
    content = exported[0].read_bytes()
    size = data.draw(st.integers(64, len(content)))
    path = tmp_path_factory.getbasetemp() / "cut.pcapng"
    path.write_bytes(content[:size])
    found = list(capture.frames(path))
    assert found == exported[1][: len(found)]


def test_big_endian_microsecond_pcap_over_ethernet_with_vlan(tmp_path, exported):
    path = tmp_path / "a.pcap"
    with path.open("wb") as file:
        file.write(struct.pack(">IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in exported[1]:
            data = bytes(12) + b"\x81\x00\x00\x05\x08\x00" + frame.data
            seconds, rest = divmod(frame.at_ns, 10**9)
            file.write(struct.pack(">IIII", seconds, rest // 1000, len(data), len(data)) + data)
    assert said(capture.items(path, capture.PORTS), Direction.UP)  # is used up
    assert main(["session", "convert", str(path), str(tmp_path / "b.mcap")]) == 0
    with open_session(tmp_path / "b.mcap") as session:
        found = list(session)
    assert said(found, Direction.UP) == expected(Direction.UP)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the recordings in ../shared/data")
@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("mqtt31-sub-userpass", ["CONNECT", "CONNACK", "SUBSCRIBE", "SUBACK", "DISCONNECT"]),
        ("mqtt311-pub-qos2", ["CONNECT", "CONNACK", "PUBLISH", "PUBREC", "PUBREL", "PUBCOMP",
                              "DISCONNECT"]),
        ("mqtt5-pub-qos1", ["CONNECT", "CONNACK", "PUBLISH", "PUBACK", "DISCONNECT"]),
        ("mqtt5-sub-mosquittoprops", ["CONNECT", "CONNACK", "SUBSCRIBE", "SUBACK", "DISCONNECT"]),
    ],
)  # fmt: skip
def test_real_captures(tmp_path, name, types):
    out = tmp_path / "a.mcap"
    assert main(["session", "convert", str(SHARED / f"{name}.pcap"), str(out)]) == 0
    with open_session(out) as session:
        packets = list(session.packets())
        assert session.metadata["imported_as"] == "pcap"
        assert [c.closed.by for c in session.connections()] == ["client"]
    assert [mqtt.PacketType(packet.data[0] >> 4).name for packet in packets] == types
    assert packets[0].masked  # all of them have a password
    again = tmp_path / "b.pcapng"
    assert main(["session", "convert", str(out), str(again)]) == 0
    assert main(["session", "convert", str(again), str(tmp_path / "c.mcap")]) == 0
    assert main(["session", "diff", "--exact", str(out), str(tmp_path / "c.mcap")]) == 0


@pytest.mark.parametrize("encoded", [False, True])
def test_csv_of_mqtt_recorder(tmp_path, encoded):
    path = tmp_path / "a.csv"
    text = base64.b64encode(b"\xff\x00").decode() if encoded else "hëllo"
    path.write_text(
        f't/1,{text},0,False,1675252800.25,0.1\nt/2,"a,b",1,True,1675252801.5,1.25\n'
        if not encoded
        else f"t/1,{text},0,False,1675252800.25,0.1\nt/2,YSxi,1,True,1675252801.5,1.25\n"
    )
    words = ["session", "convert", str(path), str(tmp_path / "a.mcap")]
    assert main(words + ["--base64"] * encoded) == 0
    with open_session(tmp_path / "a.mcap") as session:
        connect, first, second = session.packets()
    assert mqtt.decode(connect.data, None).client_id == "mqtt-recorder"
    found = mqtt.decode(first.data, V)
    assert (found.topic, found.qos, found.retain) == ("t/1", 0, False)
    assert found.payload == (b"\xff\x00" if encoded else "hëllo".encode())
    assert first.crossed_at_ns == 1_675_252_800_250_000_000
    found = mqtt.decode(second.data, V)
    assert (found.payload, found.qos, found.retain) == (b"a,b", 1, True)


def test_a_csv_of_something_else_is_refused(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("name,price\napple,3\n")
    assert main(["session", "convert", str(path), str(tmp_path / "a.mcap")]) == 2
    assert "row 1" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("compression", [CompressionType.ZSTD, CompressionType.NONE])
def test_mcap_of_another_program(tmp_path, compression):
    path = tmp_path / "a.mcap"
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=500, compression=compression)
        writer.start()
        schema = writer.register_schema("s", "jsonschema", b"{}")
        channel = writer.register_channel("/robot/pose", "json", schema)
        for n in range(100):
            writer.add_message(channel, log_time=T0 + n, publish_time=T0 + n,
                               data=json.dumps({"n": n}).encode())  # fmt: skip
        writer.finish()
    assert main(["session", "convert", str(path), str(tmp_path / "b.mcap")]) == 0
    with open_session(tmp_path / "b.mcap") as session:
        _, *packets = session.packets()
    found = [mqtt.decode(packet.data, V) for packet in packets]
    assert {packet.topic for packet in found} == {"robot/pose"}
    assert [json.loads(packet.payload)["n"] for packet in found] == list(range(100))


def test_straight_into_another_format(tmp_path, exported):
    assert main(["session", "convert", str(exported[0]), str(tmp_path / "a.csv")]) == 0
    assert (tmp_path / "a.csv").read_text().count("\n") == 25
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_what_is_no_capture_is_refused(tmp_path, capsys):
    path = tmp_path / "a.bin"
    path.write_bytes(b"hello")
    assert main(["session", "convert", str(path), str(tmp_path / "b.mcap")]) == 2
    assert "no pcap" in capsys.readouterr().err

"""``overflight session cut``, ``merge``, ``redact``, ``repair`` and ``diff``."""

from __future__ import annotations

import datetime as dt
import errno
import json

import pytest

from overflight.cli import main
from overflight_contract import mqtt
from overflight_contract.messages import Fix, Position, encode
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Note,
    SessionPacket,
    SessionWriter,
    Verdict,
    journal,
    open_session,
)
from overflight_contract.session.verify import verify_session

V = mqtt.Version.V311
T0 = 1_675_252_800_000_000_000
S = 1_000_000_000


def publish(n, *, payload="HAB-01", packet_id=None):
    at = dt.datetime.fromtimestamp(T0 / S + n, dt.UTC)
    message = Position(flight="20230201T120000Z-7f3a", seq=n + 1, held_from=1, measured_at=at,
                       lat_deg=45.12345, lon_deg=7.65432, alt_msl_m=1000.0, alt_hae_m=1050.0,
                       fix=Fix.THREE_D, sats=9, hdop=0.9)  # fmt: skip
    topic = f"overflight/1/{payload}/position"
    packet = mqtt.Publish(topic=topic, payload=encode(message), qos=1, packet_id=packet_id or n + 1)
    return mqtt.encode(packet, V)


def made(path, *, count=30, payload="HAB-01", shift_ns=0, ids=0, more=()):
    connect = mqtt.Connect(client_id=payload, clean_start=True, keep_alive=60, version=V,
                           username="someone", password=b"******")  # fmt: skip
    start = T0 + shift_ns

    def packet(at_ns, direction, data, **fields):
        return SessionPacket(at_ns, 1, direction, Verdict.OK, "", data, **fields)

    with SessionWriter(path, chunk_bytes=2000, metadata={"simulated": "true"}) as writer:
        writer.write([
            Note(start, "start", {"policy": "enforce"}),
            ConnectionOpened(1, start, "203.0.113.9:50000", "198.51.100.1:1883", "mqtt://b:1883"),
            packet(start, Direction.UP, mqtt.encode(connect, V), masked=True),
            packet(start, Direction.DOWN, mqtt.encode(mqtt.ConnAck(), V)),
        ])  # fmt: skip
        for n in range(count):
            writer.write([
                packet(start + n * S, Direction.UP,
                       publish(n, payload=payload, packet_id=n + 1 + ids)),
                packet(start + n * S + 1000, Direction.DOWN,
                       mqtt.encode(mqtt.PubAck(packet_id=n + 1 + ids), V)),
            ])  # fmt: skip
        writer.write([*more, ConnectionClosed(1, start + count * S, "bye", "client")])
    return path


def run(*words):
    return main(["session", *map(str, words)])


def read(path):
    with open_session(path) as session:
        assert verify_session(session).problems == []
        return list(session)


def packets(path):
    return [item for item in read(path) if isinstance(item, SessionPacket)]


def test_cut_keeps_what_is_needed_to_read_the_rest(tmp_path):
    path = made(tmp_path / "a.mcap")
    assert run("cut", path, tmp_path / "b.mcap", "--from", "10s", "--until", "20s") == 0
    items = read(tmp_path / "b.mcap")
    kinds = [type(item).__name__ for item in items]
    assert kinds[:4] == ["Note", "ConnectionOpened", "SessionPacket", "SessionPacket"]
    assert kinds.count("SessionPacket") == 2 + 20
    assert "ConnectionClosed" not in kinds


def test_cut_by_filter(tmp_path):
    path = made(tmp_path / "a.mcap")
    assert run("cut", path, tmp_path / "b.mcap", "--filter", "type == puback") == 0
    found = packets(tmp_path / "b.mcap")
    assert [packet.data[0] >> 4 for packet in found] == [1, 2] + [4] * 30


def test_a_session_is_not_written_over_unasked(tmp_path, capsys):
    path = made(tmp_path / "a.mcap")
    assert run("cut", path, path) == 2
    assert "--force" in capsys.readouterr().err
    assert run("cut", path, tmp_path / "b.txt") == 2


def test_merge_goes_by_time_and_keeps_connections_apart(tmp_path):
    one = made(tmp_path / "a.mcap", count=5)
    two = made(tmp_path / "b.mcap", count=5, payload="HAB-02", shift_ns=S // 2)
    assert run("merge", one, two, "-o", tmp_path / "c.mcap") == 0
    items = read(tmp_path / "c.mcap")
    times = [getattr(item, "crossed_at_ns", None) or item.at_ns for item in items]
    assert times == sorted(times)
    assert {item.connection for item in items if not isinstance(item, Note)} == {1, 2}
    assert [item.detail["session"] for item in items if isinstance(item, Note)] == [
        "a.mcap", "b.mcap",
    ]  # fmt: skip
    assert len(packets(tmp_path / "c.mcap")) == len(packets(one)) + len(packets(two))


def test_redact_takes_out_what_should_not_be_shown(tmp_path):
    stranger = mqtt.encode(mqtt.Publish(topic="secret/place", payload=b"hidden", qos=0), V)
    refused = SessionPacket(T0 + S, 1, Direction.UP, Verdict.REFUSED, "topic: 'secret/place'",
                            stranger)  # fmt: skip
    path = made(tmp_path / "a.mcap", count=3, more=[refused])
    out = tmp_path / "b.mcap"
    assert run("redact", path, out, "--decimals", 1, "--rename", "HAB-01=DEMO-1") == 0
    found = packets(out)
    everything = b"".join(packet.data for packet in found)
    for word in (b"HAB-01", b"someone", b"45.12", b"7.65", b"hidden", b"secret"):
        assert word not in everything
    assert b"overflight/1/DEMO-1/position" in everything
    assert b'"lat_deg":45.1,"lon_deg":7.7,' in everything
    assert found[-1].reason == "topic"
    assert len(found) == len(packets(path))
    with open_session(out) as session:
        (connection,) = session.connections()
        assert connection.opened.peer.startswith("192.0.2.")
        assert session.metadata == {"redacted": "true", "simulated": "true"}


@pytest.mark.parametrize("where", ["beginning", "middle", "end"])
def test_repair_saves_every_whole_chunk(tmp_path, where, capsys):
    path = made(tmp_path / "a.mcap", count=200)
    whole = packets(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    if where == "end":
        content = content[:middle]
    else:
        start = 4 if where == "beginning" else middle
        content[start : start + 40] = bytes(40)
    broken = tmp_path / "broken.mcap"
    broken.write_bytes(content)
    assert run("repair", broken, tmp_path / "saved.mcap", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["damage"]
    saved = [packet.data for packet in packets(tmp_path / "saved.mcap")]
    assert saved == [packet.data for packet in whole if packet.data in set(saved)]
    least = {"beginning": 1.0, "middle": 0.8, "end": 0.4}[where]
    assert len(saved) >= least * len(whole)
    notes = [i for i in read(tmp_path / "saved.mcap") if isinstance(i, Note) and i.kind == "gap"]
    assert bool(notes) == (where == "middle")


def test_repair_of_nothing_says_so(tmp_path, capsys):
    (tmp_path / "a.mcap").write_bytes(b"\x89MCAP0\r\nrubbish" * 10)
    assert run("repair", tmp_path / "a.mcap", tmp_path / "b.mcap") == 2
    assert "nothing of" in capsys.readouterr().err
    assert not (tmp_path / "b.mcap").exists()


def test_diff_takes_no_offence_at_times_and_packet_ids(tmp_path):
    one = made(tmp_path / "a.mcap")
    two = made(tmp_path / "b.mcap", shift_ns=12345, ids=100)
    assert run("diff", one, two) == 0
    assert run("diff", one, two, "--exact") == 1


def test_diff_names_the_first_difference(tmp_path, capsys):
    one = made(tmp_path / "a.mcap", count=5)
    two = made(tmp_path / "b.mcap", count=4)
    assert run("diff", one, two, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    first = found["differences"][0]
    assert (first["client_id"], first["direction"], first["number"]) == ("HAB-01", "down", 6)
    assert first["left"].startswith("puback")
    assert first["right"] is None
    assert run("diff", one, made(tmp_path / "c.mcap", payload="HAB-02")) == 1
    assert "only in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "10m"), "nothing was recorded then"),
        (("--until", "0s"), "nothing was recorded then"),
        (("--from", "20s", "--until", "10s"), "--from is not before --until"),
        (("--from", "tomorrow"), "neither a time nor a duration"),
    ],
)
def test_a_time_of_which_nothing_was_recorded_is_no_success(tmp_path, capsys, words, said):
    path, out = made(tmp_path / "a.mcap"), tmp_path / "b.mcap"
    assert main(["session", "cut", str(path), str(out), *words]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_name_to_replace_that_is_nowhere_is_told(tmp_path, capsys):
    path, out = made(tmp_path / "a.mcap"), tmp_path / "b.mcap"
    words = ["session", "redact", str(path), str(out), "--rename"]
    assert main([*words, "HAB-99=DEMO-1"]) == 0
    assert "has the name HAB-99" in capsys.readouterr().err
    assert main([*words, "HAB-01=DEMO-1", "--force"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "words",
    [
        ("session", "convert", "a.mcap", "out/b.mcap"),
        ("session", "convert", "a.mcap", "out/b.jsonl"),
        ("session", "export", "a.mcap", "-o", "out/b.kml"),
    ],
)
def test_what_cannot_be_written_is_named_and_nothing_is_left(tmp_path, capsys, monkeypatch, words):
    made(tmp_path / "a.mcap")
    (tmp_path / "out").write_text("a file where a folder should be")
    monkeypatch.chdir(tmp_path)
    assert main(list(words)) == 4
    told = capsys.readouterr().err
    assert told == f"overflight: can't write {words[-1]}: Not a directory\n"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.mcap", "out"]


def test_a_full_disk_is_named_and_nothing_is_left(tmp_path, capsys, monkeypatch):
    path, out = made(tmp_path / "a.mcap"), tmp_path / "out" / "b.mcap"

    def full(fd, first, count, records):
        raise OSError(errno.ENOSPC, "no space left for the journal")

    monkeypatch.setattr(journal, "append", full)
    assert main(["session", "convert", str(path), str(out)]) == 4
    told = capsys.readouterr().err
    assert told == f"overflight: can't write {out}: No space left on device\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_damage_is_named_once_with_what_to_do(tmp_path, capsys):
    path = made(tmp_path / "a.mcap")
    damaged = bytearray(path.read_bytes())
    with open_session(path) as session:
        damaged[session.files[0].catalogue.entries[0].offset + 200] ^= 255
    path.write_bytes(damaged)
    assert main(["session", "info", str(path)]) == 1
    told = capsys.readouterr().out
    assert told.count("does not fit its checksum") == 1
    assert f"'overflight session repair {path} OUT' saves what is left" in told


def test_an_empty_file_is_called_so(tmp_path, capsys):
    path = tmp_path / "a.mcap"
    path.write_bytes(b"")
    assert main(["session", "info", str(path)]) == 2
    assert capsys.readouterr().err == f"overflight: {path} is no session file: it is empty\n"

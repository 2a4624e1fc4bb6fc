"""``overflight session info``, ``verify`` and ``export``, as a person calls them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from mcap.reader import make_reader

from overflight.cli import main
from overflight.session.picture import bars, draw_track
from overflight_contract import mqtt
from overflight_contract.messages import Fix, Navigation, Phase, Position, encode
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

T0 = 1_675_252_800_000_000_000
S = 1_000_000_000
FLIGHT = "20230201T120000Z-7f3a"
V = mqtt.Version.V311


def up(at_s, packet, connection=1, *, version=V, verdict=Verdict.OK, reason="", masked=False):
    data = packet if isinstance(packet, bytes) else mqtt.encode(packet, version)
    at_ns = T0 + int(at_s * S)
    return SessionPacket(at_ns, connection, Direction.UP, verdict, reason, data, masked=masked)


def down(at_s, packet, connection=1, *, version=V):
    data = mqtt.encode(packet, version)
    return SessionPacket(
        T0 + int(at_s * S), connection, Direction.DOWN, Verdict.OK, "", data
    )  # fmt: skip


def position(n, lon, **more):
    at = dt.datetime.fromtimestamp(T0 / S + n, dt.UTC)
    fields = {"lat_deg": 45.0, "lon_deg": lon, "alt_msl_m": 1000.0, "alt_hae_m": 982.7,
              "fix": Fix.THREE_D, "sats": 9, "hdop": 0.9} | more  # fmt: skip
    return encode(
        Position(flight=FLIGHT, seq=2 * n + 1, held_from=1, measured_at=at, **fields)
    )  # fmt: skip


def navigation(n):
    at = dt.datetime.fromtimestamp(T0 / S + n, dt.UTC)
    return encode(
        Navigation(flight=FLIGHT, seq=2 * n + 2, held_from=1, measured_at=at, track_deg=90.0,
                   speed_mps=20.5, climb_mps=-1.5, phase=Phase.FLOAT, waypoint=None,
                   cross_track_m=None)
    )  # fmt: skip


def publish(topic, payload, packet_id=None):
    qos = 0 if packet_id is None else 1
    return mqtt.Publish(topic=topic, payload=payload, qos=qos, packet_id=packet_id)


def flight_items(count=20):
    """A payload that flies over the antimeridian, a refused message, a client that is left."""
    yield Note(T0, "start", {"policy": "enforce"})
    yield ConnectionOpened(1, T0, "10.0.0.5:51000", "10.0.0.1:2883", "mqtt://broker:1883")
    yield up(0.1, mqtt.Connect(client_id="HAB-01", clean_start=True, keep_alive=60, version=V))
    yield down(0.2, mqtt.ConnAck())
    topic = "overflight/1/HAB-01/receipt"
    subscription = mqtt.Subscription(topic_filter=topic, qos=1)
    yield up(0.3, mqtt.Subscribe(packet_id=9999, subscriptions=(subscription,)))
    yield down(0.4, mqtt.SubAck(packet_id=9999, reason_codes=(1,)))
    for n in range(count):
        lon = round(179.9 + n * 0.02, 5)
        lon = round(lon - 360, 5) if lon >= 180 else lon
        for kind, payload in (("position", position(n, lon)), ("navigation", navigation(n))):
            number = 2 * n + 1 + (kind == "navigation")
            yield up(n + 1, publish(f"overflight/1/HAB-01/{kind}", payload, number))
            yield down(n + 1.05, mqtt.PubAck(packet_id=number))
    yield up(count + 1, publish("overflight/1/HAB-01/position", position(0, 179.9), 77))
    secret = publish("pictures", b"\xff\xd8" * 20_000)
    yield up(count + 2, secret, verdict=Verdict.REFUSED, reason="topic: 'pictures'")
    yield ConnectionClosed(1, T0 + (count + 3) * S, "refused", "relay")
    five = mqtt.Version.V5
    yield ConnectionOpened(2, T0 + 30 * S, "[::1]:51000", "[::1]:2883", "mqtt://broker:1883")
    connect = mqtt.Connect(client_id="ground", clean_start=True, keep_alive=60, version=five,
                           username="u", password=b"***")  # fmt: skip
    yield up(30, connect, 2, version=five, masked=True)
    yield down(30, mqtt.ConnAck(), 2, version=five)


@pytest.fixture(scope="module")
def flight(tmp_path_factory):
    path = tmp_path_factory.mktemp("session") / "flight.mcap"
    with SessionWriter(path, chunk_bytes=5000, metadata={"simulated": "true"}) as writer:
        for item in flight_items():
            writer.write([item])
    return path


def run(capsys, *words):
    status = main(["session", *map(str, words)])
    return status, capsys.readouterr()


def test_info_says_what_there_is(flight, capsys):
    status, out = run(capsys, "info", flight, "--json")
    found = json.loads(out.out)
    assert status == 0
    assert found["packets"] == 88
    assert found["verdicts"] == {"ok": 87, "marked": 0, "refused": 1}
    assert found["connections"] == 2
    assert found["closed"] is True
    assert found["types"]["publish"] == 42
    assert set(found["clients"]) == {"HAB-01", "ground"}
    assert found["notes_list"][0]["kind"] == "start"
    assert found["positions"] == 21


def test_info_for_a_person(flight, capsys):
    status, out = run(capsys, "info", flight)
    assert status == 0
    for text in ("88: 45 up, 43 down", "87 ok", "1 refused", "HAB-01", "topic: 'pictures'"):
        assert text in out.out
    assert any("⠀" < char <= "⣿" for char in out.out)


def test_info_of_a_session_that_was_killed(tmp_path, capsys):
    writer = SessionWriter(tmp_path / "a.mcap")
    writer.write(list(flight_items(3)))
    writer.abandon()
    status, out = run(capsys, "info", tmp_path / "a.mcap")
    assert status == 0
    assert "not closed" in out.out


def test_verify_of_a_whole_file(flight, capsys):
    status, out = run(capsys, "verify", flight, "--json")
    found = json.loads(out.out)
    assert (status, found["verdict"], found["problems"]) == (0, "whole", [])
    assert found["items"] == 92


def test_verify_names_what_is_damaged(flight, tmp_path, capsys):
    broken = bytearray(flight.read_bytes())
    broken[len(broken) // 2] ^= 0xFF
    (tmp_path / "b.mcap").write_bytes(broken)
    status, out = run(capsys, "verify", tmp_path / "b.mcap")
    assert status == 1
    assert "chunk at byte" in out.out


def test_no_session_there(tmp_path, capsys):
    status, out = run(capsys, "info", tmp_path / "none.mcap")
    assert status == 2
    assert "can't read the session" in out.err


def exported(capsys, flight, tmp_path, name, *more, suffix=""):
    path = tmp_path / f"out{suffix or '.' + name}"
    status, out = run(capsys, "export", flight, "--format", name, "-o", path, *more)
    assert status == 0, out.err
    return path


def test_jsonl_has_every_byte(flight, tmp_path, capsys):
    lines = exported(capsys, flight, tmp_path, "jsonl").read_text().splitlines()
    with open_session(flight) as session:
        expected = [packet.data.hex() for packet in session.packets()]
    assert [json.loads(line)["hex"] for line in lines] == expected
    assert json.loads(lines[-2])["masked"] is True


def test_packets_parquet_has_types_and_bytes(flight, tmp_path, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "packets.parquet"
    words = ["session", "export", str(flight), "--format", "packets-parquet", "-o", str(path)]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    table = parquet.read_table(path)
    with open_session(flight) as session:
        packets = list(session.packets())
        assert table.schema.metadata[b"simulated"] == session.metadata["simulated"].encode()
    assert told["packets"] == table.num_rows == len(packets)
    assert table["data"].to_pylist() == [packet.data for packet in packets]
    assert table["sequence"].to_pylist() == [packet.sequence for packet in packets]
    assert table["at"].cast("int64").to_pylist() == [packet.crossed_at_ns for packet in packets]
    assert str(table.schema.field("at").type) == "timestamp[ns, tz=UTC]"
    lines = exported(capsys, flight, tmp_path, "jsonl").read_text().splitlines()
    for name in ("type", "topic", "verdict", "qos", "retain", "summary", "client_id"):
        assert table[name].to_pylist() == [json.loads(line)[name] for line in lines]
    assert main([*words, "--filter", "qos == 3"]) == 0
    assert parquet.read_table(path).num_rows == 0


def test_csv_has_a_row_for_each_packet(flight, tmp_path, capsys):
    path = exported(capsys, flight, tmp_path, "csv")
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    assert len(rows) == 88
    assert rows[0]["type"] == "connect"


def test_time_and_filter_choose(flight, tmp_path, capsys):
    path = exported(capsys, flight, tmp_path, "jsonl", "--from", "5s", "--until",
                    "2023-02-01T12:00:10Z", "--filter", "type == publish")  # fmt: skip
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(found) == 10
    assert {line["client_id"] for line in found} == {"HAB-01"}


def test_track_joins_motion_and_counts_each_message_once(flight, tmp_path, capsys):
    path = exported(capsys, flight, tmp_path, "track-csv")
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    assert [int(row["seq"]) for row in rows] == list(range(1, 41, 2))
    assert {row["speed_mps"] for row in rows} == {"20.5"}


def test_track_formats(flight, tmp_path, capsys):
    found = json.loads(exported(capsys, flight, tmp_path, "geojson").read_bytes())
    assert found["features"][0]["geometry"]["type"] == "MultiLineString"
    assert found["features"][0]["properties"]["simulated"] is True
    rows = json.loads(exported(capsys, flight, tmp_path, "sondehub").read_bytes())
    assert len(rows) == 20
    assert rows[0]["dev"] is True
    path = exported(capsys, flight, tmp_path, "sondehub", "--no-simulated")
    real = json.loads(path.read_bytes())
    assert "dev" not in real[0]
    for name in ("gpx", "kml", "czml", "track-jsonl"):
        assert exported(capsys, flight, tmp_path, name).stat().st_size > 1000


def test_foxglove_has_location_fixes(flight, tmp_path, capsys):
    path = exported(capsys, flight, tmp_path, "foxglove", suffix=".mcap")
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        found = list(reader.iter_messages(topics=["/HAB-01/location"]))
        assert len(found) == 21
        schema, channel, message = found[0]
        assert (schema.name, schema.encoding) == ("foxglove.LocationFix", "jsonschema")
        assert channel.message_encoding == "json"
        fix = json.loads(message.data)
        assert (fix["latitude"], fix["longitude"], fix["altitude"]) == (45.0, 179.9, 982.7)
        assert len(list(reader.iter_messages(topics=["/packets"]))) == 88


def test_zeek_tables(flight, tmp_path, capsys):
    status, _ = run(capsys, "export", flight, "--format", "zeek", "-o", tmp_path / "logs")
    assert status == 0
    lines = (tmp_path / "logs" / "mqtt_publish.log").read_text().splitlines()
    fields = next(line for line in lines if line.startswith("#fields")).split("\t")[1:]
    rows = [dict(zip(fields, line.split("\t"), strict=True)) for line in lines if line[0] != "#"]
    assert len(rows) == 42
    assert [row["status"] for row in rows].count("ok") == 40
    assert {row["status"] for row in rows} == {"ok", "incomplete_qos", "refused"}
    connects = (tmp_path / "logs" / "mqtt_connect.log").read_text()
    assert "Connection Accepted" in connects
    assert "MQTT::SUBSCRIBE" in (tmp_path / "logs" / "mqtt_subscribe.log").read_text()


def test_the_suffix_tells_the_format(flight, tmp_path, capsys):
    status, out = run(capsys, "export", flight, "-o", tmp_path / "a.gpx")
    assert (status, "gpx" in out.out) == (0, True)
    status, out = run(capsys, "export", flight, "-o", tmp_path / "a.what")
    assert status == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "a.gpx"]


def test_an_unknown_format_is_named(flight, capsys):
    status, out = run(capsys, "export", flight, "--format", "docx")
    assert status == 2
    assert "pcapng" in out.err


tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")


def ask_tshark(path: Path, *words: str) -> str:
    return subprocess.run(
        ["tshark", "-r", str(path), *words], check=True, capture_output=True, text=True
    ).stdout


@tshark
def test_tshark_reads_pcapng_without_a_complaint(flight, tmp_path, capsys):
    path = exported(capsys, flight, tmp_path, "pcapng")
    complaints = "_ws.malformed || tcp.analysis.flags || _ws.expert.severity >= 0x600000"
    assert ask_tshark(path, "-Y", complaints) == ""
    checked = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    wrong = "tcp.checksum.status == 0 || ip.checksum.status == 0"
    assert ask_tshark(path, *checked, "-Y", wrong) == ""
    types = ask_tshark(path, "-Y", "mqtt", "-T", "fields", "-e", "mqtt.msgtype")
    assert len(types.replace(",", "\n").split()) == 88
    clients = ask_tshark(path, "-Y", "mqtt.clientid", "-T", "fields", "-e", "mqtt.clientid")
    assert clients.split() == ["HAB-01", "ground"]
    times = ask_tshark(path, "-Y", "mqtt", "-T", "fields", "-e", "frame.time_epoch").split()
    assert times[0].startswith("1675252800.1000000")


@tshark
def test_tshark_does_not_complain_of_a_broker_without_mqtt_5(tmp_path, capsys):
    five = mqtt.Version.V5
    connect = mqtt.Connect(client_id="A", clean_start=True, keep_alive=60, version=five)
    refusal = SessionPacket(T0 + 2, 1, Direction.DOWN, Verdict.OK, "", b"\x20\x02\x00\x01")
    path = tmp_path / "a.mcap"
    with SessionWriter(path) as writer:
        writer.write([up(0, connect, version=five), refusal])
    path = exported(capsys, path, tmp_path, "pcapng")
    assert ask_tshark(path, "-Y", "_ws.malformed") == ""
    assert "takes for malformed" in ask_tshark(path, "-T", "fields", "-e", "frame.comment")


@tshark
def test_tshark_reads_a_part_of_a_session(flight, tmp_path, capsys):
    words = ("--filter", "type == publish", "--from", "5s")
    path = exported(capsys, flight, tmp_path, "pcapng", *words)
    complaints = "_ws.malformed || tcp.analysis.flags || _ws.expert.severity >= 0x600000"
    assert ask_tshark(path, "-Y", complaints) == ""
    types = ask_tshark(path, "-Y", "mqtt", "-T", "fields", "-e", "mqtt.msgtype").split()
    assert types[:2] == ["1", "2"]
    assert set(types[2:]) == {"3"}


def test_a_picture_over_the_antimeridian_stays_together():
    *lines, caption = draw_track([(179.0, 0.0), (-179.0, 0.0)], width=10, height=4)
    assert len(lines) == 1
    assert len(lines[0]) == 10
    assert "179.00°E to 179.00°W" in caption
    assert draw_track([]) == []
    assert draw_track([(5.0, 5.0)])[0] == "⠁"


def test_bars_show_that_there_is_something():
    assert bars([0, 1, 100]) == " ▁█"
    assert bars([]) == ""

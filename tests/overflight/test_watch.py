"""``overflight watch`` and ``overflight session observe`` on session files."""

import datetime as dt
import http.server
import json
import subprocess
import sys
import threading

import pytest

from overflight.cli import main
from overflight.watch import sources
from overflight.watch.lines import detail
from overflight.watch.sources import from_file
from overflight_contract import messages
from overflight_contract.dissect import Dissector
from overflight_contract.mqtt import ConnAck, Connect, PubAck, Publish, Version, encode
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    SessionPacket,
    SessionWriter,
    Verdict,
    open_session,
)

V5 = Version.V5
START = 1_675_252_800_000_000_000
FLIGHT = "20230128T060000Z-7f3a"
COAST = [(41.0, -100.0 + n * 0.5) for n in range(10)] + [(45.0, -64.0), (51.0, 0.1)]


def position(seq, lat, lon):
    return messages.encode(
        messages.Position(
            flight=FLIGHT,
            seq=seq,
            held_from=1,
            measured_at=dt.datetime(2023, 2, 1, 12, tzinfo=dt.UTC) + dt.timedelta(minutes=seq),
            lat_deg=lat,
            lon_deg=lon,
            alt_msl_m=18000.0 + seq,
            alt_hae_m=None,
            fix=messages.Fix.THREE_D,
            sats=9,
            hdop=None,
        )
    )


class Story:
    def __init__(self, path, *, tls="none", sni=None):
        self.writer = SessionWriter(path)
        self.at = START
        self.writer.write(
            [ConnectionOpened(1, START, "10.0.0.7:4711", "0.0.0.0:1883", "mqtt://b", tls, sni)]
        )

    def say(self, direction, packet, verdict=Verdict.OK, reason=""):
        self.at += 60_000_000_000
        data = packet if isinstance(packet, bytes) else encode(packet, V5)
        self.writer.write([SessionPacket(self.at, 1, direction, verdict, reason, data)])

    def end(self):
        self.writer.write([ConnectionClosed(1, self.at, "client closed", "client")])
        self.writer.close()


@pytest.fixture
def session(tmp_path):
    """A flight over three countries, and a picture that was refused."""
    story = Story(tmp_path / "flight.mcap")
    story.say(Direction.UP, Connect(client_id="HAB-01", keep_alive=60))
    story.say(Direction.DOWN, ConnAck())
    for seq, (lat, lon) in enumerate(COAST, 1):
        packet = Publish(
            topic="overflight/1/HAB-01/position",
            payload=position(seq, lat, lon),
            qos=1,
            packet_id=seq,
        )
        story.say(Direction.UP, packet)
        story.say(Direction.DOWN, PubAck(packet_id=seq))
    picture = Publish(topic="pictures", payload=b"\xff\xd8\xff\xe0JFIF\x1b[2J", qos=1, packet_id=99)
    story.say(Direction.UP, picture, Verdict.REFUSED, "topic: topic 'pictures' is not ours")
    story.end()
    return tmp_path / "flight.mcap"


def out(capsys, *arguments):
    assert main([*arguments]) == 0
    return capsys.readouterr().out


def test_a_line_per_packet(session, capsys):
    lines = out(capsys, "watch", str(session)).splitlines()
    assert len(lines) == 2 + 2 * len(COAST) + 1
    assert lines[0].startswith("12:01:00.000 ↑ HAB-01")
    assert "connect" in lines[0]
    assert "overflight/1/HAB-01/position" in lines[2]
    assert lines[-1].endswith("REFUSED: topic: topic 'pictures' is not ours")
    assert "\x1b" not in "".join(lines)


def test_colour_when_asked_and_nothing_that_a_terminal_would_act_on(session, capsys):
    text = out(capsys, "watch", str(session), "--colour", "always", "verdict == refused")
    assert "\x1b[31m" in text
    assert "\x1b[2J" not in text


def test_a_filter_stands_anywhere(session, capsys):
    for arguments in (
        (str(session), "verdict == refused"),
        (str(session), "-x", "verdict == refused"),
        ("-x", str(session), "verdict", "==", "refused"),
    ):
        assert "pictures" in out(capsys, "watch", *arguments)


def test_hex_beside_fields(session, capsys):
    text = out(capsys, "watch", str(session), "-x", "verdict == refused")
    assert "0000  32 " in text
    assert "topic: pictures" in text
    assert "·····JFIF·[2J" in text.replace("\n", "") or "JFIF" in text


def test_hex_and_fields_fit_a_small_terminal():
    data = encode(Publish(topic="t", payload=b"x" * 40, qos=1, packet_id=9), V5)
    dissector, hello = Dissector(), encode(Connect(client_id="a"), V5)
    for each in (hello, data):
        view = dissector.view(SessionPacket(START, 1, Direction.UP, Verdict.OK, "", each))
    rows = list(detail(view, width=80))
    assert max(map(len, rows)) <= 80
    assert rows[0].split()[:9] == ["0000", *data[:8].hex(" ").split()]
    assert any(row.endswith("topic: t") for row in rows)
    assert next(detail(view)).split()[:17] == ["0000", *data[:16].hex(" ").split()]


def test_json_lines(session, capsys):
    rows = [json.loads(line) for line in out(capsys, "watch", str(session), "--json").splitlines()]
    assert rows[0]["client_id"] == "HAB-01"
    assert rows[-1]["verdict"] == "refused"
    assert bytes.fromhex(rows[-1]["hex"]).endswith(b"\x1b[2J")


def test_count(session, capsys):
    table = out(capsys, "watch", str(session), "--count")
    assert f"{2 + 2 * len(COAST) + 1} packets" in table
    counts = json.loads(out(capsys, "watch", str(session), "--count", "--json"))
    assert counts["packets"] == 2 + 2 * len(COAST) + 1
    refused = [row for row in counts["counts"] if row["verdict"] == "refused"]
    assert [(row["type"], row["packets"]) for row in refused] == [("publish", 1)]


def test_save_a_selection(session, capsys, tmp_path):
    cut = tmp_path / "cut.mcap"
    out(capsys, "watch", str(session), "-w", str(cut), "type == publish", "-n", "3")
    with open_session(cut) as found:
        packets = list(found.packets())
        assert [packet.data[0] >> 4 for packet in packets] == [1, 3, 3, 3]
    assert len(out(capsys, "watch", str(cut), "type == publish and seq > 0").splitlines()) == 3


def test_a_file_that_is_being_written_is_followed(tmp_path, capsys):
    story = Story(tmp_path / "live.mcap")
    story.say(Direction.UP, Connect(client_id="HAB-01", keep_alive=60))
    batches = from_file(tmp_path / "live.mcap", None, follow=True)
    assert next(batches).views[0].type == "connect"
    story.say(Direction.DOWN, ConnAck())
    assert next(batches).views[0].type == "connack"
    story.end()


def test_errors_point_at_the_place(session, capsys):
    assert main(["watch", str(session), "verdict == purple"]) == 2
    assert "purple" in capsys.readouterr().err
    assert main(["watch", "none.mcap"]) == 2
    assert "none.mcap" in capsys.readouterr().err
    assert main(["watch", "http://127.0.0.1:1"]) == 4
    assert "no relay answers at http://127.0.0.1:1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["http://[::1"], "'http://[::1' is no address of a relay"),
        (["http://"], "no address of a relay"),
        (["http://127.0.0.1:99999"], "no address of a relay"),
        (["mqtt://127.0.0.1"], "'mqtt://127.0.0.1' is no address of a relay"),
        (["flights", "type == publish"], "there is no session flights"),
        (["type = publish"], "did you mean '=='?"),
        (["pyload", "==", "x"], "did you mean 'payload'?"),
        (["-n", "-3"], "no whole number from 1 on"),
        (["-n", "0"], "no whole number from 1 on"),
        (["--tail", "x"], "'x' is no whole number from 0 on"),
        (["--tui", "pyload == x"], "did you mean 'payload'?"),
    ],
)
def test_what_a_person_may_get_wrong(words, says, capsys):
    try:
        status = main(["watch", *words])
    except SystemExit as ended:  # from argparse
        status = ended.code
    assert status == 2
    assert says in capsys.readouterr().err


def test_a_file_that_is_there_is_not_added_to(session, capsys, tmp_path):
    cut = tmp_path / "cut.mcap"
    for target in (session, cut):
        cut.touch()
        assert main(["watch", str(session), "-w", str(target)]) == 2
        assert "exists" in capsys.readouterr().err


def test_a_reason_that_says_it_all_is_not_told_twice(tmp_path, capsys):
    story = Story(tmp_path / "s.mcap")
    reason = "protocol: CONNACK comes before a CONNECT [MQTT-3.1.0-1]"
    story.say(Direction.UP, b"\x20\x02\0\0", Verdict.MARKED, reason)
    story.end()
    line = out(capsys, "watch", str(tmp_path / "s.mcap"))
    assert line.count("[MQTT-3.1.0-1]") == 1


def test_a_closed_pipe_is_no_error(session):
    command = [sys.executable, "-m", "overflight", "watch", str(session)]
    watch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    watch.stdout.readline()
    watch.stdout.close()
    assert watch.stderr.read() == b""
    watch.wait(20)


class Tap(http.server.BaseHTTPRequestHandler):
    """A relay's tap that says one thing, and goes away."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'retry: 2000\n\nevent: missed\ndata: {"missed":3}\n\n')

    def log_message(self, *_):
        """Say nothing."""


def test_a_relay_that_goes_away_and_comes_back(monkeypatch):
    monkeypatch.setattr(sources, "_RETRY_S", 0.01)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tap)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        batches = sources.live(url, "type == publish", 7)
        told = [next(batches) for _ in range(6)]
    finally:
        server.shutdown()
        server.server_close()
    notes = [batch.note for batch in told if batch.note]
    assert notes == ["the relay is gone; waiting for it", "the relay is back"]
    assert sum(batch.missed for batch in told) == 6
    assert "tail=7" in server.asked[0]
    assert "tail=0" in server.asked[1]


def test_pieces_stay_pieces_on_their_way_from_the_tap():
    rebuilder, dissector = sources.Rebuilder(), Dissector()
    whole = encode(Publish(topic="t", payload=bytes(400), qos=1, packet_id=9), V5)
    pieces = [(whole[:3], 1), (whole[3:200], 2), (whole[200:], 3)]
    for number, (data, part) in enumerate(pieces):
        packet = SessionPacket(START, 1, Direction.UP, Verdict.MARKED, "size", data, part, number)
        seen = dissector.view(packet)
        view, again = rebuilder.view(seen.as_dict())
        assert (again.part, again.data) == (part, data)
        assert (view.summary, view.topic) == (seen.summary, seen.topic)
        assert "malformed" not in [field.name for field in view.fields()] or part == 1


def test_a_relay_that_is_not_there_yet_can_be_waited_for(monkeypatch):
    monkeypatch.setattr(sources, "_RETRY_S", 0.01)
    batches = sources.live("http://127.0.0.1:1", "", 0, patient=True)
    assert next(batches).note == "no relay answers at http://127.0.0.1:1; waiting for it"


# -- session observe ------------------------------------------------------------------------------


def test_what_content_gives_away(session, capsys):
    text = out(capsys, "session", "observe", str(session))
    assert "HAB-01, flight 20230128T060000Z-7f3a: 12 positions" in text
    assert "United States" in text
    assert "No position follows" in text
    seen = json.loads(out(capsys, "session", "observe", str(session), "--json"))
    flight = seen["content"]["flights"][0]
    names = [stay["country"] for stay in flight["countries"]]
    assert names[0].startswith("United States")
    assert names[-1] == "United Kingdom"
    assert len(flight["track"]) == len(COAST)
    assert flight["distance_km"] > 5000
    assert seen["metadata"]["position"] is None
    assert seen["metadata"]["rhythm_s"] == 120.0


def test_track_and_picture_as_files(session, capsys, tmp_path):
    geojson, picture = tmp_path / "seen.geojson", tmp_path / "seen.svg"
    command = ("session", "observe", str(session), "--geojson", str(geojson))
    out(capsys, *command, "--picture", str(picture))
    assert json.loads(geojson.read_text())["type"] == "FeatureCollection"
    assert "<polyline" in picture.read_text()
    assert main(["session", "observe", str(session), "--picture", "x.png"]) == 2


def test_under_tls_only_contact_times_volume_rhythm_and_lengths(tmp_path, capsys):
    story = Story(tmp_path / "sealed.mcap", tls="passthrough", sni="relay.example")
    story.say(Direction.UP, b"\x16\x03\x01\x02\x00" + bytes(512))
    for _ in range(5):
        story.say(Direction.UP, b"\x17\x03\x03\x01\x0b" + bytes(267))
        story.say(Direction.DOWN, b"\x17\x03\x03\x00\x15" + bytes(21))
    story.end()
    path = str(tmp_path / "sealed.mcap")
    seen = json.loads(out(capsys, "session", "observe", path, "--json"))
    assert seen["content"]["flights"] == []
    contact = seen["metadata"]["contacts"][0]
    assert (contact["server_name"], contact["packets_up"]) == ("relay.example", 6)
    assert seen["metadata"]["sizes"][0] == {
        "bytes": 250,
        "count": 5,
        "suggests": seen["metadata"]["sizes"][0]["suggests"],
    }
    text = out(capsys, "session", "observe", path)
    assert "no message could be read" in text
    assert "asked for relay.example, encrypted" in text
    assert "No position follows" in text


def test_metadata_only_forgets_the_content(session, capsys):
    seen = json.loads(out(capsys, "session", "observe", str(session), "--metadata-only", "--json"))
    assert seen["content"] == {"client_ids": [], "flights": []}
    assert seen["metadata"]["bytes_up"] > 2000

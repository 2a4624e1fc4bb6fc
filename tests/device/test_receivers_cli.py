"""``overflight device decode``, ``ports`` and ``check``, as a person or a program calls them."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import io
import json
import os
import select
import socket
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from overflight.cli import main
from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Framer,
    SubAck,
    Subscribe,
    Version,
    decode,
    encode,
)
from overflight_device.ports import find_ports
from overflight_device.receivers.encoding import message, sentence
from overflight_device.receivers.framing import Framer as ReceiverFramer
from overflight_device.receivers.framing import Ubx
from overflight_device.receivers.log_decoder import LogDecoder

KEYS = [
    "measured_at", "fix", "lat_deg", "lon_deg", "alt_msl_m", "alt_hae_m", "speed_mps", "track_deg",
    "climb_mps", "sats", "hdop",
]  # fmt: skip
PLACE = "4807.0380,N,01131.0000,E"


def epoch(moment: dt.datetime) -> bytes:
    time, date = moment.strftime("%H%M%S"), moment.strftime("%d%m%y")
    return sentence(f"GNRMC,{time}.00,A,{PLACE},10,,{date},,,A") + sentence(
        f"GNGGA,{time}.00,{PLACE},1,08,0.9,545.4,M,46.9,M,,"
    )


def test_decode_prints_the_named_keys_and_null(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "receiver.log"
    moment = dt.datetime(2023, 2, 1, 12, tzinfo=dt.UTC)
    log.write_bytes(b"\x00noise" + epoch(moment) + sentence("GPRMB,A,,,,,,,,,,,,V"))
    assert main(["device", "decode", str(log)]) == 0
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    fix = json.loads(line)
    assert list(fix) == KEYS
    assert fix["measured_at"] == "2023-02-01T12:00:00.000Z"
    assert (fix["fix"], fix["alt_msl_m"], fix["climb_mps"]) == ("3d", 545.4, None)
    assert "skipped 1 x noise (6 bytes)" in err
    assert "GPRMB says nothing of the fix" in err


@pytest.mark.parametrize("data", [b"", b"\x00" * 999, bytes(range(256)) * 9, b"{", b"$" * 5000])
def test_decode_of_any_bytes_ends_well(
    data: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(data))
    monkeypatch.setattr("sys.stdin", stream)
    assert main(["device", "decode", "-"]) == 0
    assert capsys.readouterr().out == ""


def test_decode_takes_gpsd_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "gpsd.json"
    log.write_text(
        '{"class":"VERSION"}\n{"class":"SKY","uSat":5}\n'
        '{"class":"TPV","mode":2,"time":"2023-02-01T12:00:00.000Z","lat":1,"lon":2}\nnot json\n'
    )
    assert main(["device", "decode", str(log)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["sats"] == 5
    assert "gpsd: not JSON" in err


BANNER = (
    b'{"class":"VERSION","release":"3.25"}\r\n{"class":"DEVICES","devices":[]}\r\n'
    b'{"class":"WATCH","enable":true,"raw":2}\r\n'
)


@pytest.mark.parametrize("cut", [10_000, 50, 1])
def test_what_gpsd_passes_on_raw_is_of_a_receiver(cut: int) -> None:
    moment = dt.datetime(2023, 2, 1, 12, tzinfo=dt.UTC)
    data = BANNER + epoch(moment) + epoch(moment + dt.timedelta(seconds=1))
    decoder = LogDecoder()
    fixes = [fix for at in range(0, len(data), cut) for fix in decoder.feed(data[at : at + cut])]
    fixes += decoder.finish()
    assert [fix.mode.value for fix in fixes] == ["3d", "3d"]
    assert decoder.skipped.pieces["noise"] >= 1


def test_what_gpsd_passes_on_in_binary_is_of_a_receiver() -> None:
    decoder = LogDecoder()
    decoder.feed(BANNER + message(0x01, 0x61, bytes(4)) * 3)
    decoder.finish()
    assert decoder.skipped.pieces.keys() == {"noise"}


def test_gpsd_may_be_silent_on_fixes_for_long() -> None:
    decoder = LogDecoder()
    sky = b'{"class":"SKY","uSat":0}\n'
    report = b'{"class":"TPV","mode":2,"time":"2023-02-01T12:00:00.000Z","lat":1,"lon":2}\n'
    fixes = decoder.feed(BANNER + sky * 5000) + decoder.feed(report) + decoder.finish()
    assert [fix.lat_deg for fix in fixes] == [1.0]
    only_greeting = LogDecoder()
    assert only_greeting.feed(BANNER) + only_greeting.finish() == []


class FullDisk(io.StringIO):
    """Takes nothing more."""

    def write(self, text: str, /) -> int:
        del text
        raise OSError(errno.ENOSPC, "No space left on device")


def test_decode_whose_output_is_full_is_no_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "receiver.log"
    log.write_bytes(epoch(dt.datetime(2023, 2, 1, 12, tzinfo=dt.UTC)))
    with contextlib.redirect_stdout(FullDisk()):
        assert main(["device", "decode", str(log)]) != 2
    assert "can't read" not in capsys.readouterr().err


def test_decode_of_what_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", "decode", "/proc/self/mem"]) == 2
    assert "can't read /proc/self/mem" in capsys.readouterr().err


def test_decode_of_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", "decode", "/nowhere/at/all"]) == 2
    assert "can't read" in capsys.readouterr().err


def test_ports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", "ports", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)
    assert main(["device", "ports"]) == 0
    (tmp_path / "serial0").touch()
    assert [p.likely for p in find_ports(tmp_path) if p.port.startswith(str(tmp_path))] == [
        "Raspberry Pi pins"
    ]


class Broker:
    """Grants what a payload asks for, and no more."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client:
                    self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        framer, version = Framer(max_packet=4096), Version.V5
        while data := client.recv(4096):
            for raw in framer.feed(data):
                assert isinstance(raw, bytes)
                packet = decode(raw, None if raw[0] >> 4 == 1 else version)
                if isinstance(packet, Connect):
                    version = packet.version
                    client.sendall(encode(ConnAck(), version))
                elif isinstance(packet, Subscribe):
                    client.sendall(
                        encode(SubAck(packet_id=packet.packet_id, reason_codes=(1,)), version)
                    )

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    running = Broker()
    yield running
    running.close()


@pytest.fixture
def receiver() -> Iterator[str]:
    """Run a u-blox receiver on a pseudo-terminal; its clock is ours."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stop = threading.Event()

    def run() -> None:
        framer, model = ReceiverFramer(), 0
        start = dt.datetime.now(dt.UTC)
        for n in range(200):
            if stop.is_set():
                return
            os.write(ours, epoch(start + dt.timedelta(seconds=n)))
            ready, _, _ = select.select([ours], [], [], 0.1)
            for frame in framer.feed(os.read(ours, 4096)) if ready else []:
                if isinstance(frame, Ubx) and frame.message_class == 0x0A:
                    os.write(ours, message(0x0A, 0x04, b"ROM CORE 3.01".ljust(70, b"\0")))
                elif isinstance(frame, Ubx) and frame.payload:
                    model = frame.payload[2]
                    os.write(ours, message(0x05, 0x01, b"\x06\x24"))
                elif isinstance(frame, Ubx):
                    os.write(ours, message(0x06, 0x24, bytes((255, 255, model)) + bytes(33)))

    thread = threading.Thread(target=run)
    thread.start()
    yield os.ttyname(theirs)
    stop.set()
    thread.join()
    os.close(ours)
    os.close(theirs)


def test_check_before_a_launch(
    receiver: str, broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["device", "check", f"serial:{receiver}", "--broker", broker.url]
    command += ["--data", str(tmp_path / "data"), "--wait", "15s", "--json"]
    status = main(command)
    found = json.loads(capsys.readouterr().out)
    checks = {check["name"]: check for check in found["checks"]}
    assert list(checks) == ["fix", "airborne", "clock", "camera", "disk", "link"]
    for name in ("fix", "airborne", "camera", "link"):
        assert checks[name]["ok"], checks[name]
    assert checks["airborne"]["detail"] == "airborne, under 1 g (ROM CORE 3.01)"
    assert "8 satellites" in checks["fix"]["detail"]
    assert (status == 0) == found["ok"]


def test_check_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"mqtt://127.0.0.1:{free.getsockname()[1]}"
    blocked = tmp_path / "file"
    blocked.touch()
    command = ["device", "check", f"serial:{tmp_path}/none", "--broker", url]
    assert main([*command, "--data", str(blocked), "--camera", "command:false"]) == 1
    out = capsys.readouterr().out
    for name in ("fix", "airborne", "clock", "camera", "disk", "link"):
        assert any(line.startswith(name) and "to do" in line for line in out.splitlines()), out
    assert out.count("->") == 6


def test_check_takes_the_settings_of_run(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    config = tmp_path / "overflight.toml"
    config.write_text(f'[device]\nbroker = "{broker.url}"\n')
    monkeypatch.setenv("OVERFLIGHT_DEVICE_DATA", str(tmp_path / "here"))
    flight = tmp_path / "flight.log"
    flight.write_bytes(epoch(dt.datetime(2023, 2, 1, 12, tzinfo=dt.UTC)))
    assert main(["--config", str(config), "device", "check", f"track:{flight}"]) == 0
    out = capsys.readouterr().out
    assert broker.url in out
    assert str(tmp_path / "here") in out

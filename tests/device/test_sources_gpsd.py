"""``gpsd://``: a daemon (here a few lines that speak its protocol) and its loss."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from overflight_contract.errors import InputError, UnavailableError
from overflight_device.fix import Fix, SourceOptions
from overflight_device.sources import open_source


class Daemon:
    """Sends one epoch to each client, in two reports, then hangs up."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.watched: list[dict[str, object]] = []
        self._second = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as stream:
                stream.write(b'{"class":"VERSION","release":"3.25","proto_major":3}\n')
                stream.flush()
                asked = stream.readline().decode()
                self.watched.append(json.loads(asked.removeprefix("?WATCH=").rstrip(";\n")))
                for altitude in (1.5, 2.5):
                    stream.write(json.dumps(self._report(altitude)).encode() + b"\r\n")
                stream.write(b'{"class":"SKY","device":"/dev/a","uSat":7,"hdop":1.2}\n')
                stream.flush()
            self._second += 1

    def _report(self, altitude: float) -> dict[str, object]:
        time = f"2023-02-01T12:00:{self._second:02d}.000Z"
        return {"class": "TPV", "device": "/dev/a", "mode": 3, "time": time, "lat": 1.0,
                "lon": 2.0, "altMSL": altitude, "speed": 3.0}  # fmt: skip

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    running = Daemon()
    yield running
    running.close()


def test_the_last_report_of_an_epoch_counts_and_a_lost_daemon_is_found_again(
    daemon: Daemon,
) -> None:
    source = open_source(f"gpsd://127.0.0.1:{daemon.port}", SourceOptions())
    assert source.live
    events = iter(source)
    for second in range(2):
        fix = next(events)
        assert isinstance(fix, Fix)
        assert fix.measured_at_ns // 10**9 % 60 == second
        assert (fix.alt_msl_m, fix.lat_deg) == (2.5, 1.0)
    source.close()
    assert daemon.watched[0] == {"enable": True, "json": True}


def test_reports_of_another_device_do_not_count(daemon: Daemon) -> None:
    source = open_source(f"gpsd://127.0.0.1:{daemon.port}/dev/a", SourceOptions())
    assert isinstance(next(iter(source)), Fix)
    source.close()
    assert daemon.watched[0]["device"] == "/dev/a"


def test_bad_specs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(UnavailableError, match="is it running"):
        open_source(f"gpsd://127.0.0.1:{port}", SourceOptions())
    for spec in ("gpsd:host", "gpsd://host:port", "gpsd://host?x=1", "gpsd://host:99999"):
        with pytest.raises(InputError, match="no address"):
            open_source(spec, SourceOptions())

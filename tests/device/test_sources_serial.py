"""``serial:``: a receiver behind a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from overflight_contract.errors import InputError, UnavailableError
from overflight_device.fix import Fix, SourceOptions
from overflight_device.receivers.airborne import AirborneState
from overflight_device.receivers.encoding import message, sentence
from overflight_device.receivers.framing import Framer, Ubx
from overflight_device.sources import open_source

LOGS = Path(__file__).parents[3] / "shared" / "data" / "gnss"


def second(n: int) -> bytes:
    return sentence(f"GNRMC,1200{n:02d}.00,A,4807.0,N,01131.0,E,10,90,010223,,,A") + sentence(
        f"GNGGA,1200{n:02d}.00,4807.0,N,01131.0,E,1,08,0.9,{500 + n}.0,M,46.9,M,,"
    )


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    for descriptor in (ours, theirs):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def test_fixes_come_as_the_receiver_sends_them(line: tuple[int, str]) -> None:
    ours, name = line
    source = open_source(f"serial:{name}?baud=9600", SourceOptions())
    assert source.live
    events = iter(source)
    os.write(ours, second(0) + second(1))
    next(events)  # now it is known which sentence ends an epoch
    for n in range(1, 4):
        os.write(ours, second(n + 1) if n < 3 else b"")
        fix = next(events)
        assert isinstance(fix, Fix)
        assert fix.alt_msl_m == 500 + n
        assert fix.alt_hae_m == pytest.approx(546.9 + n)
    source.close()
    assert list(events) == []


def test_a_receiver_that_sends_no_checksums_has_a_rate_too(line: tuple[int, str]) -> None:
    ours, name = line
    source = open_source(f"serial:{name}", SourceOptions())
    heard: list[dict[str, object]] = []
    source.on_event = lambda _name, fields: heard.append(fields)  # type: ignore[attr-defined]
    events = iter(source)
    bare = re.sub(rb"\*..\r", b"\r", b"".join(map(second, range(4))))
    os.write(ours, bare)
    assert [next(events).alt_msl_m for _ in range(3)] == [500, 501, 502]  # type: ignore[union-attr]
    assert {"baud": 9600} in heard
    source.close()


def test_close_ends_an_iteration_that_waits(line: tuple[int, str]) -> None:
    source = open_source(f"serial:{line[1]}", SourceOptions())
    done = threading.Event()

    def read() -> None:
        list(source)
        done.set()

    thread = threading.Thread(target=read)
    thread.start()
    source.close()
    source.close()
    assert done.wait(5)
    thread.join()


def test_bad_specs(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="device ports"):
        open_source(f"serial:{tmp_path}/none", SourceOptions())
    with pytest.raises(InputError, match="baud"):
        open_source("serial:/dev/null?baud=fast", SourceOptions())
    with pytest.raises(InputError, match="no setting"):
        open_source("serial:/dev/null?speed=1", SourceOptions())
    with pytest.raises(InputError, match="needs a port"):
        open_source("serial:", SourceOptions())


class Cable:
    """A pseudo-terminal behind a name of its own, that can be pulled and put in again."""

    def __init__(self, folder: Path) -> None:
        self.name = folder / "ttyGPS"
        self.put_in()

    def put_in(self) -> None:
        self.ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        self.name.symlink_to(os.ttyname(self._theirs))

    def pull(self) -> None:
        self.name.unlink()
        os.close(self._theirs)
        os.close(self.ours)


def test_a_pulled_cable_is_found_again(tmp_path: Path) -> None:
    cable = Cable(tmp_path)
    source = open_source(f"serial:{cable.name}?baud=9600", SourceOptions())
    heard: list[dict[str, object]] = []
    source.on_event = lambda _name, fields: heard.append(fields)  # type: ignore[attr-defined]
    events = iter(source)
    for n in range(3):
        os.write(cable.ours, second(n))
    assert [event.alt_msl_m for event in (next(events), next(events))] == [500, 501]  # type: ignore[union-attr]
    cable.pull()
    threading.Timer(0.3, cable.put_in).start()
    third = next(events)  # what had come before the cable was pulled
    assert third.alt_msl_m == 502  # type: ignore[union-attr]

    def go_on() -> None:
        for n in range(10, 13):
            os.write(cable.ours, second(n))

    threading.Timer(1.2, go_on).start()
    assert next(events).alt_msl_m == 510  # type: ignore[union-attr]
    source.close()
    assert {"line": "lost"} in heard
    assert {"line": "back"} in heard
    cable.pull()


def test_it_ends_with_the_line_where_it_is_told_so(tmp_path: Path) -> None:
    cable = Cable(tmp_path)
    source = open_source(f"serial:{cable.name}?reconnect=off", SourceOptions())
    os.write(cable.ours, second(0) + second(1))
    events = iter(source)
    first = next(events)
    cable.pull()
    assert [first, *events] != []


def test_a_u_blox_receiver_is_put_into_airborne_mode(line: tuple[int, str]) -> None:
    ours, name = line
    source = open_source(f"serial:{name}", SourceOptions())
    asked: list[Ubx] = []
    stop = threading.Event()

    def receiver() -> None:
        framer = Framer()
        for n in range(60):
            if stop.is_set():
                return
            os.write(ours, second(n % 60))
            ready, _, _ = select.select([ours], [], [], 0.1)
            for frame in framer.feed(os.read(ours, 4096)) if ready else []:
                if not isinstance(frame, Ubx):
                    continue
                asked.append(frame)
                if (frame.message_class, frame.message_id) == (0x0A, 0x04):
                    os.write(ours, message(0x0A, 0x04, b"ROM CORE".ljust(70, b"\0")))
                elif frame.payload:
                    os.write(ours, message(0x05, 0x01, b"\x06\x24"))
                else:
                    os.write(ours, message(0x06, 0x24, b"\xff\xff\x06" + bytes(33)))

    thread = threading.Thread(target=receiver)
    thread.start()
    for _ in source:
        if source.airborne.state is AirborneState.ON:  # type: ignore[attr-defined]
            break
    stop.set()
    thread.join()
    source.close()
    assert asked[0] == Ubx(0x0A, 0x04, b"")
    assert asked[1].payload[:3] == b"\x01\x00\x06"


@pytest.mark.shared
@pytest.mark.skipif(not LOGS.is_dir(), reason="the recordings are not here")
def test_a_real_receivers_bytes_through_a_terminal(line: tuple[int, str]) -> None:
    ours, name = line
    log = LOGS / "hab-gpspi.log"
    source = open_source(f"serial:{name}?baud=9600", SourceOptions())
    os.write(ours, log.read_bytes())
    events = iter(source)
    fixes = [next(events) for _ in range(3)]
    source.close()
    assert [fix.alt_msl_m for fix in fixes] == [205.3, 205.2, 204.8]  # type: ignore[union-attr]


def test_any_url_of_pyserial() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = open_source(
            f"serial:socket://127.0.0.1:{server.getsockname()[1]}", SourceOptions()
        )
        client, _ = server.accept()
        with client:
            client.sendall(second(0) + second(1))
            events = iter(source)
            assert next(events).alt_msl_m == 500  # type: ignore[union-attr]
            source.close()

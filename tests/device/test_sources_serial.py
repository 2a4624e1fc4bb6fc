"""``serial:``: a receiver behind a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from overflight_contract.errors import InputError, UnavailableError
from overflight_device.fix import Fix, SourceOptions
from overflight_device.sources import open_source


def checked(body: str) -> bytes:
    value = 0
    for octet in body.encode():
        value ^= octet
    return f"${body}*{value:02X}\r\n".encode()


def second(n: int) -> bytes:
    return checked(f"GNRMC,1200{n:02d}.00,A,4807.0,N,01131.0,E,10,90,010223,,,A") + checked(
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
    for n in range(3):
        os.write(ours, second(n))
        fix = next(events)  # the line goes quiet, so the epoch is over
        assert isinstance(fix, Fix)
        assert fix.alt_msl_m == 500 + n
        assert fix.alt_hae_m == pytest.approx(546.9 + n)
    source.close()
    assert list(events) == []


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

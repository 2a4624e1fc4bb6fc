"""The notifier: each receiver by itself, no failure ends it, nothing hangs it up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from overflight_ground.alerts.notify import LONGEST_PAUSE_S, Notifier, pauses
from overflight_ground.alerts.rules import Notify

NOW_NS = 1_700_000_000_000_000_000
ALERT = {"id": 1, "severity": "severe", "title": "t"}


async def until(condition, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(settings: Notify, **times):
    notifier = Notifier(settings, lambda: NOW_NS, **times)
    task = asyncio.create_task(notifier.run())
    await asyncio.sleep(0)
    try:
        yield notifier, task
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
def deaf() -> Iterator[str]:
    """The URL of a server that accepts, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def appending(file: Path) -> list[str]:
    """A command that writes what it is told to the end of `file`."""
    script = f"import sys; open({str(file)!r}, 'ab').write(sys.stdin.buffer.read() + b'\\n')"
    return [sys.executable, "-S", "-c", script]


def told(file: Path) -> list[int]:
    lines = file.read_bytes().splitlines() if file.exists() else []
    return [json.loads(line)["id"] for line in lines]


async def test_a_webhook_that_does_not_answer_holds_no_command_up(tmp_path, deaf) -> None:
    out = tmp_path / "told"
    settings = Notify(webhook=deaf, command=appending(out))
    async with running(settings, stop_s=0.0) as (notifier, _):
        notifier.tell(ALERT)
        notifier.tell({**ALERT, "id": 2})
        await until(lambda: told(out) == [1, 2])


@pytest.mark.parametrize(
    "broken",
    [
        Notify(webhook="http://127.0.0.1:99999/", attempts=1),
        Notify(webhook="http://xn--a/", attempts=1),
        Notify(webhook="nothing", attempts=0),
        Notify(command=["a\0b"]),
        Notify(command=["/nowhere/at/all"]),
        Notify(command=[""]),
        Notify(command=[sys.executable, "-S", "-c", "raise SystemExit(3)"]),
    ],
)
async def test_no_failure_ends_the_notifier(broken, caplog) -> None:
    async with running(broken, pause_s=0.0) as (notifier, task):
        for n in (1, 2):
            notifier.tell(ALERT)
            await until(lambda n=n: notifier.not_told == n)
        assert not task.done()
    assert len([record for record in caplog.records if "alert 1" in record.message]) == 2


def test_pauses_grow_up_to_a_cap_and_none_follows_the_last_try() -> None:
    assert list(pauses(5, 0.5)) == [0.5, 1.0, 2.0, 4.0]
    assert list(pauses(1, 0.5)) == []
    assert max(pauses(5_000, 0.5)) == LONGEST_PAUSE_S


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! $$ > {pids}.new; mv {pids}.new {pids}; wait"
    settings = Notify(command=["/bin/sh", "-c", script])
    async with running(settings, command_s=0.3) as (notifier, _):
        notifier.tell(ALERT)
        await until(lambda: notifier.not_told == 1)
        for pid in map(int, pids.read_text().split()):
            await until(lambda pid=pid: not alive(pid))


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    return False


async def test_what_waits_gets_a_try_when_the_ground_stops(tmp_path) -> None:
    out = tmp_path / "told"
    async with running(Notify(command=appending(out))) as (notifier, task):
        for n in (1, 2, 3):
            notifier.tell({**ALERT, "id": n})
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
    assert told(out) == [1, 2, 3]
    assert notifier.not_told == 0


async def test_what_can_not_be_told_in_time_is_counted(deaf, caplog) -> None:
    async with running(Notify(webhook=deaf), stop_s=0.05) as (notifier, task):
        for n in (1, 2, 3):
            notifier.tell({**ALERT, "id": n})
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait({task})
    assert notifier.not_told == 3
    assert "3 alerts were not told to the webhook" in caplog.text


async def test_a_full_queue_is_counted(deaf) -> None:
    async with running(Notify(webhook=deaf), stop_s=0.0) as (notifier, _):
        for n in range(1_003):
            notifier.tell({**ALERT, "id": n})
        assert notifier.not_told == 3


async def test_nobody_to_tell() -> None:
    notifier = Notifier(Notify(), lambda: NOW_NS)
    notifier.tell(ALERT)
    await notifier.run()
    assert notifier.not_told == 0

"""Listening as the broker for a payload under test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable

from overflight.replay.broker_side import BrokerSide
from overflight_contract.commandline import Exit, HostPort
from overflight_contract.errors import UnavailableError


async def serve(
    side: BrokerSide,
    address: HostPort,
    timeout_s: float,
    on_listening: Callable[[HostPort], None] = lambda _address: None,
) -> bool:
    """Play until all was said, it diverged, or nothing came for `timeout_s` seconds.

    Returns whether the payload said all that was recorded.
    """
    progress = asyncio.Event()
    one_at_a_time = asyncio.Lock()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with one_at_a_time:
            side.connected()
            await _converse(side, reader, writer, progress)
        progress.set()

    try:
        server = await asyncio.start_server(connected, address.host, address.port)
    except OSError as error:
        raise UnavailableError(f"can't listen on {address}: {error.strerror}") from error
    on_listening(HostPort(*server.sockets[0].getsockname()[:2]))
    async with server:
        while not side.finished:
            progress.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await progress.wait()
            except TimeoutError:
                break
    return side.finished and side.divergence is None


async def _converse(
    side: BrokerSide,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    progress: asyncio.Event,
) -> None:
    with contextlib.suppress(ConnectionError):
        while not side.hangs_up:
            data = await reader.read(65536)
            if not data:
                side.closed()
                break
            for packet in side.receive(data, time.time_ns()):
                writer.write(packet)
            await writer.drain()
            progress.set()
        writer.close()
        await writer.wait_closed()


def conclude(side: BrokerSide, *, as_json: bool, timeout_s: float) -> int:
    """Print how it went; return the exit status."""
    progress, divergence = side.progress, side.divergence
    if as_json:
        found = {
            "matched": progress.matched,
            "recorded": progress.recorded,
            "connections": progress.connections,
            "divergence": divergence and divergence.as_dict(),
        }
        print(json.dumps(found))
    elif divergence is not None:
        print(f"{progress.matched} of {progress.recorded} packets as recorded; then:")
        print("\n".join(divergence.lines()))
    elif not side.finished:
        print(
            f"{progress.matched} of {progress.recorded} packets as recorded; "
            f"then nothing came for {timeout_s:g} s"
        )
    else:
        print(f"all {progress.recorded} packets as recorded")
    done = side.finished and divergence is None
    return Exit.OK if done else Exit.FAILED

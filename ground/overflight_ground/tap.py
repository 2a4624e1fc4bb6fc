"""Reads the relay's tap and passes its packets on to the page, as the provider's view.

Never a source of truth: what comes from here is shown, not stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import httpx
import msgspec

log = logging.getLogger(__name__)

BACK_OFF_S: Final = (0.5, 1.0, 2.0, 5.0)
MAX_EVENT: Final = 8 * 2**20
PATH: Final = "/api/v1/tap"
TAIL: Final = 100


async def follow_tap(
    url: str, on_event: Callable[[str, Any], None], on_state: Callable[[str], None]
) -> None:
    """Read the tap at `url` until cancelled, coming back whenever it ends."""
    address = url if PATH in url else url.rstrip("/") + PATH
    failures = 0
    while True:
        try:
            async with (
                httpx.AsyncClient(timeout=httpx.Timeout(10, read=None)) as client,
                client.stream("GET", address, params={"tail": TAIL}) as response,
            ):
                response.raise_for_status()
                on_state("connected")
                failures = 0
                async for event, data in _events(response):
                    on_event(event, data)
            on_state("ended")
        except (httpx.HTTPError, msgspec.MsgspecError, _TooLargeError) as error:
            on_state(f"not connected: {error or type(error).__name__}")
            if not failures:
                log.warning("the relay's tap at %s: %s; trying again", url, error)
        await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
        failures += 1


class _TooLargeError(Exception):
    pass


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    event, lines, size = "message", list[str](), 0
    async for line in response.aiter_lines():
        if not line:
            if lines:
                yield event, msgspec.json.decode("\n".join(lines))
            event, lines, size = "message", [], 0
        elif line.startswith("event:"):
            event = line[6:].strip()
        elif line.startswith("data:"):
            size += len(line)
            if size > MAX_EVENT:
                raise _TooLargeError("an event of the tap is too large")
            lines.append(line[5:].removeprefix(" "))

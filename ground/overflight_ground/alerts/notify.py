"""Tells others of alerts: a webhook (signed, retried) or a command. Never holds anything up.

The webhook gets the alert as JSON with ``Overflight-Signature: t=<unix time>,v1=<hex>``: the
HMAC-SHA256 of ``<unix time>.<body>`` under the shared secret, so that a replay can be told.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable
from typing import Any, Final

import httpx
import msgspec

from overflight_ground.alerts.rules import Notify

log = logging.getLogger(__name__)

QUEUE: Final = 1_000
FIRST_PAUSE_S: Final = 0.5
COMMAND_S: Final = 30.0
SIGNATURE_HEADER: Final = "Overflight-Signature"


def signature(secret: str, body: bytes, unix_s: int) -> str:
    """Return the value of the signature header."""
    digest = hmac.new(secret.encode(), b"%d.%s" % (unix_s, body), hashlib.sha256)
    return f"t={unix_s},v1={digest.hexdigest()}"


class Notifier:
    """Sends what it is given, one after the other, until cancelled."""

    def __init__(
        self, settings: Notify, now_ns: Callable[[], int], pause_s: float = FIRST_PAUSE_S
    ) -> None:
        self._settings = settings
        self._now_ns = now_ns
        self._pause_s = pause_s
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE)

    def tell(self, alert: dict[str, Any]) -> None:
        """Queue an alert where its severity is wanted."""
        wanted = self._settings.webhook or self._settings.command
        if not wanted or alert["severity"] not in self._settings.severities:
            return
        try:
            self._queue.put_nowait(msgspec.json.encode(alert))
        except asyncio.QueueFull:
            log.warning("too many alerts wait to be sent; alert %s is not", alert["id"])

    async def run(self) -> None:
        """Send."""
        async with httpx.AsyncClient(timeout=10, follow_redirects=False) as client:
            while True:
                body = await self._queue.get()
                if self._settings.webhook:
                    await self._post(client, self._settings.webhook, body)
                if self._settings.command:
                    await self._call(body)
                self._queue.task_done()

    async def _post(self, client: httpx.AsyncClient, url: str, body: bytes) -> None:
        for attempt in range(self._settings.attempts):
            headers = {"Content-Type": "application/json"}
            if self._settings.secret is not None:
                unix_s = self._now_ns() // 1_000_000_000
                headers[SIGNATURE_HEADER] = signature(self._settings.secret, body, unix_s)
            try:
                reply = await client.post(url, content=body, headers=headers)
                if reply.status_code < 300:
                    return
                why = f"status {reply.status_code}"
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                why = str(error) or type(error).__name__
            await asyncio.sleep(self._pause_s * 2**attempt)
        log.warning("the webhook did not take an alert: %s", why)

    async def _call(self, body: bytes) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._settings.command, stdin=asyncio.subprocess.PIPE
            )
        except OSError as error:
            log.warning("the alert command can't be run: %s", error)
            return
        try:
            async with asyncio.timeout(COMMAND_S):
                await process.communicate(body)
        except TimeoutError:
            process.kill()
            await process.wait()
            log.warning("the alert command took more than %s s", COMMAND_S)
        if process.returncode:
            log.warning("the alert command ended with status %s", process.returncode)

"""Tells others of alerts: a webhook (signed, retried) and a command. Never holds anything up.

The webhook gets the alert as JSON with ``Overflight-Signature: t=<unix time>,v1=<hex>``: the
HMAC-SHA256 of ``<unix time>.<body>`` under the shared secret, so that a replay can be told.

Each receiver has a queue and a task of its own, and no failure ends either.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, Protocol

import httpx
import msgspec

from overflight_ground.alerts.rules import Notify

log = logging.getLogger(__name__)

QUEUE: Final = 1_000
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 60.0
POST_S: Final = 10.0
COMMAND_S: Final = 30.0
STOP_S: Final = 3.0
SIGNATURE_HEADER: Final = "Overflight-Signature"


def signature(secret: str, body: bytes, unix_s: int) -> str:
    """Return the value of the signature header."""
    digest = hmac.new(secret.encode(), b"%d.%s" % (unix_s, body), hashlib.sha256)
    return f"t={unix_s},v1={digest.hexdigest()}"


def pauses(attempts: int, first_s: float) -> Iterator[float]:
    """Yield the pauses between so many tries: each twice the one before, at most a minute."""
    pause_s = first_s
    for _ in range(attempts - 1):
        yield min(pause_s, LONGEST_PAUSE_S)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


class DeliveryError(Exception):
    """A receiver did not take an alert; the text says why."""


class Receiver(Protocol):
    """Somebody who is told."""

    name: str

    async def send(self, body: bytes) -> None:
        """Tell once; whatever is raised says why it failed."""

    async def close(self) -> None:
        """Let go of what is open."""


class Webhook:
    """Gets a POST."""

    name = "the webhook"

    def __init__(self, url: str, secret: str | None, now_ns: Callable[[], int]) -> None:
        self._url = url
        self._secret = secret
        self._now_ns = now_ns
        self._client: httpx.AsyncClient | None = None

    async def send(self, body: bytes) -> None:
        """Post; what is answered beside the status is not read."""
        headers = {"Content-Type": "application/json"}
        if self._secret is not None:
            unix_s = self._now_ns() // 1_000_000_000
            headers[SIGNATURE_HEADER] = signature(self._secret, body, unix_s)
        self._client = self._client or httpx.AsyncClient(timeout=POST_S, follow_redirects=False)
        try:
            async with (
                asyncio.timeout(POST_S),
                self._client.stream("POST", self._url, content=body, headers=headers) as reply,
            ):
                status = reply.status_code
        except TimeoutError as error:
            raise DeliveryError(f"no answer within {POST_S:g} s") from error
        if not 200 <= status < 300:
            raise DeliveryError(f"status {status}")

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


class Command:
    """Gets the alert on its standard input; runs in a process group of its own."""

    name = "the alert command"

    def __init__(self, words: list[str], longest_s: float) -> None:
        self._words = words
        self._longest_s = longest_s

    async def send(self, body: bytes) -> None:
        """Run the command; kill it, and what it has started, when it takes too long."""
        process = await asyncio.create_subprocess_exec(
            *self._words, stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        try:
            async with asyncio.timeout(self._longest_s):
                await process.communicate(body)
        except TimeoutError as error:
            await _kill(process)
            raise DeliveryError(f"it took more than {self._longest_s:g} s") from error
        except BaseException:
            await _kill(process)
            raise
        if process.returncode:
            raise DeliveryError(f"it ended with status {process.returncode}")

    async def close(self) -> None:
        """Do nothing: none runs."""


async def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill the whole process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # all of it has ended
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


class _Waiting(NamedTuple):
    id: int
    body: bytes


class _Line:
    """What waits for one receiver, and the task that tells it, one after the other."""

    def __init__(self, receiver: Receiver, attempts: int, pause_s: float, stop_s: float) -> None:
        self.receiver = receiver
        self.not_told = 0
        self._attempts = attempts
        self._pause_s = pause_s
        self._stop_s = stop_s
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        self._at_work = False
        self._stopping = asyncio.Event()

    def put(self, item: _Waiting) -> None:
        """Queue an alert; one too many is counted and dropped."""
        if self._queue.qsize() < QUEUE:
            self._queue.put_nowait(item)
            return
        self.not_told += 1
        log.warning(
            "too many alerts wait for %s; alert %s is not told", self.receiver.name, item.id
        )

    async def run(self) -> None:
        """Tell until cancelled; then give what waits a single try each, for a short time."""
        work = asyncio.create_task(self._work(), name=self.receiver.name)
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await self._stop(work)
            raise
        finally:
            work.cancel()

    async def _work(self) -> None:
        try:
            while (item := await self._queue.get()) is not None:
                self._at_work = True
                await self._deliver(item)
                self._at_work = False
        finally:
            await self.receiver.close()

    async def _stop(self, work: asyncio.Task[None]) -> None:
        self._stopping.set()
        self._queue.put_nowait(None)  # after all that waits
        await asyncio.wait({work}, timeout=self._stop_s)
        if work.done():
            return
        left = self._queue.qsize() - 1 + self._at_work
        self.not_told += left
        log.warning("the ground stops; %d alerts were not told to %s", left, self.receiver.name)
        work.cancel()
        await asyncio.wait({work})

    async def _deliver(self, item: _Waiting) -> None:
        gaps = pauses(self._attempts, self._pause_s)
        while (why := await self._try(item.body)) is not None:
            pause_s = next(gaps, None)
            if pause_s is None or self._stopping.is_set():
                self.not_told += 1
                log.warning("%s did not take alert %s: %s", self.receiver.name, item.id, why)
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _try(self, body: bytes) -> str | None:
        """Send once; return why it failed."""
        try:
            await self.receiver.send(body)
        except Exception as error:  # whatever it is must not end the ground
            return " ".join(str(error).split()) or type(error).__name__
        return None


class Notifier:
    """Tells the receivers of the settings what it is given, until cancelled."""

    def __init__(
        self,
        settings: Notify,
        now_ns: Callable[[], int],
        pause_s: float = FIRST_PAUSE_S,
        *,
        command_s: float = COMMAND_S,
        stop_s: float = STOP_S,
    ) -> None:
        """`command_s` is how long a command may take, `stop_s` what is left when the ground stops.

        `pause_s` is the first pause between two tries.
        """
        self._severities = settings.severities
        self._lines: list[_Line] = []
        if settings.webhook is not None:
            webhook = Webhook(settings.webhook, settings.secret, now_ns)
            self._lines.append(_Line(webhook, settings.attempts, pause_s, stop_s))
        if settings.command:
            self._lines.append(_Line(Command(settings.command, command_s), 1, pause_s, stop_s))

    @property
    def not_told(self) -> int:
        """How many alerts a receiver did not get, all receivers together."""
        return sum(line.not_told for line in self._lines)

    def tell(self, alert: dict[str, Any]) -> None:
        """Queue an alert where its severity is wanted."""
        if not self._lines or alert["severity"] not in self._severities:
            return
        item = _Waiting(alert["id"], msgspec.json.encode(alert))
        for line in self._lines:
            line.put(item)

    async def run(self) -> None:
        """Tell; returns at once where there is nobody to tell."""
        async with asyncio.TaskGroup() as tasks:
            for line in self._lines:
                tasks.create_task(line.run(), name=line.receiver.name)

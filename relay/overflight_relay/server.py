"""The relay itself: listens, makes crossings, keeps limits, and ends cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from overflight_contract.commandline import HostPort
from overflight_contract.errors import UnavailableError
from overflight_contract.session import ConnectionOpened, Direction, Note
from overflight_relay.conversation import Conversation
from overflight_relay.crossing import LINGER_S, Crossing
from overflight_relay.guard import Guard, Limits
from overflight_relay.judge import Judge
from overflight_relay.known import Known
from overflight_relay.link.control import LinkControl
from overflight_relay.link.model import Line
from overflight_relay.listeners import Listener, Tls, TlsFiles, server_context
from overflight_relay.lookout import Lookout
from overflight_relay.opaque import SealedConversation
from overflight_relay.ruleset import RuleSet
from overflight_relay.sockets import Hold, Leg, Side
from overflight_relay.talk import Talk
from overflight_relay.tap import CaptureError, Tap
from overflight_relay.upstream import Upstreams
from overflight_relay.usage import Usage, UsageLedger, total_of

_log = logging.getLogger("overflight.relay")

_DISCONNECT_SHUTTING_DOWN = 0x8B
_DISCONNECT_TIMEOUT = 0x8D
_SWEEP_S = 1.0
_TICK_S = 0.2
_SHUT_DOWN_S = 3.0
_NAME = "commonName"
_BACKLOG = 4096


class RelayServer:
    """All connections of a relay; `Services` of each crossing."""

    def __init__(
        self,
        tap: Tap,
        rules: RuleSet,
        link: LinkControl,
        upstreams: Upstreams,
        *,
        enforce: bool,
        limits: Limits | None = None,
        credentials: Mapping[str, str] | None = None,
        keep_passwords: bool = False,
    ) -> None:
        self.tap = tap
        self.lookout = Lookout(asyncio.get_running_loop())
        self.rules = rules
        self.enforce = enforce
        self.link = link
        self.upstreams = upstreams
        self.guard = Guard(limits or Limits())
        self.ledger = UsageLedger()
        self.crossings: dict[int, Crossing] = {}
        self.stopping = asyncio.Event()
        self.failure: CaptureError | None = None
        self._credentials = credentials or {}
        self._keep_passwords = keep_passwords
        self._empty = asyncio.Event()
        self._next = tap.first_connection()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # -- life -----------------------------------------------------------------------------------

    async def listen(self, listeners: Sequence[Listener], files: TlsFiles) -> list[HostPort]:
        """Open the listeners; returns their addresses, ports of 0 made real."""
        loop = asyncio.get_running_loop()
        addresses = []
        for listener in listeners:
            context = server_context(files) if listener.tls is Tls.TERMINATED else None
            own = Upstreams(list(listener.upstreams)) if listener.upstreams else self.upstreams
            try:
                server = await loop.create_server(
                    lambda listener=listener, own=own: Leg(ClientSide(self, listener, own)),
                    listener.address.host,
                    listener.address.port,
                    ssl=context,
                    backlog=_BACKLOG,
                )
            except OSError as error:
                why = os.strerror(error.errno) if error.errno else error
                raise UnavailableError(f"can't listen on {listener}: {why}") from error
            self._servers.append(server)
            host, port = server.sockets[0].getsockname()[:2]
            addresses.append(HostPort(host, port))
        return addresses

    async def run(self) -> None:
        """Serve until `stop`; raises `CaptureError` where the session can't be written."""
        ticker = asyncio.create_task(self._every(_TICK_S, self._tick), name="session-tick")
        sweeper = asyncio.create_task(self._every(_SWEEP_S, self._sweep), name="sweep")
        try:
            await self.stopping.wait()
        finally:
            ticker.cancel()
            sweeper.cancel()
            await self._shut_down()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """End all connections and return from `run`."""
        self.stopping.set()

    def fail(self, error: CaptureError) -> None:
        """Stop at once: nothing may pass unrecorded."""
        if self.failure is not None:
            return
        self.failure = error
        _log.critical("%s", error)
        for server in self._servers:
            server.close()
        for crossing in list(self.crossings.values()):
            crossing.abort("relay", "capture failed")
        self.stopping.set()

    async def _shut_down(self) -> None:
        for server in self._servers:
            server.close()
        self._empty.clear()
        for crossing in list(self.crossings.values()):
            self._dismiss(crossing, "relay stops", _DISCONNECT_SHUTTING_DOWN)
        if self.crossings:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SHUT_DOWN_S):
                    await self._empty.wait()
        for crossing in list(self.crossings.values()):
            crossing.abort("relay", "relay stops")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.sleep(0)

    async def _every(self, seconds: float, action: object) -> None:
        assert callable(action)
        while True:
            await asyncio.sleep(seconds)
            action()

    def _tick(self) -> None:
        try:
            self.tap.tick()
        except CaptureError as error:
            self.fail(error)

    def _dismiss(self, crossing: Crossing, reason: str, code: int) -> None:
        if crossing.client is not None and crossing.broker is not None:
            crossing.client.write(crossing.talk.farewell(code))
        crossing.end("relay", reason)

    def _sweep(self) -> None:
        """End connections that keep us waiting."""
        now_s, limits = asyncio.get_running_loop().time(), self.guard.limits
        for crossing in list(self.crossings.values()):
            if crossing.ending_since_s is not None:
                if now_s - crossing.ending_since_s > LINGER_S:
                    crossing.abort("relay", "the last bytes were not taken")
            elif crossing.talk.client_id is None:
                if (
                    limits.connect_deadline_s
                    and now_s - crossing.opened_at_s > limits.connect_deadline_s
                ):
                    crossing.end("relay", f"no CONNECT within {limits.connect_deadline_s:g} s")
            else:
                self._sweep_slow(crossing, now_s)

    def _sweep_slow(self, crossing: Crossing, now_s: float) -> None:
        limits = self.guard.limits
        pending = crossing.talk.pending
        if not pending or pending < crossing.pending_bytes:
            crossing.pending_since_s = None
            crossing.pending_bytes = pending
            return
        if crossing.pending_since_s is None:
            crossing.pending_since_s = now_s
            crossing.pending_bytes = pending
            return
        waited_s = now_s - crossing.pending_since_s
        grown = pending - crossing.pending_bytes
        if limits.slow_packet_s and waited_s > limits.slow_packet_s:
            if grown < limits.slow_bytes_per_s * waited_s:
                reason = f"a packet was not finished within {limits.slow_packet_s:g} s"
                self._dismiss(crossing, reason, _DISCONNECT_TIMEOUT)
            else:
                crossing.pending_since_s = None

    # -- connections ----------------------------------------------------------------------------

    def accept(
        self, listener: Listener, own: Upstreams, transport: asyncio.Transport
    ) -> Crossing | None:
        """Make a crossing for a new client, or turn it away."""
        peer = transport.get_extra_info("peername") or ("?", 0)
        reason = self.guard.admit(str(peer[0]), asyncio.get_running_loop().time())
        if reason is not None or self.stopping.is_set():
            _log.debug("turned away %s: %s", peer[0], reason)
            transport.abort()
            return None
        number, self._next = self._next, self._next + 1
        info = ConnectionOpened(
            connection=number,
            at_ns=self.tap.now_ns(),
            peer=str(HostPort(str(peer[0]), int(peer[1]))),
            listener=str(listener.address),
            upstream=str(own.brokers[0]),
            tls=str(listener.tls),
            sni=_server_name(transport),
        )
        crossing = Crossing(self, self._talk(number, listener, transport), own, info)
        self.crossings[number] = crossing
        if listener.tls is not Tls.PASSTHROUGH:
            self.note_opened(info)
        return crossing

    def note_opened(self, info: ConnectionOpened) -> None:
        """Record that a connection was made."""
        try:
            self.tap.note(info)
        except CaptureError as error:
            self.fail(error)

    def _talk(self, number: int, listener: Listener, transport: asyncio.Transport) -> Talk:
        if listener.tls is Tls.PASSTHROUGH:
            return SealedConversation(number, enforce=self.enforce)
        known = Known(self._credentials, _certificate_name(transport))
        judge = Judge(self.rules, known, enforce=self.enforce)
        return Conversation(number, judge, keep_passwords=self._keep_passwords)

    def spawn(self, crossing: Crossing) -> None:
        """Connect the crossing to its broker."""
        task = asyncio.get_running_loop().create_task(
            crossing.connect(), name=f"connect-{crossing.info.connection}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def finished(self, crossing: Crossing) -> None:
        """Forget a crossing that is over."""
        if self.crossings.pop(crossing.info.connection, None) is None:
            return
        if not self.crossings:
            self._empty.set()
        self.guard.release(crossing.info.peer.rpartition(":")[0].strip("[]"))
        self.ledger.close(crossing.talk.client_id or "", crossing.usage)

    def line(self, client_id: str, connection: int, direction: Direction) -> Line:
        """Return the line of a connection."""
        return self.link.line(client_id, connection, direction)

    def number_of(self, client_id: str) -> int:
        """Count one more connection of a client."""
        return self.link.number_of(client_id)

    def note(self, kind: str, **detail: str) -> None:
        """Record a note."""
        try:
            self.tap.note(Note(self.tap.now_ns(), kind, detail))
        except CaptureError as error:
            self.fail(error)

    def usage(self) -> dict[str, Usage]:
        """Return the usage by customer, living connections included."""
        living = [(c.talk.client_id or "", c.usage) for c in self.crossings.values()]
        return self.ledger.by_customer(living)

    def total(self) -> Usage:
        """Return the usage of all."""
        return total_of(list(self.usage().values()))


class ClientSide(Side):
    """The client's leg of a crossing; the crossing is made when the connection is."""

    __slots__ = ("_crossing", "_listener", "_server", "_upstreams", "received")

    def __init__(self, server: RelayServer, listener: Listener, own: Upstreams) -> None:
        self._server = server
        self._listener = listener
        self._upstreams = own
        self._crossing: Crossing | None = None
        self.received = _nobody

    def opened(self, transport: asyncio.Transport) -> None:
        """Make the crossing, if the guard lets the client in."""
        crossing = self._server.accept(self._listener, self._upstreams, transport)
        if crossing is not None:
            crossing.client_opened(transport)
            self._crossing = crossing
            self.received = crossing.client_received

    def half_closed(self) -> bool:
        """Report."""
        return self._crossing is not None and self._crossing.client_half_closed()

    def lost(self, error: Exception | None) -> None:
        """Report."""
        if self._crossing is not None:
            self._crossing.client_lost(error)

    def full(self, is_full: bool) -> None:
        """Slow the broker down."""
        if self._crossing is not None:
            self._crossing.hold_broker(Hold.FULL, is_full)


def _nobody(data: bytes) -> None:
    """Take bytes of a client that was turned away."""


def _server_name(transport: asyncio.Transport) -> str | None:
    connection = transport.get_extra_info("ssl_object")
    return getattr(connection, "overflight_server_name", None)


def _certificate_name(transport: asyncio.Transport) -> str | None:
    connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    certificate: Any = None if connection is None else connection.getpeercert()
    if not certificate:
        return None
    names = [value for parts in certificate["subject"] for key, value in parts if key == _NAME]
    return str(names[0]) if names else ""

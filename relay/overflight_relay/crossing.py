"""One connection of a client and the one to its broker: where the bytes of both sides meet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import msgspec

from overflight_contract.errors import UnavailableError
from overflight_contract.session import ConnectionClosed, ConnectionOpened, Direction, Verdict
from overflight_relay.broker_side import BrokerSide
from overflight_relay.effects import WHOLE, Record
from overflight_relay.link.queue import LinkQueue
from overflight_relay.services import Services
from overflight_relay.sockets import Hold, sender
from overflight_relay.talk import Talk
from overflight_relay.tap import CaptureError
from overflight_relay.upstream import Upstreams
from overflight_relay.usage import Usage

LINGER_S = 30.0
"""How long a side may take to accept its last bytes after the other has gone."""


_GATHERING_S = 0.001
_HANDFUL_BYTES = 1024
_MANY_UNANSWERED = 256
"""So many in a millisecond are more than a broker takes: nobody waits for acknowledgements."""


class Crossing:
    """Carries one connection; both sockets report here."""

    __slots__ = (
        "_announced",
        "_broker_holds",
        "_client_holds",
        "_connecting",
        "_down",
        "_ended_by",
        "_eof_waits",
        "_lookout",
        "_loop",
        "_reason",
        "_send_down",
        "_send_up",
        "_services",
        "_tap",
        "_up",
        "_waiting",
        "broker",
        "client",
        "ending_since_s",
        "info",
        "opened_at_s",
        "pending_bytes",
        "pending_since_s",
        "talk",
        "upstream",
        "upstreams",
        "usage",
    )

    def __init__(
        self, services: Services, talk: Talk, upstreams: Upstreams, info: ConnectionOpened
    ) -> None:
        self._services = services
        self._tap = services.tap
        self._lookout = services.lookout
        self._loop = asyncio.get_running_loop()
        self.talk = talk
        self.upstreams = upstreams
        self.info = info
        self.upstream = ""
        self._announced = info.tls != "passthrough"
        self.client: asyncio.Transport | None = None
        self.broker: asyncio.Transport | None = None
        self._send_up: Callable[[bytes], None] | None = None
        self._send_down: Callable[[bytes], None] | None = None
        self.usage = Usage(connections=1)
        self.opened_at_s = self._loop.time()
        self.ending_since_s: float | None = None
        self.pending_since_s: float | None = None
        self.pending_bytes = 0
        self._connecting = self._eof_waits = False
        self._waiting: list[bytes] = []
        self._client_holds = self._broker_holds = Hold(0)
        self._reason = self._ended_by = ""
        link, loop = services.link, self._loop
        self._up = LinkQueue(
            link,
            Direction.UP,
            write=self._write_up,
            hold=self._hold_client_for_link,
            reset=self._reset_by_link,
            loop=loop,
        )
        self._down = LinkQueue(
            link,
            Direction.DOWN,
            write=self._write_down,
            hold=self._hold_broker_for_link,
            reset=self._reset_by_link,
            loop=loop,
        )

    # -- what comes -----------------------------------------------------------------------------

    def client_received(self, data: bytes) -> None:
        """Take bytes of the client."""
        if self._reason:
            return
        now_ns = self._tap.now_ns()
        if self.talk.passes_up(data):
            if self._forward_one(data, now_ns, Direction.UP, self._up):
                self.usage.up.one_message(len(data))
                self._lookout.expect()
            return
        effects = self.talk.from_client(data, now_ns)
        if not self._announced:
            self._announce()
        if self._up.line is None and self.talk.client_id is not None:
            self._draw_lines(self.talk.client_id)
        if not self._forward(effects.records, effects.forward, self._up):
            return
        self.usage.up.count(effects)
        if effects.replies and self.client is not None:
            self.client.write(b"".join(effects.replies))
        if effects.ends:
            self.end("relay", effects.ends)

    def broker_received(self, data: bytes) -> None:
        """Take bytes of the broker."""
        if self._reason and self._ended_by == "relay":
            return
        now_ns = self._tap.now_ns()
        if self.talk.passes_down(data):
            if self._forward_one(data, now_ns, Direction.DOWN, self._down):
                self.usage.down.one_packet(len(data))
                self._lookout.answered()
                self._gather(data)
            return
        effects = self.talk.from_broker(data, now_ns)
        if not self._forward(effects.records, effects.forward, self._down):
            return
        self.usage.down.count(effects)
        if effects.replies and self.broker is not None:
            self.broker.write(b"".join(effects.replies))
        if effects.ends:
            self.end("relay", effects.ends)
        else:
            self._gather(data)

    def _gather(self, data: bytes) -> None:
        """Let acknowledgements come together where a client has many messages under way.

        Brokers send them one by one; to carry each by itself takes ten times as long.
        """
        if len(data) < _HANDFUL_BYTES and self.talk.unanswered > _MANY_UNANSWERED:
            self.hold_broker(Hold.GATHERING, True)
            self._loop.call_later(_GATHERING_S, self.hold_broker, Hold.GATHERING, False)

    def _forward(
        self, records: Sequence[Record], packets: Sequence[bytes], queue: LinkQueue
    ) -> bool:
        """Write to the session what came, then send on what may go on; last, tell who watches.

        Returns whether the relay goes on: it stops where the session can't be written.
        """
        if not records:
            return True
        try:
            self._tap.record(records)
        except CaptureError as error:
            self._services.fail(error)
            return False
        faults = queue.push(packets) if packets else ()
        self._tap.tell(records)
        if faults:
            self._faults("up" if queue is self._up else "down", faults)
        return True

    def _forward_one(
        self, data: bytes, now_ns: int, direction: Direction, queue: LinkQueue
    ) -> bool:
        """Do the same for one packet that passes, with as little as can be before it is sent."""
        connection = self.info.connection
        try:
            self._tap.record_one(data, now_ns, connection, direction)
        except CaptureError as error:
            self._services.fail(error)
            return False
        faults = queue.push((data,))
        self._tap.tell([(now_ns, connection, direction, Verdict.OK, "", data, WHOLE)])
        if faults:
            self._faults(direction.name.lower(), faults)
        return True

    def _faults(self, direction: str, faults: Sequence[str]) -> None:
        """Note what a hostile link did, since the packets are recorded already."""
        for kind in ("dropped", "doubled"):
            if kind in faults:
                self._services.note(
                    "link-fault",
                    connection=str(self.info.connection),
                    direction=direction,
                    fault=kind,
                    packets=str(faults.count(kind)),
                )

    def _announce(self) -> None:
        """Record the connection, where that had to wait for the name in its TLS hello."""
        self._announced = True
        self.info = msgspec.structs.replace(self.info, sni=self.talk.server_name)
        self._services.note_opened(self.info)

    def _draw_lines(self, client_id: str) -> None:
        nth = self._services.number_of(client_id)
        self._up.line = self._services.line(client_id, nth, Direction.UP)
        self._down.line = self._services.line(client_id, nth, Direction.DOWN)

    # -- what goes ------------------------------------------------------------------------------

    def _write_up(self, data: bytes) -> None:
        send = self._send_up
        if send is not None:
            send(data)
            return
        self._waiting.append(data)
        if not self._connecting and not self._reason:
            self._connecting = True
            self.hold_client(Hold.CONNECTING, True)
            self._services.spawn(self)

    def _write_down(self, data: bytes) -> None:
        send = self._send_down
        if send is not None:
            send(data)

    async def connect(self) -> None:
        """Connect to the broker; the client is told where none answers."""
        try:
            upstream = await self.upstreams.connect(BrokerSide(self))
        except UnavailableError as error:
            if self.client is not None and not self._reason:
                self.client.write(self.talk.broker_unavailable())
            self.end("relay", f"no broker: {error}")
            return
        self.upstream = str(upstream)
        self.hold_client(Hold.CONNECTING, False)

    def client_opened(self, transport: asyncio.Transport) -> None:
        """Know the client's connection from now on."""
        self.client = transport
        self._send_down = sender(transport)

    def broker_opened(self, transport: asyncio.Transport) -> None:
        """Send what waited for the connection."""
        self.broker = transport
        self._send_up = sender(transport)
        waiting, self._waiting = self._waiting, []
        if waiting:
            transport.write(b"".join(waiting))
        if self.client is None or self._reason:
            transport.close()
        elif self._eof_waits:
            self.client_half_closed()

    # -- back-pressure --------------------------------------------------------------------------

    def hold_client(self, why: Hold, on: bool) -> None:
        """Stop, or go on, reading from the client."""
        before = self._client_holds
        self._client_holds = before | why if on else before & ~why
        _read(self.client, before, self._client_holds)

    def hold_broker(self, why: Hold, on: bool) -> None:
        """Stop, or go on, reading from the broker."""
        before = self._broker_holds
        self._broker_holds = before | why if on else before & ~why
        _read(self.broker, before, self._broker_holds)

    def _hold_client_for_link(self, on: bool) -> None:
        self.hold_client(Hold.LINK, on)

    def _hold_broker_for_link(self, on: bool) -> None:
        self.hold_broker(Hold.LINK, on)

    # -- the end --------------------------------------------------------------------------------

    def end(self, by: str, reason: str) -> None:
        """Let both sides have what was forwarded to them, then close."""
        if self._reason:
            return
        self._reason, self._ended_by = reason, by
        self.ending_since_s = self._loop.time()
        self._up.finish(self._close_broker)
        self._down.finish(self._close_client)
        if self.client is None and self.broker is None:
            self._over()

    def abort(self, by: str, reason: str) -> None:
        """Cut both sides, whatever they had still to get."""
        if not self._reason:
            self._reason, self._ended_by = reason, by
        for transport in (self.client, self.broker):
            if transport is not None:
                transport.abort()

    def _reset_by_link(self) -> None:
        self._loop.call_soon(self.abort, "relay", "link: reset")

    def _close_client(self) -> None:
        if self.client is not None:
            self.client.close()

    def _close_broker(self) -> None:
        if self.broker is not None:
            self.broker.close()

    def client_half_closed(self) -> bool:
        """Pass the client's end of stream on; keep carrying what the broker still says."""
        if self.client is None or self.client.get_extra_info("sslcontext") is not None:
            self.end("client", "client closed")
            return False
        if self.broker is None and self._connecting:
            self._eof_waits = True
            return True
        if self.broker is None or not self.broker.can_write_eof():
            self.end("client", "client closed")
            return False
        self.ending_since_s = self._loop.time()
        self._up.finish(self._eof_to_broker)
        return True

    def _eof_to_broker(self) -> None:
        if self.broker is not None and not self.broker.is_closing():
            with contextlib.suppress(OSError, RuntimeError):
                self.broker.write_eof()

    def client_lost(self, error: Exception | None) -> None:
        """Close the other side when the client is gone."""
        self.client = self._send_down = None
        self.hold_broker(Hold.FULL, False)
        self._down.drop()
        self.end("client", _why("client", error))
        self._over()

    def broker_lost(self, error: Exception | None) -> None:
        """Close the other side when the broker is gone."""
        self.broker = self._send_up = None
        self.hold_client(Hold.FULL, False)
        self._up.drop()
        self.end("broker", _why("broker", error))
        self._over()

    def _over(self) -> None:
        if self.client is not None or self.broker is not None or self.opened_at_s < 0:
            return
        self.opened_at_s = -1.0
        if not self._announced:
            self._announce()
        tap = self._tap
        self._up.drop()
        self._down.drop()
        try:
            tap.note(
                ConnectionClosed(self.info.connection, tap.now_ns(), self._reason, self._ended_by)
            )
        except CaptureError as failure:
            self._services.fail(failure)
        self._services.finished(self)


def _read(transport: asyncio.Transport | None, before: Hold, after: Hold) -> None:
    if transport is None or transport.is_closing() or bool(before) == bool(after):
        return
    if after:
        transport.pause_reading()
    else:
        transport.resume_reading()


def _why(who: str, error: Exception | None) -> str:
    return f"{who} closed" if error is None else f"{who} lost: {error}"

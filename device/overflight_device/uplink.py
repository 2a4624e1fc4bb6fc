"""The uplink: one MQTT connection (paho-mqtt) that sends what the outbox holds, in a thread.

MQTT 5 where the broker takes it, else 3.1.1 by itself. The session is kept over reconnects;
back-off is capped and has jitter; a PUBACK overdue, or a keep-alive unanswered, means a new
connection.
"""

from __future__ import annotations

import contextlib
import enum
import os
import random
import select
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from overflight_contract.errors import ContractError, InputError
from overflight_contract.messages import decode_receipt
from overflight_contract.topics import Kind, topic_for
from overflight_device.outbox import Outbox
from overflight_device.paho import CallbackAPIVersion, PacketTypes, Properties, mqtt
from overflight_device.sender import Sender

SESSION_EXPIRY_S: Final = 86_400
KEEP_ALIVE_S: Final = 30
CONNECT_TIMEOUT_S: Final = 10.0
_UNSUPPORTED_VERSION: Final = (1, 0x84)


class Protocol(enum.StrEnum):
    """Which MQTT to speak; `AUTO` is 5, and 3.1.1 where the broker refuses that."""

    AUTO = "auto"
    V5 = "5"
    V311 = "3.1.1"


class LinkState(enum.StrEnum):
    """What the link does; shown to people."""

    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"


@dataclass(frozen=True, kw_only=True)
class UplinkConfig:
    """Where to and how. `url` is ``mqtt://HOST[:PORT]`` or ``mqtts://…``; times in seconds."""

    url: str
    protocol: Protocol = Protocol.AUTO
    username: str | None = None
    password: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    keep_alive_s: int = KEEP_ALIVE_S
    window: int = 64
    receipts: bool = True
    receipt_timeout_s: float = 15.0
    puback_timeout_s: float = 30.0
    backoff_first_s: float = 0.25
    backoff_cap_s: float = 30.0
    endpoint: tuple[str, int, bool] = field(init=False)

    def __post_init__(self) -> None:
        """Take the URL apart; raise `InputError` where it is none."""
        object.__setattr__(self, "endpoint", parse_broker_url(self.url))


def parse_broker_url(url: str) -> tuple[str, int, bool]:
    """Return (host, port, TLS) of ``mqtt://HOST[:PORT]``, ``mqtts://…`` or ``HOST[:PORT]``."""
    parts = urlsplit(url if "//" in url else f"mqtt://{url}")
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise InputError(f"{url!r} is no broker; as in mqtt://127.0.0.1:1883 or mqtts://host")
    if parts.username is not None or parts.password is not None:
        raise InputError("credentials do not go into the broker's URL; see --username")
    try:
        port = parts.port
    except ValueError as error:
        raise InputError(f"{url!r} has no valid port") from error
    tls = parts.scheme == "mqtts"
    return parts.hostname, port or (8883 if tls else 1883), tls


class Uplink:
    """Runs the sender over a connection. `start`, `wake` after each append, `stop`."""

    def __init__(
        self,
        outbox: Outbox,
        config: UplinkConfig,
        *,
        rng: random.Random,
        on_event: Callable[[str, dict[str, Any]], None] = lambda _name, _fields: None,
    ) -> None:
        """`on_event` hears (name, fields) of what people may want to know; any thread."""
        self._outbox = outbox
        self._config = config
        self._rng = rng
        self._on_event = on_event
        self.sender = Sender(
            outbox,
            window=config.window,
            receipts=config.receipts,
            receipt_timeout_s=config.receipt_timeout_s,
            puback_timeout_s=config.puback_timeout_s,
        )
        self.state = LinkState.DOWN
        self.version: str | None = None
        self.connects = 0
        self._v5 = config.protocol is not Protocol.V311
        self._client: mqtt.Client | None = None
        self._seq_of: dict[int, int] = {}
        self._silenced = threading.Event()
        self._stopping = threading.Event()
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)
        self._tls = self._tls_context() if config.endpoint[2] else None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Tell the thread that the outbox has news."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_w, b"w")

    def silence(self, silent: bool) -> None:
        """Cut the link (a fault of the scenario), or let it come back."""
        if silent:
            self._silenced.set()
        else:
            self._silenced.clear()
        self.wake()

    def stop(self) -> None:
        """Disconnect cleanly and end the thread."""
        self._stopping.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        backoff_s = self._config.backoff_first_s
        while not self._stopping.is_set():
            if self._silenced.is_set():
                self._pause(0.2)
                continue
            connects, v5 = self.connects, self._v5
            self._connection()
            if self._v5 is not v5:
                continue
            if self.connects > connects:
                backoff_s = self._config.backoff_first_s
            self._pause(backoff_s * self._rng.uniform(0.5, 1.0))
            backoff_s = min(backoff_s * 2, self._config.backoff_cap_s)
        os.close(self._wake_r)

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._stopping.is_set():
            select.select([self._wake_r], [], [], left)
            self._drain()

    def _connection(self) -> None:
        """One connection, from CONNECT to its end."""
        self.state = LinkState.CONNECTING
        client = self._client
        if client is None or self.sender.suspicious:
            self._forget()
            client = self._client = self._new_client()
        host, port, _ = self._config.endpoint
        try:
            if client.host:
                client.reconnect()
            else:
                client.connect(
                    host,
                    port,
                    keepalive=self._config.keep_alive_s,
                    properties=self._connect_properties(),
                )
        except (OSError, ValueError) as error:
            self._ended(f"can't connect to {host}:{port}: {error}")
            return
        self._drive(client)

    def _drive(self, client: mqtt.Client) -> None:
        started_s = time.monotonic()
        while client.socket() is not None:
            now_s = time.monotonic()
            if self._stopping.is_set() or self._silenced.is_set():
                self._hang_up(client, now_s)
                return
            if self.state is not LinkState.UP and now_s - started_s > CONNECT_TIMEOUT_S:
                self._abandon(client, "no CONNACK in time")
                return
            if self.sender.overdue(now_s):
                self._abandon(client, "a PUBACK is overdue")
                return
            self._publish(client, now_s)
            self._wait(client, now_s)

    def _publish(self, client: mqtt.Client, now_s: float) -> None:
        for message in self.sender.next_messages(now_s):
            topic = topic_for(self._outbox.payload, message.kind)
            info = client.publish(topic, message.payload, qos=1)
            self._seq_of[info.mid] = message.seq

    def _wait(self, client: mqtt.Client, now_s: float) -> None:
        sock = client.socket()
        if sock is None:
            return
        timeout = max(0.0, min(self.sender.wakes_at_s(now_s) - now_s, 1.0))
        pending = getattr(sock, "pending", None)
        if pending is not None and pending() > 0:
            timeout = 0.0
        number = sock.fileno()
        writing = [number] if client.want_write() else []
        try:
            readable, writable, _ = select.select([number, self._wake_r], writing, [], timeout)
        except (OSError, ValueError):
            readable, writable = [number], []
        if self._wake_r in readable:
            self._drain()
        if number in readable or timeout == 0.0:
            client.loop_read()
        if number in writable and client.socket() is not None:
            client.loop_write()
        if client.socket() is not None:
            client.loop_misc()

    def _hang_up(self, client: mqtt.Client, now_s: float) -> None:
        client.disconnect()
        deadline = now_s + 1.0
        while client.socket() is not None and time.monotonic() < deadline:
            sock = client.socket()
            if sock is None or not client.want_write():
                break
            select.select([], [sock], [], 0.1)
            client.loop_write()
        self._abandon(client, "closed by us")

    def _abandon(self, client: mqtt.Client, why: str) -> None:
        sock = client.socket()
        if sock is not None:
            sock.close()
        self._client = None
        if self.state is not LinkState.DOWN:
            self._ended(why)
        self._forget()

    def _forget(self) -> None:
        self.sender.forget_in_flight()
        self._seq_of.clear()
        self._client = None

    def _ended(self, why: str) -> None:
        was_up = self.state is LinkState.UP
        self.state = LinkState.DOWN
        self.sender.disconnected(time.monotonic())
        if self._client is None and not was_up:
            return
        self._on_event("link-lost" if was_up else "link-failed", {"why": why})

    def _new_client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._outbox.payload,
            clean_session=None if self._v5 else False,
            protocol=mqtt.MQTTv5 if self._v5 else mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(self._config.window)
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self._config.username is not None:
            client.username_pw_set(self._config.username, self._config.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.suppress_exceptions = False
        return client

    def _tls_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._config.ca)
            if self._config.cert is not None:
                context.load_cert_chain(self._config.cert, self._config.key)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"the TLS files can't be used: {error}") from error
        return context

    def _connect_properties(self) -> Properties | None:
        if not self._v5:
            return None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        return properties

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, properties: Any
    ) -> None:
        if reason.is_failure:
            why = str(reason)
            if self._falls_back(reason.value):
                return
            self._on_event("refused", {"why": why})
            return
        self.state = LinkState.UP
        self.connects += 1
        self.version = "5" if self._v5 else "3.1.1"
        receive_maximum = getattr(properties, "ReceiveMaximum", None)
        client.subscribe(topic_for(self._outbox.payload, Kind.RECEIPT), qos=1)
        self.sender.connected(time.monotonic(), receive_maximum=receive_maximum)
        self._on_event("link-up", {"mqtt": self.version})

    def _falls_back(self, reason_code: int) -> bool:
        auto = self._config.protocol is Protocol.AUTO and self._v5
        if not auto or reason_code not in _UNSUPPORTED_VERSION:
            return False
        self._v5 = False
        self._client = None
        self.state = LinkState.DOWN
        return True

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        self._ended(str(reason))

    def _on_publish(
        self, _client: mqtt.Client, _data: Any, mid: int, reason: Any, _properties: Any
    ) -> None:
        seq = self._seq_of.pop(mid, None)
        if seq is None:
            return
        code = int(getattr(reason, "value", 0) or 0)
        if self.sender.acknowledged(seq, code):
            self._on_event("set-aside", {"seq": seq, "why": str(reason)})

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            receipt = decode_receipt(bytes(message.payload))
        except ContractError as error:
            self._on_event("bad-receipt", {"why": error.detail})
            return
        self.sender.received(receipt, time.monotonic())

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_r, 4096):
                pass

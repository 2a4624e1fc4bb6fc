"""Brokers: a list of addresses, tried in order; the one that answered last is tried first."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from overflight_contract.commandline import HostPort
from overflight_contract.errors import InputError, UnavailableError
from overflight_relay.sockets import Leg, Side

_PORTS = {"mqtt": 1883, "tcp": 1883, "mqtts": 8883, "tls": 8883, "ssl": 8883}
_ENCRYPTED = {"mqtts", "tls", "ssl"}


class Upstream(NamedTuple):
    """One broker."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{HostPort(self.host, self.port)}"


def parse_upstream(text: str) -> Upstream:
    """Parse ``mqtt://HOST:PORT``, ``mqtts://HOST:PORT`` or ``HOST:PORT``; raises `InputError`."""
    url = text if "://" in text else f"mqtt://{text}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{text!r} is no broker address: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
        raise InputError(f"{text!r} is no broker address; as in mqtt://127.0.0.1:1883")
    if parts.username or parts.password:
        raise InputError("credentials in a broker's address do nothing: clients bring their own")
    return Upstream(parts.hostname, port or _PORTS[parts.scheme], parts.scheme in _ENCRYPTED)


class Upstreams:
    """The brokers of a listener, in order of preference."""

    def __init__(
        self, brokers: list[Upstream], *, ca_file: Path | None = None, timeout_s: float = 10.0
    ) -> None:
        """`ca_file` holds the authorities that a broker's certificate may be signed by."""
        self.brokers = brokers
        self._timeout_s = timeout_s
        self._preferred = 0
        self._context: ssl.SSLContext | None = None
        if any(broker.tls for broker in brokers):
            self._context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)

    async def connect(self, side: Side) -> Upstream:
        """Connect `side` to the first broker that answers; raises `UnavailableError`."""
        loop = asyncio.get_running_loop()
        failures = []
        for turn in range(len(self.brokers)):
            index = (self._preferred + turn) % len(self.brokers)
            broker = self.brokers[index]
            try:
                async with asyncio.timeout(self._timeout_s):
                    await loop.create_connection(
                        lambda: Leg(side),
                        broker.host,
                        broker.port,
                        ssl=self._context if broker.tls else None,
                    )
            except TimeoutError:
                failures.append(f"{broker}: no answer within {self._timeout_s:g} s")
                continue
            except OSError as error:
                failures.append(f"{broker}: {error.strerror or error}")
                continue
            self._preferred = index
            return broker
        raise UnavailableError("; ".join(failures))

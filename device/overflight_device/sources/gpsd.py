"""``gpsd://HOST[:PORT][/DEVICE]``: what a gpsd daemon says of its receiver.

Port 2947 by default. With a device (``gpsd://127.0.0.1/dev/ttyAMA0``) only its reports count.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from overflight_contract.errors import InputError, UnavailableError
from overflight_device.fix import Event, Fix, FlightPlan, SourceOptions
from overflight_device.receivers.gpsd_json import GpsdDecoder
from overflight_device.sources.forward import Forward

PORT: Final = 2947
_CONNECT_S: Final = 5.0
_READ_S: Final = 0.3
_RETRY_S: Final = (0.5, 1.0, 2.0, 5.0)


def open_source(rest: str, options: SourceOptions) -> GpsdSource:
    """Connect; `InputError` for a bad spec, `UnavailableError` where there is no gpsd."""
    try:
        parts = urlsplit(f"gpsd:{rest}")
        port = parts.port or PORT
    except ValueError as error:
        raise InputError(f"gpsd:{rest} is no address; as in gpsd://127.0.0.1:2947") from error
    if not rest.startswith("//") or parts.query or parts.fragment or parts.username:
        raise InputError(f"gpsd:{rest} is no address; as in gpsd://127.0.0.1:2947")
    source = GpsdSource(parts.hostname or "127.0.0.1", port, parts.path.rstrip("/"), options)
    source.open()
    return source


class GpsdSource:
    """Fixes of a gpsd daemon; the connection is made again where it is lost.

    `on_event` hears (name, fields) of what people may want to know.
    """

    live = True
    simulated = False
    plan: FlightPlan | None = None

    def __init__(self, host: str, port: int, device: str, options: SourceOptions) -> None:
        self.decoder = GpsdDecoder(device or None)
        self.on_event: Callable[[str, dict[str, Any]], None] = lambda _name, _fields: None
        self._address = (host, port)
        self._device = device
        self._forward = Forward(options.start_after_ns)
        self._socket: socket.socket | None = None
        self._closed = threading.Event()

    def open(self) -> None:
        """Connect and ask for reports; `UnavailableError` says why it can't be."""
        watch: dict[str, object] = {"enable": True, "json": True}
        if self._device:
            watch["device"] = self._device
        try:
            connection = socket.create_connection(self._address, timeout=_CONNECT_S)
            connection.settimeout(_READ_S)
            connection.sendall(f"?WATCH={json.dumps(watch)};\n".encode())
        except OSError as error:
            host, port = self._address
            raise UnavailableError(
                f"no gpsd at {host}:{port}: {error.strerror or error}; is it running?"
            ) from error
        self._socket = connection

    def __iter__(self) -> Iterator[Event]:
        """Yield fixes as gpsd reports them."""
        while not self._closed.is_set():
            try:
                fixes = self._step()
            except OSError:
                yield from self._new(self.decoder.settle())
                if not self._reopen():
                    return
                continue
            yield from self._new(fixes)
        yield from self._new(self.decoder.settle())

    def _step(self) -> list[Fix]:
        connection = self._socket
        if connection is None:
            raise ConnectionError("closed")
        try:
            data = connection.recv(65536)
        except TimeoutError:
            return self.decoder.settle()
        if not data:
            raise ConnectionError("gpsd has ended")
        return self.decoder.feed(data)

    def _reopen(self) -> bool:
        self._give_back()
        if self._closed.is_set():
            return False
        self.on_event("receiver", {"line": "lost"})
        self.decoder = GpsdDecoder(self._device or None)
        tries = 0
        while not self._closed.wait(_RETRY_S[min(tries, len(_RETRY_S) - 1)]):
            tries += 1
            try:
                self.open()
            except UnavailableError:
                continue
            self.on_event("receiver", {"line": "back"})
            return True
        return False

    def _new(self, fixes: list[Fix]) -> Iterator[Fix]:
        return (fix for fix in fixes if self._forward.admit(fix))

    def _give_back(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """End the connection and an iteration that waits."""
        self._closed.set()
        self._give_back()

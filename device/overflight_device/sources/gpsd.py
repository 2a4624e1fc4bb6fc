"""``gpsd://HOST[:PORT][/DEVICE]``: what a gpsd daemon says of its receiver.

Port 2947 by default. With a device (``gpsd://127.0.0.1/dev/ttyAMA0``) only its reports count.
"""

from __future__ import annotations

import json
import socket
from typing import Final
from urllib.parse import urlsplit

from overflight_contract.errors import InputError, UnavailableError
from overflight_device.fix import Fix, SourceOptions
from overflight_device.receivers.gpsd_json import GpsdDecoder
from overflight_device.sources.line import LiveSource

PORT: Final = 2947
_CONNECT_S: Final = 5.0
_READ_S: Final = 0.3


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


class GpsdSource(LiveSource):
    """Fixes of a gpsd daemon; the connection is made again where it is lost."""

    def __init__(self, host: str, port: int, device: str, options: SourceOptions) -> None:
        super().__init__(options)
        self.decoder = GpsdDecoder(device or None)
        self._address = (host, port)
        self._device = device
        self._socket: socket.socket | None = None

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

    def _rest(self) -> list[Fix]:
        rest = self.decoder.finish()
        self.decoder = GpsdDecoder(self._device or None)
        return rest

    def _give_back(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

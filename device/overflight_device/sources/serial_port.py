"""``serial:PORT[?baud=N]``: a GNSS receiver on a serial line.

PORT is a device (``/dev/ttyAMA0``), a pseudo-terminal, or any URL that pyserial knows
(``socket://HOST:PORT``, ``rfc2217://HOST:PORT``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl

import serial

from overflight_contract.errors import InputError, UnavailableError
from overflight_device.fix import Event, Fix, FlightPlan, SourceOptions
from overflight_device.receivers.stream import ReceiverDecoder

DEFAULT_BAUD: Final = 9600
_READ_TIMEOUT_S: Final = 0.2


def open_source(rest: str, options: SourceOptions) -> SerialSource:
    """Open the line; `InputError` for a bad spec, `UnavailableError` where it can't be opened."""
    port, _, query = rest.partition("?")
    settings = dict(parse_qsl(query, keep_blank_values=True))
    baud = settings.pop("baud", str(DEFAULT_BAUD))
    if settings:
        raise InputError(f"serial: knows no setting {', '.join(settings)}; there is: baud")
    if not baud.isdigit() or int(baud) == 0:
        raise InputError(f"{baud!r} is no baud rate; as in 9600")
    if not port:
        raise InputError("serial: needs a port, as in serial:/dev/ttyAMA0")
    source = SerialSource(port, int(baud), options)
    source.open()
    return source


class SerialSource:
    """Fixes of a receiver, as they come."""

    live = True
    simulated = False
    plan: FlightPlan | None = None

    def __init__(self, port: str, baud: int, options: SourceOptions) -> None:
        self._port = port
        self._baud = baud
        self._after_ns = options.start_after_ns
        self._line: serial.SerialBase | None = None
        self._closed = threading.Event()
        self.decoder = ReceiverDecoder()

    def open(self) -> None:
        """Open the line; `UnavailableError` says why it can't be."""
        try:
            self._line = serial.serial_for_url(
                self._port, baudrate=self._baud, timeout=_READ_TIMEOUT_S
            )
        except (serial.SerialException, ValueError, OSError) as error:
            raise UnavailableError(
                f"can't open the serial port {self._port}: {error}; "
                "'overflight device ports' lists what is plugged in"
            ) from error

    def __iter__(self) -> Iterator[Event]:
        """Yield fixes as the receiver makes them; ends when closed or when the line is gone."""
        while not self._closed.is_set():
            try:
                data = self._read()
            except (serial.SerialException, OSError, TypeError):
                break
            yield from self._new(self.decoder.feed(data) if data else self.decoder.settle())
        yield from self._new(self.decoder.finish())

    def _read(self) -> bytes:
        line = self._line
        if line is None:
            raise serial.SerialException("closed")
        first: bytes = line.read(1)
        return first + bytes(line.read(line.in_waiting)) if first else b""

    def _new(self, fixes: list[Fix]) -> Iterator[Fix]:
        for fix in fixes:
            if self._after_ns is None or fix.measured_at_ns > self._after_ns:
                self._after_ns = fix.measured_at_ns
                yield fix

    def close(self) -> None:
        """Give the line back; ends an iteration that waits."""
        self._closed.set()
        line, self._line = self._line, None
        if line is not None:
            line.close()

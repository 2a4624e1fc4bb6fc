"""``serial:PORT[?baud=N]``: a GNSS receiver on a serial line.

PORT is a device (``/dev/ttyAMA0``), a pseudo-terminal, or any URL that pyserial knows
(``socket://HOST:PORT``, ``rfc2217://HOST:PORT``). Without ``baud`` the rate is found by listening.
``airborne=off`` leaves a u-blox receiver as it is; ``reconnect=off`` ends with the line.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import serial

from overflight_contract.errors import InputError, UnavailableError
from overflight_device.fix import Fix, SourceOptions
from overflight_device.receivers.airborne import Airborne
from overflight_device.receivers.baud import BaudSearch
from overflight_device.receivers.framing import Frame, Sentence, Ubx
from overflight_device.receivers.stream import ReceiverDecoder
from overflight_device.sources.line import LiveSource

_READ_TIMEOUT_S: Final = 0.15
_GATHER_S: Final = 0.02
_MOST: Final = 65_536
_WRITE_TIMEOUT_S: Final = 1.0
_MANY_FIELDS: Final = 4
_SWITCH: Final = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """What the spec says. `baud` is `None` where it is to be found."""

    port: str
    baud: int | None = None
    airborne: bool = True
    reconnect: bool = True


def parse(rest: str) -> SerialSettings:
    """Parse ``PORT[?baud=N&airborne=off&reconnect=off]``; `InputError` says what is wrong."""
    port, _, query = rest.partition("?")
    if not port:
        raise InputError("serial: needs a port, as in serial:/dev/ttyAMA0")
    given = dict(parse_qsl(query, keep_blank_values=True))
    baud = given.pop("baud", "auto")
    if baud != "auto" and not (baud.isdigit() and 0 < int(baud) <= 4_000_000):
        raise InputError(f"{baud!r} is no baud rate; as in 9600")
    switches = {}
    for name in ("airborne", "reconnect"):
        value = given.pop(name, "on")
        if value not in _SWITCH:
            raise InputError(f"serial: {name} is on or off, not {value!r}")
        switches[name] = _SWITCH[value]
    if given:
        raise InputError(
            f"serial: knows no setting {', '.join(given)}; there are: baud, airborne, reconnect"
        )
    return SerialSettings(port, None if baud == "auto" else int(baud), **switches)


def open_source(rest: str, options: SourceOptions) -> SerialSource:
    """Open the line; `InputError` for a bad spec, `UnavailableError` where it can't be opened."""
    source = SerialSource(parse(rest), options)
    source.open()
    return source


class SerialSource(LiveSource):
    """Fixes of a receiver. `airborne` and `baud` tell what was set up and found."""

    _lost = (serial.SerialException, OSError, TypeError)  # TypeError: closed while it was read

    def __init__(self, settings: SerialSettings, options: SourceOptions) -> None:
        super().__init__(options, reconnect=settings.reconnect)
        self.settings = settings
        self.airborne = Airborne()
        self.baud = BaudSearch(settings.baud)
        self.decoder = self._new_decoder()
        self._line: Any = None
        self._frames: list[Frame] = []
        self._airborne_before = self.airborne.state

    def _new_decoder(self) -> ReceiverDecoder:
        return ReceiverDecoder(self._see, bare_times=False, now_ns=time.time_ns())

    def open(self) -> None:
        """Open the line; `UnavailableError` says why it can't be."""
        port = self.settings.port
        own = {} if "://" in port else {"exclusive": True}
        try:
            self._line = serial.serial_for_url(
                port,
                baudrate=self.baud.rate,
                timeout=_READ_TIMEOUT_S,
                write_timeout=_WRITE_TIMEOUT_S,
                **own,
            )
        except (serial.SerialException, ValueError, OSError) as error:
            raise UnavailableError(
                f"can't open the serial port {port}: {error}; "
                "'overflight device ports' lists what is plugged in"
            ) from error

    def _step(self) -> list[Fix]:
        """Read what has come, answer the receiver, and return the fixes that are complete."""
        line = self._line
        if line is None:
            raise serial.SerialException("closed")
        data = self._read(line)
        fixes = self.decoder.feed(data) if data else self.decoder.settle()
        now_s = time.monotonic()
        frames, self._frames = self._frames, []
        found_before = self.baud.found
        if self.baud.heard(len(data), sum(map(_is_sound, frames)), now_s):
            line.baudrate = self.baud.rate
            self.decoder = self._new_decoder()
        if self.baud.found is not found_before:
            self.on_event("receiver", {"baud": self.baud.rate if self.baud.found else None})
        self._talk(line, frames, now_s)
        return fixes

    def _read(self, line: Any) -> bytes:
        """Return what has come; nothing where the line was quiet for a while."""
        if "://" in self.settings.port:
            return bytes(line.read(_MOST))  # such lines do not say how much waits
        first = bytes(line.read(1))
        if not first:
            return b""
        self._closed.wait(_GATHER_S)  # few large reads cost less than many small ones
        return first + bytes(line.read(min(line.in_waiting, _MOST)))

    def _see(self, frame: Frame) -> None:
        self._frames.append(frame)

    def _talk(self, line: Any, frames: list[Frame], now_s: float) -> None:
        if not self.settings.airborne or not self.baud.found:
            return
        words = self.airborne.tick(now_s)
        for frame in frames:
            words += self.airborne.take(frame, now_s)
        for word in words:
            line.write(word)
        if self.airborne.state is not self._airborne_before:
            self._airborne_before = self.airborne.state
            self.on_event("receiver", {"airborne": str(self.airborne.state)})

    def _rest(self) -> list[Fix]:
        rest = self.decoder.finish()
        self.decoder = self._new_decoder()
        self.airborne.restart()
        return rest

    def _give_back(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()


def _is_sound(frame: Frame) -> bool:
    """Return whether a frame can't well be noise; some old receivers send no checksums."""
    if isinstance(frame, Sentence):
        return frame.checked or len(frame.fields) > _MANY_FIELDS
    return isinstance(frame, Ubx)

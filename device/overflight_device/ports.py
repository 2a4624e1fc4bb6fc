"""Serial ports of this machine, and which of them may be a GNSS receiver."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from serial.tools import list_ports

U_BLOX_VENDOR: Final = 0x1546
_ADAPTERS: Final = {
    0x067B: "Prolific adapter",
    0x0403: "FTDI adapter",
    0x10C4: "Silicon Labs adapter",
    0x1A86: "WCH adapter",
}
_ONBOARD: Final = ("serial0", "serial1")


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port: its path, what it says of itself, and a word on what it may be."""

    port: str
    description: str
    manufacturer: str | None
    serial_number: str | None
    usb_id: str | None
    likely: str | None

    def as_json(self) -> dict[str, str | None]:
        """Return the fields by name."""
        return asdict(self)


def find_ports(devices: Path = Path("/dev")) -> list[Port]:
    """Return the ports of this machine, likely receivers first."""
    found = [
        Port(
            port=info.device,
            description=info.description if info.description != "n/a" else "",
            manufacturer=info.manufacturer,
            serial_number=info.serial_number,
            usb_id=None if info.vid is None else f"{info.vid:04x}:{info.pid:04x}",
            likely=_likely(info.vid, info.description or ""),
        )
        for info in list_ports.comports()
    ]
    targets = {port.port for port in found}
    for name in _ONBOARD:
        path = devices / name
        if path.exists() and os.path.realpath(path) not in targets:
            found.append(
                Port(str(path), "serial line on the pins", None, None, None, "Raspberry Pi pins")
            )
    return sorted(found, key=lambda port: (port.likely is None, port.port))


def _likely(vendor: int | None, description: str) -> str | None:
    if vendor == U_BLOX_VENDOR:
        return "u-blox receiver"
    if any(word in description.lower() for word in ("gps", "gnss", "u-blox")):
        return "GNSS receiver"
    return None if vendor is None else _ADAPTERS.get(vendor)

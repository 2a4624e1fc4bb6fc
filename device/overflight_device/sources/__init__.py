"""Fix sources by name: ``sim:SCENARIO``, ``track:FILE``, ``serial:PORT``, ``gpsd://HOST``.

To add one, write a module here with ``open_source(rest, options)`` and name it in `SCHEMES`.
"""

from __future__ import annotations

import importlib
from typing import Final

from overflight_contract.errors import InputError
from overflight_device.fix import FixSource, SourceOptions

SCHEMES: Final[dict[str, tuple[str, str]]] = {
    "sim": ("overflight_device.sources.sim", "sim:SCENARIO, a simulated flight"),
    "track": (
        "overflight_device.sources.track",
        "track:FILE, a recorded flight (APRS CSV, rows, GPX, GeoJSON, receiver or gpsd log)",
    ),
    "serial": (
        "overflight_device.sources.serial_port",
        "serial:PORT[?baud=N], a GNSS receiver on a serial line",
    ),
    "gpsd": ("overflight_device.sources.gpsd", "gpsd://HOST[:PORT], a gpsd daemon"),
}


def open_source(spec: str, options: SourceOptions) -> FixSource:
    """Open the source that `spec` names; `InputError` says what is wrong with it."""
    scheme, colon, rest = spec.partition(":")
    if not colon or scheme not in SCHEMES:
        known = "; ".join(text for _, text in SCHEMES.values())
        raise InputError(f"no fix source {spec!r}; there are {known}")
    module = importlib.import_module(SCHEMES[scheme][0])
    source: FixSource = module.open_source(rest, options)
    return source

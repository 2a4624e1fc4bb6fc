"""paho-mqtt, imported without what a payload never uses of it.

paho imports ``urllib.request`` (and by it an HTTP client, e-mail, archives) only to look for an
``mqtt_proxy``, and that only where PySocks is installed. That is 2.4 MB of a payload's memory and a
tenth of its start; so paho finds an empty stand-in for that module while it is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Final

_HEAVY: Final = "urllib.request"


def _import_lean() -> None:
    if _HEAVY in sys.modules or importlib.util.find_spec("socks") is not None:
        return
    sys.modules[_HEAVY] = types.ModuleType(_HEAVY)
    try:
        importlib.import_module("paho.mqtt.client")
    finally:
        del sys.modules[_HEAVY]


_import_lean()

import paho.mqtt.client as mqtt  # noqa: E402 - after the stand-in
from paho.mqtt.enums import CallbackAPIVersion  # noqa: E402
from paho.mqtt.packettypes import PacketTypes  # noqa: E402
from paho.mqtt.properties import Properties  # noqa: E402

__all__ = ["CallbackAPIVersion", "PacketTypes", "Properties", "mqtt"]

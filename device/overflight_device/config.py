"""What a payload is told when it starts."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

from overflight_device.outbox import DEFAULT_MAX_BYTES
from overflight_device.uplink import UplinkConfig


class LogStyle(enum.StrEnum):
    """How `overflight device run` shows itself."""

    AUTO = "auto"
    LIVE = "live"
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, kw_only=True)
class PayloadConfig:
    """A payload's configuration; durations in seconds, sizes in bytes.

    `speed` is how many seconds of flight pass in one of wall time (None: as fast as possible); it
    means nothing to a live source. `for_s` ends the flight after so much wall time; what is in the
    outbox is still delivered, for `linger_s` at the most.
    """

    source: str
    uplink: UplinkConfig
    data: Path
    payload: str | None = None
    camera: str = "none"
    picture_every_s: float | None = None
    speed: float | None = 1.0
    seed: int = 0
    outbox_bytes: int = DEFAULT_MAX_BYTES
    vault_bytes: int | None = None
    for_s: float | None = None
    linger_s: float | None = None
    log: LogStyle = LogStyle.AUTO

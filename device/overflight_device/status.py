"""What a running payload tells of itself, for its screen and its log."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from overflight_contract.times import iso
from overflight_device.fix import Fix
from overflight_device.navigation import Motion
from overflight_device.outbox import Depth


@dataclass
class Status:
    """A snapshot that threads update piece by piece; each piece is replaced whole."""

    payload: str
    flight: str
    source: str
    simulated: bool
    fix: Fix | None = None
    motion: Motion | None = None
    depth: Depth | None = None
    written: int = 0
    link: str = "down"
    mqtt: str | None = None
    in_flight: int = 0
    resends: int = 0
    last_receipt: int | None = None
    pictures: int = 0
    picture_bytes: int = 0
    camera: str = "none"
    disk_free_bytes: int = 0
    stage: str = "starting"
    events: deque[tuple[float, str, dict[str, Any]]] = field(
        default_factory=lambda: deque(maxlen=50)
    )

    def as_json(self) -> dict[str, Any]:
        """Return what goes into a status line of the JSON log."""
        fix, motion, depth = self.fix, self.motion, self.depth
        return {
            "event": "status",
            "payload": self.payload,
            "flight": self.flight,
            "stage": self.stage,
            "simulated": self.simulated,
            "phase": None if motion is None else str(motion.phase),
            "measured_at": None if fix is None else iso(fix.measured_at_ns),
            "fix": None if fix is None else str(fix.mode),
            "lat_deg": None if fix is None else fix.lat_deg,
            "lon_deg": None if fix is None else fix.lon_deg,
            "alt_msl_m": None if fix is None else fix.alt_msl_m,
            "speed_mps": None if motion is None else motion.speed_mps,
            "written": self.written,
            "outbox": 0 if depth is None else depth.pending,
            "outbox_bytes": 0 if depth is None else depth.pending_bytes,
            "receipted_through": 0 if depth is None else depth.receipted_through,
            "given_up": 0 if depth is None else depth.given_up,
            "set_aside": 0 if depth is None else depth.set_aside,
            "link": self.link,
            "mqtt": self.mqtt,
            "in_flight": self.in_flight,
            "resends": self.resends,
            "pictures": self.pictures,
            "picture_bytes": self.picture_bytes,
            "camera": self.camera,
            "disk_free_bytes": self.disk_free_bytes,
        }

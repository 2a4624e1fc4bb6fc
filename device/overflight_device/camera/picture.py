"""One picture, as it goes from a camera into the vault."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A whole JPEG file and what is known of it; degrees on WGS-84, metres above mean sea level."""

    data: bytes
    taken_at_ns: int
    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_msl_m: float | None = None
    serial: int | None = None
    origin: Path | None = None
    """The file that a camera program wrote, where there is one."""

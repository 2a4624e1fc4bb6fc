"""What a fix source yields: fixes, and in simulations the faults that befall the payload.

Units: degrees on WGS-84, metres, metres a second; a value that the source did not give is `None`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from overflight_contract.messages import Fix as FixMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One epoch of a receiver. `measured_at_ns` is UTC, nanoseconds since 1970."""

    measured_at_ns: int
    mode: FixMode
    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_msl_m: float | None = None
    alt_hae_m: float | None = None
    speed_mps: float | None = None
    track_deg: float | None = None
    climb_mps: float | None = None
    sats: int | None = None
    hdop: float | None = None


class FaultKind(enum.StrEnum):
    """What a scenario can do to the payload on schedule."""

    LINK_DOWN = "link-down"
    LINK_UP = "link-up"
    CAMERA_DOWN = "camera-down"
    CAMERA_UP = "camera-up"
    REBOOT = "reboot"
    BROWN_OUT = "brown-out"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that begins (or ends) at `at_ns`.

    `FaultKind.REBOOT` is a clean restart of the process, `BROWN_OUT` a SIGKILL to itself; faults of
    the receiver and of the clock show in the fixes and need no event.
    """

    kind: FaultKind
    at_ns: int


Event = Fix | Fault


class FixSource(Protocol):
    """Where fixes come from. Iterating blocks until the next one; it ends when the source does."""

    @property
    def live(self) -> bool:
        """True where fixes come in real time; False where the payload paces them (`--speed`)."""

    @property
    def simulated(self) -> bool:
        """True where the positions are not from a real receiver."""

    @property
    def plan(self) -> FlightPlan | None:
        """The flight plan, where the source has one."""

    def __iter__(self) -> Iterator[Event]:
        """Yield events in order of time."""

    def close(self) -> None:
        """Give the resource back; ends an iteration that waits. Safe to call twice."""


@dataclass(frozen=True, slots=True)
class PlanPoint:
    """A waypoint of a flight plan; its number is its place in the plan, from 0."""

    lat_deg: float
    lon_deg: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class FlightPlan:
    """Waypoints in order, and how far beside the leg the payload may be, in metres."""

    points: tuple[PlanPoint, ...]
    width_m: float = 500_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What every source may be told.

    `seed` feeds simulated chance. `start_after_ns`: go on after this time (the payload was
    restarted and has recorded up to there); events up to and including it are not yielded again.
    """

    seed: int = 0
    start_after_ns: int | None = None

"""What goes into the watchers and what comes out of them."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

from overflight_contract.messages import Navigation, Position, Telemetry
from overflight_ground.ingest.plausible import ahead


class State(enum.Enum):
    """What a watcher says of a subject."""

    ON = "on"
    OFF = "off"
    ONCE = "once"
    """Something that happens at one moment: begins and ends at once."""


class Seen(NamedTuple):
    """One stored message."""

    payload: str
    flight: str
    message: Telemetry
    at_ns: int
    received_at_ns: int
    suspect: str | None

    @property
    def place(self) -> tuple[float, float, float | None] | None:
        """Latitude, longitude and altitude of a position that has them."""
        message = self.message
        if not isinstance(message, Position) or message.lat_deg is None or message.lon_deg is None:
            return None
        return message.lat_deg, message.lon_deg, message.alt_msl_m

    @property
    def motion(self) -> Navigation | None:
        """The message, where it is a navigation message."""
        return self.message if isinstance(self.message, Navigation) else None

    @property
    def ahead(self) -> bool:
        """Whether it says a time that is yet to come."""
        return ahead(self.suspect)


class Signal(NamedTuple):
    """What a watcher has to say; the engine makes alerts of it."""

    kind: str
    subject: str
    payload: str
    flight: str
    state: State
    at_ns: int
    severity: str
    title: str
    cause: str
    evidence: dict[str, Any]
    lat_deg: float | None = None
    lon_deg: float | None = None


class Watcher(Protocol):
    """Looks at messages in the order of their arrival; one for each kind of alert."""

    kind: str

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""


@runtime_checkable
class Resuming(Protocol):
    """A watcher that goes on from alerts that were open when the ground stopped."""

    def resume(self, payload: str, flight: str, subject: str) -> None:
        """Go on from an open alert of its kind."""


@runtime_checkable
class Remembering(Protocol):
    """A watcher that raises an alert once a flight."""

    def known(self, payload: str, flight: str) -> None:
        """Learn that such an alert was raised for this flight before the ground started."""

"""What a crossing needs of the relay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from overflight_contract.session import ConnectionOpened, Direction
from overflight_relay.link.model import Line
from overflight_relay.link.queue import Link
from overflight_relay.lookout import Lookout
from overflight_relay.tap import CaptureError, Tap

if TYPE_CHECKING:
    from overflight_relay.crossing import Crossing


class Services(Protocol):
    """What all crossings of a relay share."""

    tap: Tap
    lookout: Lookout

    @property
    def link(self) -> Link:
        """The link in force."""

    def line(self, client_id: str, connection: int, direction: Direction) -> Line:
        """Return the line of a client's connection, which is numbered among the client's."""

    def number_of(self, client_id: str) -> int:
        """Count one more connection of a client."""

    def note(self, kind: str, **detail: str) -> None:
        """Record a note."""

    def note_opened(self, info: ConnectionOpened) -> None:
        """Record that a connection was made."""

    def spawn(self, crossing: Crossing) -> None:
        """Connect the crossing to its broker."""

    def finished(self, crossing: Crossing) -> None:
        """Forget the crossing."""

    def fail(self, error: CaptureError) -> None:
        """Stop the relay."""

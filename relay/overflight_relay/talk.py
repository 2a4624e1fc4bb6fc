"""What a crossing needs of whoever understands its bytes."""

from __future__ import annotations

from typing import Protocol

from overflight_relay.effects import Effects


class Talk(Protocol):
    """What understands the bytes: a `Conversation`, or one that sees only sealed records."""

    @property
    def client_id(self) -> str | None:
        """Who the client is, once it has said so."""

    @property
    def server_name(self) -> str | None:
        """The name in a TLS hello, where that is all there is to see."""

    @property
    def pending(self) -> int:
        """Bytes held back until their packet is whole."""

    @property
    def unanswered(self) -> int:
        """How many messages of the client the broker has still to acknowledge."""

    def passes_up(self, data: bytes) -> bool:
        """Tell whether `data` of the client is one packet that passes as it is; takes note of it.

        Where the answer is no, `from_client` says what becomes of `data`.
        """

    def passes_down(self, data: bytes) -> bool:
        """Tell the same of `data` of the broker."""

    def from_client(self, data: bytes, now_ns: int) -> Effects:
        """Take bytes of the client."""

    def from_broker(self, data: bytes, now_ns: int) -> Effects:
        """Take bytes of the broker."""

    def broker_unavailable(self) -> bytes:
        """Return what to tell a client whose broker can't be reached."""

    def farewell(self, reason_code: int) -> bytes:
        """Return what to tell a client whose connection the relay ends."""

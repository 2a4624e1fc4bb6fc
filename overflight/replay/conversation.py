"""A recorded connection as a conversation: what the payload said, and what followed from it.

Each packet of the broker follows its cause, not the clock: an acknowledgement follows what it
acknowledges, anything else the last thing that the payload had said by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from overflight_contract.dissect import Dissector, PacketView
from overflight_contract.errors import InputError
from overflight_contract.session.model import (
    ConnectionClosed,
    ConnectionOpened,
    Item,
    SessionPacket,
)

SAID: Final = frozenset({"connect", "publish", "subscribe", "unsubscribe", "disconnect", "auth"})
"""What is compared; acknowledgements and pings follow from what the broker does."""
_ACKS: Final = frozenset({"puback", "pubrec", "suback", "unsuback"})


@dataclass
class Turn:
    """One packet of the payload, and the packets of the broker that it caused."""

    said: PacketView
    answers: list[PacketView] = field(default_factory=list)


@dataclass
class Conversation:
    """One recorded connection."""

    connection: int
    turns: list[Turn] = field(default_factory=list)
    ended_by: str = ""
    """``client``, ``broker`` or ``relay``; empty where the session does not say."""

    @property
    def client_id(self) -> str:
        """The client id of its CONNECT."""
        return self.turns[0].said.client_id if self.turns else ""


def conversations(items: Iterable[Item]) -> list[Conversation]:
    """Return the recorded connections that begin with a CONNECT, in their order."""
    dissector = Dissector()
    found: dict[int, _Listener] = {}
    for item in items:
        if isinstance(item, SessionPacket):
            view = dissector.view(item)
            found.setdefault(item.connection, _Listener(item.connection)).hear(view)
        elif isinstance(item, ConnectionOpened):
            dissector.opened(item.connection, opaque=item.tls == "passthrough")
        elif isinstance(item, ConnectionClosed) and item.connection in found:
            found[item.connection].conversation.ended_by = item.by
    told = [listener.conversation for listener in found.values()]
    return [each for each in told if each.turns and each.turns[0].said.type == "connect"]


def of_client(several: list[Conversation], client_id: str | None) -> list[Conversation]:
    """Return the conversations of one client; without a name, of the only payload.

    Raises `InputError` where there is none, or more than one to choose from.
    """
    everyone = list(dict.fromkeys(each.client_id for each in several))
    names = list(dict.fromkeys(each.client_id for each in several if _is_payload(each)))
    if len(everyone) == 1:
        names = everyone
    if client_id is None and len(names) > 1:
        raise InputError(f"the session has several clients; choose one: --client {names[0]}")
    wanted = client_id if client_id is not None else next(iter(names), None)
    chosen = [each for each in several if each.client_id == wanted]
    if not chosen:
        known = ", ".join(everyone) or "none"
        raise InputError(
            f"no client {wanted or 'that publishes'} in the session (clients: {known})"
        )
    return chosen


def _is_payload(conversation: Conversation) -> bool:
    return any(turn.said.type == "publish" for turn in conversation.turns)


class _Listener:
    """Builds one conversation from views in their order."""

    def __init__(self, connection: int) -> None:
        self.conversation = Conversation(connection)
        self._asked: dict[tuple[str, int], Turn] = {}

    def hear(self, view: PacketView) -> None:
        """Take the next packet."""
        if view.part or view.type in ("opaque", "malformed"):
            return
        if view.direction == "up":
            self._said(view)
        else:
            self._answered(view)

    def _said(self, view: PacketView) -> None:
        if view.type not in SAID or view.dup:
            return
        turn = Turn(view)
        self.conversation.turns.append(turn)
        if view.packet_id is not None:
            self._asked[_FAMILY[view.type], view.packet_id] = turn

    def _answered(self, view: PacketView) -> None:
        turns = self.conversation.turns
        if view.type in _ACKS:
            turn = self._asked.pop((_FAMILY[view.type], view.packet_id or 0), None)
        elif view.type in ("publish", "connack", "auth", "disconnect") and not view.dup:
            turn = turns[-1] if turns else None
        else:
            turn = None
        if turn is not None:
            turn.answers.append(view)


_FAMILY: Final = {
    "publish": "publish",
    "puback": "publish",
    "pubrec": "publish",
    "subscribe": "subscribe",
    "suback": "subscribe",
    "unsubscribe": "unsubscribe",
    "unsuback": "unsubscribe",
}
"""An acknowledgement and what it acknowledges are of one family of packet ids."""

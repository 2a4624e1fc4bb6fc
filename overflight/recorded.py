"""`overflight.Session`: a session file as Python objects.

with overflight.Session.open("flight.mcap") as session:
    for message in session.messages(kind="position"):
        print(message.at, message.payload, message.message.alt_msl_m)
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

from overflight_contract.dissect import Dissector, PacketView
from overflight_contract.filters import Predicate, compile_filter
from overflight_contract.messages import Message, Navigation, Position
from overflight_contract.session import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    Note,
    SessionPacket,
    SessionReader,
    open_session,
)
from overflight_contract.times import from_ns
from overflight_contract.topics import Kind


class SessionMessage(NamedTuple):
    """A PUBLISH of a session."""

    at: dt.datetime
    """When it crossed, UTC."""
    topic: str
    payload: str | None
    """Name of the payload (the flying one), by topic, else by connection."""
    data: bytes
    """The bytes that were published."""
    message: Message | None
    """The message of the contract; `None` where it is none."""
    verdict: str
    """``ok``, ``marked`` or ``refused``."""
    packet: PacketView
    """The packet with all its fields."""

    @property
    def key(self) -> tuple[str, bytes]:
        """What makes it the same message in another session: topic and bytes."""
        return self.topic, self.data


class Session:
    """A session file, or a folder of them, read from the start each time it is gone through."""

    def __init__(self, reader: SessionReader, only: Predicate | None = None) -> None:
        self._reader = reader
        self._only = only

    @classmethod
    def open(cls, path: str | Path, *, only: str = "") -> Self:
        """Open a session; `only` is a filter as in docs/filters.md.

        Raises `InputError` where it can't be read, `FilterError` where the filter can't.
        """
        predicate = compile_filter(only) if only else None
        return cls(open_session(Path(path)), predicate)

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """Where it was opened."""
        return self._reader.path

    @property
    def start(self) -> dt.datetime | None:
        """Time of the first packet, UTC; `None` of an empty session."""
        return None if self._reader.start_ns is None else from_ns(self._reader.start_ns)

    @property
    def end(self) -> dt.datetime | None:
        """Time of the last packet, UTC."""
        return None if self._reader.end_ns is None else from_ns(self._reader.end_ns)

    @property
    def duration(self) -> dt.timedelta:
        """From the first packet to the last."""
        start, end = self.start, self.end
        return end - start if start and end else dt.timedelta(0)

    @property
    def metadata(self) -> dict[str, str]:
        """What was noted when the recording began."""
        return dict(self._reader.metadata)

    @property
    def damage(self) -> list[str]:
        """What of it could not be read; complete once it was gone through."""
        return list(self._reader.damage)

    def connections(self) -> list[Connection]:
        """List the connections, by number."""
        return self._reader.connections()

    def notes(self) -> list[Note]:
        """List what else was noted: policy, link changes, gaps."""
        return self._reader.notes()

    def packets(self, only: str = "") -> Iterator[PacketView]:
        """Yield packets in the order in which they crossed; `only` narrows further."""
        keep = compile_filter(only)
        dissector = Dissector()
        for item in self._reader:
            if isinstance(item, SessionPacket):
                view = dissector.view(item)
                if (self._only is None or self._only(view)) and keep(view):
                    yield view
            elif isinstance(item, ConnectionOpened):
                dissector.opened(item.connection, opaque=item.tls == "passthrough")
            elif isinstance(item, ConnectionClosed):
                dissector.closed(item.connection)

    def __iter__(self) -> Iterator[PacketView]:
        return self.packets()

    def messages(
        self,
        *,
        payload: str | None = None,
        kind: Kind | str | None = None,
        direction: str | None = None,
        only: str = "",
    ) -> Iterator[SessionMessage]:
        """Yield the messages: of one payload, of one kind, ``up`` or ``down``, or by filter."""
        for view in self.packets(only):
            if view.type != "publish" or view.topic is None or view.part:
                continue
            if payload is not None and view.payload != payload:
                continue
            if direction is not None and view.direction != direction:
                continue
            found = view.message
            if kind is not None and (found is None or _kind(found) != kind):
                continue
            yield SessionMessage(
                from_ns(view.at_ns),
                view.topic,
                view.payload,
                view.body,
                found,
                view.verdict,
                view,
            )

    def track(self, payload: str | None = None, flight: str | None = None) -> list[Position]:
        """Return the positions with a fix that crossed, by flight and seq, each once."""
        found: dict[tuple[str, str, int], Position] = {}
        for each in self.messages(payload=payload, kind=Kind.POSITION):
            position = each.message
            if not isinstance(position, Position) or position.lat_deg is None:
                continue
            if each.verdict != "refused" and flight in (None, position.flight):
                found[each.payload or "", position.flight, position.seq] = position
        return [found[key] for key in sorted(found)]

    def payloads(self) -> list[str]:
        """Name the payloads, sorted."""
        return self._names(lambda each: each.payload)

    def flights(self) -> list[str]:
        """Name the flights, sorted."""
        return self._names(lambda each: getattr(each.message, "flight", None))

    def verdicts(self) -> Counter[str]:
        """Count the packets by verdict."""
        return Counter(view.verdict for view in self.packets())

    def _names(self, name: Callable[[SessionMessage], str | None]) -> list[str]:
        return sorted({found for each in self.messages() if (found := name(each))})


def _kind(message: Message) -> Kind:
    if isinstance(message, Position):
        return Kind.POSITION
    return Kind.NAVIGATION if isinstance(message, Navigation) else Kind.RECEIPT

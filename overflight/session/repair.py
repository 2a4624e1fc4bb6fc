"""Saves what is left of a damaged session: every whole chunk and batch, with a note at each gap."""

from __future__ import annotations

from collections.abc import Iterator

from overflight_contract.session import Item, Note, SessionPacket, SessionReader


def salvage(session: SessionReader) -> Iterator[Item]:
    """Yield what can be read of a session opened with ``salvage``; gaps become notes.

    What has the wrong checksum is left out, never guessed at.
    """
    following: int | None = None
    for items in session.batches():
        first = _first_sequence(items)
        if first is not None and following is not None and first > following:
            yield _gap(items, first - following)
        yield from items
        if first is not None:
            following = first + len(items)


def _first_sequence(items: list[Item]) -> int | None:
    for index, item in enumerate(items):
        if isinstance(item, SessionPacket):
            return item.sequence - index
    return None


def _gap(items: list[Item], missing: int) -> Note:
    first = items[0]
    at_ns = first.crossed_at_ns if isinstance(first, SessionPacket) else first.at_ns
    detail = {"cause": "the file was damaged", "missing": f"{missing} items before this one"}
    return Note(at_ns, "gap", detail)

"""What a batch has stored, as a sequence whose members are made when somebody looks at them.

Most of a fast stream is never looked at one by one: the page and the alerts take some of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, overload

from overflight_contract.topics import Kind
from overflight_ground.ingest.judge import Accepted, maker
from overflight_ground.ingest.run import Run


class Stored(NamedTuple):
    """A message that is stored, and the marks of a suspect one."""

    id: int
    accepted: Accepted
    suspect: str | None


stored: Final = maker(Stored)


class StoredRun(Sequence[Stored]):
    """A run that is stored under ids that follow one another; none of it is suspect."""

    __slots__ = ("_places", "first_id", "run")

    def __init__(self, first_id: int, run: Run, places: Sequence[int] | None = None) -> None:
        """`places` narrows it to some of the run's messages."""
        self.first_id = first_id
        self.run = run
        self._places = range(run.messages) if places is None else places

    def of_kind(self, kind: Kind) -> StoredRun:
        """Return those of `kind`."""
        ways = self.run.ways
        places = [place for place in self._places if ways[place].kind is kind]
        return StoredRun(self.first_id, self.run, places)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Stored: ...

    @overload
    def __getitem__(self, place: slice) -> list[Stored]: ...

    def __getitem__(self, place: int | slice) -> Stored | list[Stored]:
        at = self._places[place]
        return self._made(at) if isinstance(at, int) else [self._made(one) for one in at]

    def _made(self, place: int) -> Stored:
        return Stored(self.first_id + place, self.run.accepted(place), None)


class StoredMessages(Sequence[Stored]):
    """All that a batch stored, or several batches; `parts` are lists and runs, in order."""

    __slots__ = ("_count", "parts")

    def __init__(self, messages: Iterable[Stored] = ()) -> None:
        self.parts: list[Sequence[Stored]] = []
        self._count = 0
        self.add(list(messages))

    def add(self, part: Sequence[Stored]) -> None:
        """Take in more."""
        if isinstance(part, StoredMessages):
            self.parts += part.parts
        elif part:
            self.parts.append(part)
        self._count += len(part)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Stored]:
        for part in self.parts:
            yield from part

    @overload
    def __getitem__(self, place: int) -> Stored: ...

    @overload
    def __getitem__(self, place: slice) -> list[Stored]: ...

    def __getitem__(self, place: int | slice) -> Stored | list[Stored]:
        at = range(self._count)[place]
        return self._some((at,))[0] if isinstance(at, int) else self._some(at)

    def _some(self, places: Sequence[int]) -> list[Stored]:
        """Make the messages at `places`, which rise or fall."""
        if len(places) > 1 and places[0] > places[-1]:
            return self._some(places[::-1])[::-1]
        found: list[Stored] = []
        parts, start = iter(self.parts), 0
        part: Sequence[Stored] = ()
        for place in places:
            while place >= start + len(part):
                start += len(part)
                part = next(parts)
            found.append(part[place - start])
        return found


def thinned(messages: Sequence[Stored], step: int) -> Sequence[Stored]:
    """Return every `step`-th message and the last one; what is left out is never made."""
    return messages if step < 2 else messages[::-step][::-1]

"""The watermark of one flight: how far every seq is dealt with. A pure core.

A seq is *handled* once it is committed or in quarantine under a known identity, or given up: the
payload said by ``held_from`` that it can't deliver it any more. ``through`` is the largest n such
that all of 1..n are handled; it only grows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence


class Watermark:
    """What is handled of one flight. Memory goes with the number of gaps, not of messages."""

    __slots__ = ("_ends", "_starts", "given_up", "held_from", "through")

    def __init__(
        self,
        through: int = 0,
        held_from: int = 1,
        given_up: int = 0,
        pending: Iterable[int] = (),
    ) -> None:
        """Start from a stored state; `pending` are the handled seqs beyond `through`."""
        self.through = through
        self.held_from = held_from
        self.given_up = given_up
        self._starts: list[int] = []
        self._ends: list[int] = []  # inclusive
        for seq in pending:
            self.add(seq)

    def handled(self, seq: int) -> bool:
        """Tell whether `seq` is handled."""
        if seq <= self.through:
            return True
        place = bisect_right(self._starts, seq) - 1
        return place >= 0 and seq <= self._ends[place]

    def add(self, seq: int) -> None:
        """Count `seq` as handled; again changes nothing."""
        if seq == self.through + 1:
            self.through = seq
            self._absorb()
        elif not self.handled(seq):
            self._insert(seq)

    def take(self, seq: int) -> bool:
        """Count `seq` as handled; tell whether it was not before."""
        if seq == self.through + 1:
            self.through = seq
            if self._starts:
                self._absorb()
            return True
        if self.handled(seq):
            return False
        self._insert(seq)
        return True

    def take_run(self, seqs: Sequence[int]) -> bool:
        """Count `seqs` as handled where they are the next ones in order; else change nothing."""
        first = self.through + 1
        last = self.through + len(seqs)
        if self._starts or seqs[0] != first or seqs[-1] != last:
            return False
        if list(seqs) != list(range(first, last + 1)):
            return False
        self.through = last
        return True

    def hold(self, held_from: int) -> int:
        """Take the payload's word that it holds nothing below `held_from`.

        Returns how many seqs that gives up for the first time.
        """
        if held_from <= self.held_from:
            return 0
        self.held_from = held_from
        before = held_from - 1
        if before <= self.through:
            return 0
        covered = sum(
            min(end, before) - start + 1
            for start, end in zip(self._starts, self._ends, strict=True)
            if start <= before
        )
        lost = before - self.through - covered
        self.given_up += lost
        self.through = before
        self._absorb()
        return lost

    def found(self) -> None:
        """Count one seq that was given up as arrived after all."""
        self.given_up = max(0, self.given_up - 1)

    @property
    def newest(self) -> int:
        """The highest seq that is handled."""
        return self._ends[-1] if self._ends else self.through

    @property
    def awaited(self) -> int:
        """How many seqs below `newest` are not handled."""
        return sum([last - first + 1 for first, last in self.gaps()]) if self._starts else 0

    def gaps(self) -> list[tuple[int, int]]:
        """Return the ranges (first, last) between `through` and `newest` that are awaited."""
        found, expected = [], self.through + 1
        for start, end in zip(self._starts, self._ends, strict=True):
            found.append((expected, start - 1))
            expected = end + 1
        return found

    def _insert(self, seq: int) -> None:
        starts, ends = self._starts, self._ends
        place = bisect_right(starts, seq)
        joins_before = place > 0 and ends[place - 1] == seq - 1
        joins_after = place < len(starts) and starts[place] == seq + 1
        if joins_before and joins_after:
            ends[place - 1] = ends[place]
            del starts[place], ends[place]
        elif joins_before:
            ends[place - 1] = seq
        elif joins_after:
            starts[place] = seq
        else:
            starts.insert(place, seq)
            ends.insert(place, seq)

    def _absorb(self) -> None:
        """Move `through` over the ranges that it has reached."""
        reached = 0
        for start, end in zip(self._starts, self._ends, strict=True):
            if start > self.through + 1:
                break
            self.through = max(self.through, end)
            reached += 1
        if reached:
            del self._starts[:reached], self._ends[:reached]

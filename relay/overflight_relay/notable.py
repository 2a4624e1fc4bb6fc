"""The last packets that were refused or marked, kept for who begins to watch later.

They are rare, and what a watcher looks for; among thousands that passed they would soon be gone.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Final

from overflight_contract.session import Verdict
from overflight_relay.effects import PlainRun, Record

MOST_KEPT: Final = 500
_MOST_BYTES: Final = 4 << 20


class Notable:
    """Keeps the last 500 of them, in at most 4 MB, with their numbers in the session."""

    def __init__(self) -> None:
        self._kept: collections.deque[tuple[int, Record]] = collections.deque()
        self._bytes = 0

    def take(self, first: int, records: Sequence[Record]) -> None:
        """Take the records from number `first` on that are worth it."""
        if type(records) is PlainRun:
            return
        for offset, record in enumerate(records):
            if record[3] is not Verdict.OK:
                self._kept.append((first + offset, record))
                self._bytes += len(record[5])
        while len(self._kept) > MOST_KEPT or (self._bytes > _MOST_BYTES and len(self._kept) > 1):
            _, old = self._kept.popleft()
            self._bytes -= len(old[5])

    def last(self) -> list[tuple[int, Record]]:
        """Return them, oldest first."""
        return list(self._kept)

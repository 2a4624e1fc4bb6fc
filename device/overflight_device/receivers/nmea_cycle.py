"""Which sentence begins an epoch, and which ends it: learned from the stream itself.

A sentence with a time other than the last one begins an epoch. The sentence with a time that came
just before it ends one, from then on: receivers keep their order. What follows it without a time
of its own (GSA, VTG, the last GSV) adds to the epoch and ends it once more. GLL is known to trail,
so what ends an epoch may move on to it. The rules are gpsd's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from overflight_device.receivers.epochs import Epochs

_NEW_TIME: Final = 0.01
CONTINUES: Final = frozenset({"GLL", "ACCURACY"})


class Cycle:
    """Watches tags and times; `begins` and `ends` say what the newest sentence did.

    It tells `epochs` whether it is known what ends an epoch.
    """

    def __init__(self, epochs: Epochs) -> None:
        self._epochs = epochs
        self.begins = False
        self.ends = False
        self._enders: set[str] = set()
        self._last_tag = ""
        self._time = 0.0
        self._continues = False

    def see(self, tag: str, times: Sequence[float], *, more: bool, adds: bool) -> None:
        """Take the next sentence.

        `tag` is "" for one that says nothing; `times` are the times (as ``hhmmss.ss``) that it
        registered; `more` says that its series goes on, as in GSV; `adds`, that there is something
        in it.
        """
        self.begins = self.ends = False
        if tag:
            self._continues = tag in CONTINUES
        for time in times:
            before, self._time = self._time, time
            self.begins = abs(time - before) > _NEW_TIME
        if more:
            self.begins = False
        elif times:
            if self.begins:
                self._learn()
        else:
            self.ends = adds and self._last_tag in self._enders
            if self._continues:
                self._enders.discard(self._last_tag)
                self._enders.add(tag)
                self._epochs.end_known = True
        stamped = bool(times)
        if (stamped or self._continues) and tag in self._enders and not more:
            self.ends = True
        if stamped:
            self._last_tag = tag

    def _learn(self) -> None:
        if self._last_tag and self._last_tag not in self._enders and not self._continues:
            self._enders.add(self._last_tag)
            self._epochs.end_known = True

    def unsure(self) -> None:
        """A sentence without a time, where one belongs, breaks what was learned."""
        self._epochs.end_known = False

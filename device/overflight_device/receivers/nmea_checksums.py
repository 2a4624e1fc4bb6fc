"""Whether a sentence without a checksum may be believed.

Before NMEA 0183 version 3 the checksum was optional, and some old receivers send none. But where a
receiver does send them, a sentence without one has lost its end. So such sentences are held back
until it is clear which kind of receiver this is.
"""

from __future__ import annotations

from typing import Final

from overflight_device.receivers.framing import Sentence, Skipped

ENOUGH: Final = 3
"""So many sentences in a row, none with a checksum: the receiver sends none."""


class ChecksumGate:
    """Sentences in, those that may be believed out."""

    def __init__(self, skipped: Skipped) -> None:
        self._skipped = skipped
        self._held: list[Sentence] = []
        self._strict = False
        self._trusting = False

    def admit(self, sentence: Sentence) -> list[Sentence]:
        """Return the sentences that may be believed now."""
        if sentence.checked:
            self._strict = True
            for doubtful in self._release():
                self._refuse(doubtful)
            return [sentence]
        if self._strict:
            self._refuse(sentence)
            return []
        self._held.append(sentence)
        self._trusting = self._trusting or len(self._held) >= ENOUGH
        return self._release() if self._trusting else []

    def finish(self) -> list[Sentence]:
        """Return what was held back: the stream has ended, and none had a checksum."""
        return self._release()

    def _release(self) -> list[Sentence]:
        held, self._held = self._held, []
        return held

    def _refuse(self, sentence: Sentence) -> None:
        size = len(",".join(sentence.fields)) + 1
        self._skipped.add("NMEA: checksum missing", size)

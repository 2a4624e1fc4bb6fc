"""The rhythm in which a payload is heard: the usual pause between its messages. Pure."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from overflight_contract.times import NS_PER_S

STEPS: Final = 24
TOGETHER_NS: Final = NS_PER_S
"""What is measured or arrives within so short a time of a message goes with it, as in a pair."""
HURRIED: Final = 2
"""Where data comes so many times as fast as it was measured, it was held back somewhere."""


@dataclass(slots=True)
class Rhythm:
    """The usual pause, from the newest 24; steps of a second and more are told apart.

    A backlog tells nothing: what is older than the newest message is left out, and so is, where
    there are others, what comes faster than it was measured.
    """

    _steps: deque[int] = field(default_factory=lambda: deque(maxlen=STEPS))
    _hurried: deque[int] = field(default_factory=lambda: deque(maxlen=STEPS))
    _received_ns: int | None = None
    _measured_ns: int = 0
    _newest_ns: int | None = None

    def heard(self, received_at_ns: int, measured_at_ns: int | None) -> None:
        """Take in a message in the order of arrival; `None` is a time that can't be right."""
        newest_ns = self._newest_ns
        if measured_at_ns is None:
            self._beat(received_at_ns, hurried_ns=0)
        elif newest_ns is None:
            self._newest_ns = self._measured_ns = measured_at_ns
            self._beat(received_at_ns, hurried_ns=0)
        elif measured_at_ns > newest_ns:
            self._newest_ns = measured_at_ns
            apart = measured_at_ns - self._measured_ns >= TOGETHER_NS
            if apart and self._beat(received_at_ns, (measured_at_ns - newest_ns) // HURRIED):
                self._measured_ns = measured_at_ns

    def next_flight(self) -> None:
        """Go on with a flight whose times have nothing to do with those before; keep the pauses."""
        self._received_ns = self._newest_ns = None

    @property
    def pause_s(self) -> float | None:
        """The usual pause, `None` while that is not known."""
        steps = self._steps if len(self._steps) > 1 else [*self._steps, *self._hurried]
        return statistics.median(steps) / NS_PER_S if len(steps) > 1 else None

    def _beat(self, received_at_ns: int, hurried_ns: int) -> bool:
        """Count a step, unless it is too short to be one; one below `hurried_ns` is hurried."""
        before_ns, step_ns = self._received_ns, 0
        if before_ns is not None:
            step_ns = received_at_ns - before_ns
            if step_ns < TOGETHER_NS:
                return False
            (self._hurried if step_ns < hurried_ns else self._steps).append(step_ns)
        self._received_ns = received_at_ns
        return True

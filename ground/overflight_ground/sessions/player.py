"""Where a replay is: a clock anchored once for each change of mind, so that it never drifts. Pure.

Times of the session are integer nanoseconds of crossing; `now_s` is a monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from overflight_contract.times import NS_PER_S

SPEEDS: Final = (0.01, 10_000.0)


@dataclass(slots=True)
class Player:
    """Plays from `start_ns` to `end_ns`."""

    start_ns: int
    end_ns: int
    speed: float = 1.0
    playing: bool = False
    _anchor_ns: int = 0
    _anchor_s: float = 0.0

    def __post_init__(self) -> None:
        """Begin at the beginning."""
        self._anchor_ns = self.start_ns

    def at_ns(self, now_s: float) -> int:
        """Return where the replay is at `now_s`."""
        if not self.playing:
            return self._anchor_ns
        gone_ns = int((now_s - self._anchor_s) * self.speed * NS_PER_S)
        return min(self.end_ns, self._anchor_ns + max(0, gone_ns))

    def state(self, now_s: float) -> str:
        """One word: ``playing``, ``paused`` or ``ended``."""
        if self.at_ns(now_s) >= self.end_ns:
            return "ended"
        return "playing" if self.playing else "paused"

    def play(self, now_s: float) -> None:
        """Go on; from the beginning where it had ended."""
        at_ns = self.at_ns(now_s)
        self._anchor(self.start_ns if at_ns >= self.end_ns else at_ns, now_s)
        self.playing = True

    def pause(self, now_s: float) -> None:
        """Stop where it is."""
        self._anchor(self.at_ns(now_s), now_s)
        self.playing = False

    def seek(self, at_ns: int, now_s: float) -> None:
        """Go to a time, playing or not."""
        self._anchor(max(self.start_ns, min(self.end_ns, at_ns)), now_s)

    def set_speed(self, speed: float, now_s: float) -> None:
        """Go on from here at another speed; 1 is as it was."""
        self._anchor(self.at_ns(now_s), now_s)
        self.speed = max(SPEEDS[0], min(SPEEDS[1], speed))

    def _anchor(self, at_ns: int, now_s: float) -> None:
        self._anchor_ns, self._anchor_s = at_ns, now_s

"""The clock of a replay: anchored once, so it never drifts.

A packet's due time is reckoned from the anchor, never from the packet before, so that lateness of
one does not add to the next. Only a change of speed, a pause and a seek set a new anchor.
"""

from __future__ import annotations

from collections.abc import Callable

NS = 1_000_000_000


class Clock:
    """Maps positions in the session (ns from its start) to seconds of `now`.

    `speed` is a factor; `None` is as fast as possible, when everything is due at once.
    """

    def __init__(self, speed: float | None, now: Callable[[], float]) -> None:
        self._now = now
        self._speed = speed
        self._anchor_s = now()
        self._anchor_ns = 0
        self._paused_ns: int | None = None

    @property
    def speed(self) -> float | None:
        """The factor, or `None` for as fast as possible."""
        return self._speed

    @property
    def paused(self) -> bool:
        """Whether time stands still."""
        return self._paused_ns is not None

    def due_s(self, position_ns: int) -> float | None:
        """When `position_ns` is due, as `now` counts; `None` while paused."""
        if self._paused_ns is not None:
            return None
        if self._speed is None:
            return self._anchor_s
        return self._anchor_s + (position_ns - self._anchor_ns) / NS / self._speed

    def position_ns(self) -> int:
        """Where the replay stands now; without a speed, where it was anchored last."""
        if self._paused_ns is not None:
            return self._paused_ns
        if self._speed is None:
            return self._anchor_ns
        return self._anchor_ns + int((self._now() - self._anchor_s) * self._speed * NS)

    def seek(self, position_ns: int) -> None:
        """Go to a position; a pause lasts on."""
        self._anchor_s, self._anchor_ns = self._now(), position_ns
        if self._paused_ns is not None:
            self._paused_ns = position_ns

    def set_speed(self, speed: float | None) -> None:
        """Change the factor from here on."""
        self.seek(self.position_ns())
        self._speed = speed

    def pause(self) -> None:
        """Stop time."""
        self._paused_ns = self.position_ns()

    def resume(self) -> None:
        """Let time go on from where it stopped."""
        if self._paused_ns is not None:
            position, self._paused_ns = self._paused_ns, None
            self.seek(position)

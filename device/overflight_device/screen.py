"""How a running payload shows itself: one living screen, lines of text, or lines of JSON."""

from __future__ import annotations

import datetime as dt
import json
import sys
from types import TracebackType
from typing import Any, Final, Self

from overflight_device.config import LogStyle
from overflight_device.status import Status

_TEXT_EVERY_S: Final = 10.0


class Screen:
    """Shows nothing; the base of the others."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.leave()

    def event(self, name: str, fields: dict[str, Any]) -> None:
        """Show that something happened; any thread."""

    def refresh(self, now_s: float) -> None:
        """Show the status."""

    def leave(self) -> None:
        """Give the terminal back."""


class JsonLines(Screen):
    """One JSON object a line: events as they come, the status twice a second."""

    def event(self, name: str, fields: dict[str, Any]) -> None:
        """Write an event."""
        at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        _say(json.dumps({"event": name, "at": at, **fields}))

    def refresh(self, now_s: float) -> None:
        """Write the status."""
        _say(json.dumps(self._status.as_json()))


class TextLines(Screen):
    """A line per event, and a line about the flight every ten seconds."""

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self._next_s = 0.0

    def event(self, name: str, fields: dict[str, Any]) -> None:
        """Write an event."""
        detail = "  ".join(f"{key} {value}" for key, value in fields.items())
        _say(f"{_now()}  {name:<10}  {detail}".rstrip())

    def refresh(self, now_s: float) -> None:
        """Write a line about the flight."""
        if now_s < self._next_s and self._status.stage != "done":
            return
        self._next_s = now_s + _TEXT_EVERY_S
        status, fix = self._status, self._status.fix
        where = "no fix yet"
        if fix is not None:
            where = f"{_deg(fix.lat_deg)} {_deg(fix.lon_deg)} {_metres(fix.alt_msl_m)} {fix.mode}"
        outbox = status.depth.pending if status.depth else 0
        _say(
            f"{_now()}  {status.stage:<10}  {where}  written {status.written}  outbox {outbox}"
            f"  link {status.link}  pictures kept {status.pictures}"
        )


def open_screen(style: LogStyle, status: Status) -> Screen:
    """Return the screen of `style`; `AUTO` is live on a terminal, text elsewhere."""
    if style is LogStyle.AUTO:
        style = LogStyle.LIVE if sys.stdout.isatty() else LogStyle.TEXT
    if style is LogStyle.JSON:
        return JsonLines(status)
    if style is LogStyle.LIVE:
        from overflight_device.live import LiveScreen

        return LiveScreen(status)
    return TextLines(status)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%H:%M:%S")


def _deg(value: float | None) -> str:
    return "-" if value is None else f"{value:.5f}"


def _metres(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} m"

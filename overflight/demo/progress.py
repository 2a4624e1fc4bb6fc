"""What the terminal shows while the demonstration flies."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_LINE_EVERY_S: Final = 5.0


@dataclass
class Tally:
    """Where the flight stands; counts of messages, sizes in bytes."""

    payloads: dict[str, dict[str, Any]] = field(default_factory=dict)
    crossed: int = 0
    bytes_crossed: int = 0
    refused: int = 0
    stored: int = 0
    restarts: int = 0
    share: float | None = None
    notes: list[str] = field(default_factory=list)

    def total(self, key: str) -> int:
        """Sum a number over the payloads."""
        return sum(int(status.get(key) or 0) for status in self.payloads.values())

    @property
    def sent(self) -> int:
        """Messages sent: the payloads' word comes once a second, so what is stored may be ahead."""
        return max(self.total("written"), self.stored)

    @property
    def crossed_once(self) -> int:
        """Messages that crossed; the relay counts repeats too, and asks at another moment."""
        return min(max(self.crossed, self.stored), self.sent)

    def shown(self) -> dict[str, Any]:
        """Return the status of the payload that is in the air, or the last heard of."""
        flying = [s for s in self.payloads.values() if s.get("stage") == "flying"]
        everyone = flying or list(self.payloads.values())
        return everyone[0] if everyone else {}


class Progress:
    """Shows nothing but notes; the base of the others."""

    def __init__(self, tally: Tally, *, console: Console) -> None:
        self._tally = tally
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def note(self, text: str) -> None:
        """Say something once."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def refresh(self) -> None:
        """Show where the flight stands."""

    def leave(self) -> None:
        """Give the terminal back."""


class Lines(Progress):
    """A line every few seconds: for pipes and logs."""

    _next_s = 0.0

    def refresh(self) -> None:
        """Write a line where it is time."""
        if time.monotonic() < self._next_s or not self._tally.payloads:
            return
        self._next_s = time.monotonic() + _LINE_EVERY_S
        tally, shown = self._tally, self._tally.shown()
        self.note(
            f"{_percent(tally.share)}  {shown.get('measured_at') or '-'}"
            f"  {shown.get('phase') or '-'}  {altitude(shown)}"
            f"  sent {tally.sent:,}  crossed {tally.crossed_once:,}"
            f"  stored {tally.stored:,}  {size(tally.bytes_crossed)} crossed"
            f"  kept on board {tally.total('pictures'):,} pictures,"
            f" {size(tally.total('picture_bytes'))}"
        )


class Screen(Progress):
    """A small living table: for terminals."""

    def __init__(self, tally: Tally, *, console: Console) -> None:
        super().__init__(tally, console=console)
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def refresh(self) -> None:
        """Draw the table."""
        tally, shown = self._tally, self._tally.shown()
        table = Table.grid(padding=(0, 3))
        for _ in range(4):
            table.add_column(min_width=16)
        table.add_row(*_pair("flight time", shown.get("measured_at") or "-"),
                      *_pair("sent", f"{tally.sent:,} messages"))  # fmt: skip
        table.add_row(*_pair("phase", phase(tally)),
                      *_pair("crossed", f"{tally.crossed_once:,} messages"))  # fmt: skip
        table.add_row(*_pair("altitude", altitude(shown)),
                      *_pair("stored", f"{tally.stored:,} messages"))  # fmt: skip
        table.add_row(*_pair("position", position(shown)),
                      *_pair("bytes crossed", size(tally.bytes_crossed), "green"))  # fmt: skip
        table.add_row(*_pair("refused", f"{tally.refused:,}", "red" if tally.refused else ""),
                      *_pair("kept on board", kept(tally), "magenta"))  # fmt: skip
        bar = ProgressBar(total=1.0, completed=tally.share or 0.0, width=72)
        self._live.update(Group(table, bar), refresh=True)

    def leave(self) -> None:
        """Stop drawing; the last table stays."""
        self._live.stop()


def open_progress(tally: Tally, *, json: bool) -> Progress:
    """Return a living table on a terminal, lines elsewhere; with `json` on standard error."""
    stream = sys.stderr if json else sys.stdout
    console = Console(file=stream, soft_wrap=True)
    return Screen(tally, console=console) if stream.isatty() else Lines(tally, console=console)


def altitude(status: dict[str, Any]) -> str:
    """Return the altitude for people."""
    value = status.get("alt_msl_m")
    return "-" if value is None else f"{value:,.0f} m"


def position(status: dict[str, Any]) -> str:
    """Return the position for people."""
    lat, lon = status.get("lat_deg"), status.get("lon_deg")
    if lat is None or lon is None:
        return "-"
    north, east = "N" if lat >= 0 else "S", "E" if lon >= 0 else "W"
    return f"{abs(lat):.2f}° {north}  {abs(lon):.2f}° {east}"


def phase(tally: Tally) -> str:
    """Return the phase; of a fleet, how many are in which."""
    if len(tally.payloads) < 2:
        return str(tally.shown().get("phase") or "-")
    phases = [str(status.get("phase") or "-") for status in tally.payloads.values()]
    return ", ".join(f"{phases.count(name)} {name}" for name in dict.fromkeys(phases))


def kept(tally: Tally) -> str:
    """Return what is kept on board, for people."""
    return f"{tally.total('pictures'):,} pictures, {size(tally.total('picture_bytes'))}"


def size(count: float) -> str:
    """Return a size for people, in decimal units."""
    value, units = float(count), ["TB", "GB", "MB", "kB", "B"]
    unit = units.pop()
    while value >= 1000 and units:
        value, unit = value / 1000, units.pop()
    return f"{value:,.0f} B" if unit == "B" else f"{value:,.1f} {unit}"


def _pair(name: str, value: str, style: str = "") -> tuple[Text, Text]:
    return Text(name, style="dim"), Text(value, style=f"bold {style}".strip())


def _percent(share: float | None) -> str:
    return "  - %" if share is None else f"{100 * share:3.0f} %"

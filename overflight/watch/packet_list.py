"""The live list of the full-screen watch: draws only the lines that are in sight."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from overflight.watch.lines import line
from overflight_contract.dissect import PacketView
from overflight_contract.session import SessionPacket

Entry = tuple[PacketView, SessionPacket | None]
Predicate = Callable[[PacketView], bool]

MOST_KEPT = 50_000
_STYLES = {
    "ok": Style(),
    "marked": Style(color="yellow"),
    "refused": Style(color="red", bold=True),
}
_MARKS = {"ok": "  ", "marked": "! ", "refused": "✗ "}
_CURSOR = Style(reverse=True)


class PacketList(ScrollView, can_focus=True):
    """Packets, newest last; keeps the last 50,000 and shows those that the filter wants."""

    BINDINGS = [  # noqa: RUF012 - Textual wants a list
        Binding("up", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("pageup", "move(-20)", "page up", show=False),
        Binding("pagedown", "move(20)", "page down", show=False),
        Binding("home", "edge(0)", "first", show=False),
        Binding("end", "edge(1)", "last", show=False),
    ]

    class Chosen(Message):
        """Another packet is under the cursor, or none."""

        def __init__(self, view: PacketView | None) -> None:
            self.view = view
            super().__init__()

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._all: collections.deque[Entry] = collections.deque(maxlen=MOST_KEPT)
        self._shown: list[Entry] = []
        self._wanted: Predicate | None = None
        self._connection: int | None = None
        self.cursor = -1
        self.follow = True
        self.total = 0

    @property
    def shown(self) -> list[Entry]:
        """The packets that the filter wants."""
        return self._shown

    @property
    def chosen(self) -> PacketView | None:
        """The packet under the cursor."""
        return self._shown[self.cursor][0] if 0 <= self.cursor < len(self._shown) else None

    def add(self, entries: Iterable[Entry]) -> None:
        """Append packets."""
        count = 0
        for entry in entries:
            self._all.append(entry)
            count += 1
            if self._wants(entry[0]):
                self._shown.append(entry)
        self.total += count
        if len(self._shown) > MOST_KEPT + 5000:
            dropped = len(self._shown) - MOST_KEPT
            del self._shown[:dropped]
            self.cursor = max(0, self.cursor - dropped)
        self._changed()

    def choose(self, wanted: Predicate | None, connection: int | None) -> None:
        """Show only what `wanted` takes, of one connection or of all."""
        self._wanted, self._connection = wanted, connection
        self._shown = [entry for entry in self._all if self._wants(entry[0])]
        self.cursor = len(self._shown) - 1
        self._changed()
        if not self.follow:
            self._tell()

    def _wants(self, view: PacketView) -> bool:
        if self._connection is not None and view.connection != self._connection:
            return False
        return self._wanted is None or self._wanted(view)

    def _changed(self) -> None:
        self.virtual_size = Size(400, len(self._shown))
        if self.follow:
            self.cursor = len(self._shown) - 1
            self.scroll_end(animate=False, force=True)
            self._tell()
        self.refresh()

    def action_move(self, by: int) -> None:
        """Move the cursor; the list stops following."""
        self._to(self.cursor + by)

    def action_edge(self, last: int) -> None:
        """Go to the first packet, or to the last and follow again."""
        self._to(len(self._shown) - 1 if last else 0)
        self.follow = bool(last)

    def _to(self, row: int) -> None:
        self.follow = False
        self.cursor = max(0, min(row, len(self._shown) - 1))
        top, height = self.scroll_offset.y, self.size.height
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True)
        self._tell()
        self.refresh()

    def _tell(self) -> None:
        self.post_message(self.Chosen(self.chosen))

    def render_line(self, y: int) -> Strip:
        """Draw one line (Textual's line API)."""
        row = y + self.scroll_offset.y
        width = self.size.width
        if not 0 <= row < len(self._shown):
            return Strip.blank(width, self.rich_style)
        view = self._shown[row][0]
        style = self.rich_style + _STYLES[view.verdict]
        if row == self.cursor:
            style += _CURSOR
        left = self.scroll_offset.x
        text = _MARKS[view.verdict] + line(view, colour=False, verdict_first=True)
        return Strip([Segment(text, style)]).crop_extend(left, left + width, style)

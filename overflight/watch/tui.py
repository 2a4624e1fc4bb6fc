"""``overflight watch --tui``: connections, live list, detail, filter line."""

from __future__ import annotations

import textwrap
import threading
import time
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.events import Resize
from textual.suggester import Suggester
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from overflight.watch.lines import detail, line, verdict
from overflight.watch.packet_list import Entry, PacketList, Predicate
from overflight.watch.sources import Batch, from_file, live
from overflight_contract.dissect import PacketView
from overflight_contract.errors import OverflightError
from overflight_contract.filters import FilterError, compile_filter, complete
from overflight_contract.session import SessionPacket, SessionWriter

_FLUSH_S = 0.1
_EVERYTHING = "all"
_ROOM_FOR_BOTH = 100
"""Columns."""


class FilterSuggester(Suggester):
    """Completes the filter that is being typed."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """Return the filter with its last word completed."""
        found = complete(value)
        if not value or not found.words or found.start == len(value):
            return None
        return value[: found.start] + found.words[0]


class WatchApp(App[None]):
    """The full-screen watch."""

    CSS = """
    #top { height: 3fr; }
    #connections { width: 28; height: 1fr; border: round $primary; }
    #packets { height: 1fr; border: round $primary; }
    #packets:focus { border: round $accent; }
    #detail { height: 2fr; border: round $primary; }
    #bytes { width: auto; }
    #filter { height: 3; }
    #state { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "focus_filter", "filter", key_display="/"),
        Binding("space", "pause", "pause"),
        Binding("f", "follow", "follow"),
        Binding("s", "save", "save"),
        Binding("escape", "focus_list", "list", show=False),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, target: str, text: str, *, follow: bool = True, reads: bool = True) -> None:
        """`reads` off leaves the packets to `take`, for tests."""
        super().__init__()
        self._target = target
        self._text = text
        self._file_follow = follow
        self._reads = reads
        self._paused = False
        self._held: list[Entry] = []
        self._incoming: list[Batch] = []
        self._lock = threading.Lock()
        self._missed = 0
        self._names: dict[int, str] = {}
        self._connection: int | None = None
        self._wanted: Predicate | None = None
        self._trouble = ""
        self._note = ""

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        with Horizontal(id="top"):
            yield OptionList(Option("all connections", id=_EVERYTHING), id="connections")
            yield PacketList(id="packets")
        with VerticalScroll(id="detail"):
            yield Static("", id="bytes", markup=False)
        yield Input(
            self._text,
            placeholder="filter, as: payload == HAB-01 and not verdict == ok",
            id="filter",
            suggester=FilterSuggester(),
        )
        yield Static("", id="state", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to read."""
        self.title = "overflight watch"
        self.query_one("#connections").border_title = "connections"
        self.packets.border_title = "packets"
        self.query_one("#detail").border_title = "packet"
        self.packets.focus()
        self._apply(self._text)
        self.set_interval(_FLUSH_S, self.flush)
        if self._reads:
            threading.Thread(target=self._read, name="watch", daemon=True).start()

    def on_resize(self, event: Resize) -> None:
        """Leave the connections out where they would leave the packets no room."""
        self.query_one("#connections").display = event.size.width >= _ROOM_FOR_BOTH

    @property
    def packets(self) -> PacketList:
        """The list."""
        return self.query_one(PacketList)

    # -- packets come ---------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            if self._target.startswith(("http://", "https://")):
                batches = live(self._target, "", 1000, notable=500, patient=True)
            else:
                batches = from_file(Path(self._target), None, follow=self._file_follow)
            for batch in batches:
                self.take(batch)
        except OverflightError as error:
            self._trouble = str(error)

    def take(self, batch: Batch) -> None:
        """Take packets, from any thread."""
        with self._lock:
            self._incoming.append(batch)

    def flush(self) -> None:
        """Show what came since the last time, in one go."""
        if not self.query("#state"):
            return  # the screen is being taken down
        with self._lock:
            batches, self._incoming = self._incoming, []
        entries: list[Entry] = []
        for batch in batches:
            self._missed += batch.missed
            if batch.note or batch.views:
                self._note = batch.note
            saved = [item for item in batch.items if isinstance(item, SessionPacket)]
            whole = len(saved) == len(batch.views)
            entries.extend(
                zip(batch.views, saved if whole else [None] * len(batch.views), strict=True)
            )
        for view, _ in entries:
            self._label(view)
        if self._paused:
            self._held.extend(entries)
        elif entries:
            self.packets.add(entries)
        self._state()

    def _label(self, view: PacketView) -> None:
        name = view.client_id or view.payload or ""
        if self._names.get(view.connection) == name:
            return
        new = view.connection not in self._names
        self._names[view.connection] = name
        label = Text(f"{view.connection:4} {name or '(unnamed)'}")
        options = self.query_one(OptionList)
        if new:
            options.add_option(Option(label, id=str(view.connection)))
        else:
            options.replace_option_prompt(str(view.connection), label)

    def _state(self) -> None:
        packets = self.packets
        words = [f"{packets.total:,} packets", f"{len(packets.shown):,} shown"]
        if self._missed:
            words.append(f"{self._missed:,} missed")
        if self._paused:
            words.append(f"PAUSED, {len(self._held):,} wait")
        elif packets.follow:
            words.append("following")
        words += filter(None, (self._note, self._trouble))
        self.query_one("#state", Static).update("  ·  ".join(words))

    # -- what the person does -------------------------------------------------------------------

    @on(Input.Submitted, "#filter")
    def filtered(self, event: Input.Submitted) -> None:
        """Apply the filter, and go back to the list."""
        if self._apply(event.value):
            self.packets.focus()

    def _apply(self, text: str) -> bool:
        try:
            self._wanted = compile_filter(text) if text.strip() else None
        except FilterError as error:
            self._trouble = f"filter, column {error.position + 1}: {error.detail}"
            self.query_one("#filter", Input).cursor_position = error.position
            self._state()
            return False
        self._text, self._trouble = text, ""
        self.packets.choose(self._wanted, self._connection)
        self._state()
        return True

    @on(OptionList.OptionSelected, "#connections")
    def connection_chosen(self, event: OptionList.OptionSelected) -> None:
        """Show one connection, or all."""
        chosen = event.option_id
        self._connection = None if chosen in (None, _EVERYTHING) else int(chosen)
        self.packets.choose(self._wanted, self._connection)
        self._state()

    @on(PacketList.Chosen)
    def packet_chosen(self, event: PacketList.Chosen) -> None:
        """Show the packet under the cursor."""
        view = event.view
        if view is None:
            self.query_one("#bytes", Static).update("")
            return
        width = self.size.width - 4
        why = textwrap.wrap(verdict(view), max(40, width))
        what = line(view, colour=False).removesuffix(verdict(view)).rstrip()
        rows = [what, *why, "", *detail(view, width=width)]
        self.query_one("#bytes", Static).update(Text("\n".join(rows), no_wrap=True))

    def action_focus_filter(self) -> None:
        """Type a filter."""
        self.query_one("#filter").focus()

    def action_focus_list(self) -> None:
        """Go back to the list; a filter that was not applied is forgotten."""
        self.query_one("#filter", Input).value = self._text
        self._trouble = ""
        self.packets.focus()
        self._state()

    def action_pause(self) -> None:
        """Hold what comes, or show it."""
        self._paused = not self._paused
        if not self._paused:
            held, self._held = self._held, []
            self.packets.add(held)
        self._state()

    def action_follow(self) -> None:
        """Stay at the newest packet, or stop so."""
        self.packets.follow = not self.packets.follow
        self.packets.add(())
        self._state()

    def action_save(self) -> None:
        """Write the packets that are shown into a session file here."""
        path = Path(time.strftime("watch-%Y%m%dT%H%M%SZ.mcap", time.gmtime()))
        items = [packet for _, packet in self.packets.shown if packet is not None]
        with SessionWriter(path, metadata={"cut": "overflight watch"}) as writer:
            writer.write(items)
        self.notify(f"{len(items):,} packets saved to {path}")


def run_tui(target: str, text: str, *, follow: bool) -> int:
    """Run the full-screen watch; returns the exit status."""
    WatchApp(target, text, follow=follow).run()
    return 0

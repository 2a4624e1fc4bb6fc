"""The payload's living screen on a terminal (Rich)."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from overflight_contract.times import iso
from overflight_device.screen import Screen
from overflight_device.status import Status

_LINK_STYLES = {"up": "bold green", "connecting": "yellow", "down": "bold red"}


class LiveScreen(Screen):
    """One screen: fix, phase, outbox, link, last receipt, pictures kept, disk left."""

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self._live = Live(console=Console(), auto_refresh=False, transient=False)
        self._live.start()

    def event(self, name: str, fields: dict[str, Any]) -> None:
        """Events are read from the status at the next refresh."""

    def refresh(self, now_s: float) -> None:
        """Draw the screen."""
        self._live.update(Group(self._panel(), self._events()), refresh=True)

    def leave(self) -> None:
        """Stop drawing; the last screen stays."""
        self._live.stop()

    def _panel(self) -> Panel:
        status = self._status
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", min_width=14)
        table.add_column(min_width=44)
        for name, value in (
            ("fix", self._fix()),
            ("position", self._position()),
            ("phase", self._motion()),
            ("link", self._link()),
            ("outbox", self._outbox()),
            ("last receipt", self._receipt()),
            ("kept on board", self._kept()),
            ("disk left", Text(_size(status.disk_free_bytes))),
        ):
            table.add_row(name, value)
        simulated = ", simulated" if status.simulated else ""
        title = f"[bold]{status.payload}[/]  {status.flight}  {status.stage}{simulated}"
        return Panel(table, title=title, title_align="left", border_style="blue")

    def _fix(self) -> Text:
        fix = self._status.fix
        if fix is None:
            return Text("waiting for the first", style="yellow")
        style = "green" if fix.mode == "3d" else "yellow"
        sats = "" if fix.sats is None else f", {fix.sats} satellites"
        hdop = "" if fix.hdop is None else f", hdop {fix.hdop:.1f}"
        return Text(f"{fix.mode}{sats}{hdop}, {iso(fix.measured_at_ns)}", style=style)

    def _position(self) -> Text:
        fix = self._status.fix
        if fix is None or fix.lat_deg is None or fix.lon_deg is None:
            return Text("-")
        altitude = "" if fix.alt_msl_m is None else f"  {fix.alt_msl_m:,.0f} m"
        return Text(f"{fix.lat_deg:.5f} {fix.lon_deg:.5f}{altitude}", style="bold")

    def _motion(self) -> Text:
        motion = self._status.motion
        if motion is None:
            return Text("-")
        speed = "" if motion.speed_mps is None else f"  {motion.speed_mps:.1f} m/s"
        climb = "" if motion.climb_mps is None else f"  climb {motion.climb_mps:+.1f} m/s"
        return Text(f"{motion.phase}{speed}{climb}")

    def _link(self) -> Text:
        status = self._status
        mqtt = f"  MQTT {status.mqtt}" if status.mqtt else ""
        text = f"{status.link}{mqtt}  {status.in_flight} in flight"
        return Text(text, style=_LINK_STYLES.get(status.link, ""))

    def _outbox(self) -> Text:
        depth = self._status.depth
        if depth is None:
            return Text("-")
        lost = f"  {depth.given_up:,} given up" if depth.given_up else ""
        aside = f"  {depth.set_aside:,} set aside" if depth.set_aside else ""
        return Text(
            f"{depth.pending:,} of {self._status.written:,} messages wait"
            f" ({_size(depth.pending_bytes)}){lost}{aside}"
        )

    def _receipt(self) -> Text:
        last = self._status.last_receipt
        return Text("none yet" if not last else f"through {last:,}")

    def _kept(self) -> Text:
        status = self._status
        kept = f"{status.pictures:,} pictures, {_size(status.picture_bytes)}"
        return Text(f"{kept}  (camera: {status.camera})")

    def _events(self) -> Text:
        lines = [
            f"{time.strftime('%H:%M:%S', time.gmtime(at_s))}  {name:<10} "
            + "  ".join(f"{key} {value}" for key, value in fields.items())
            for at_s, name, fields in list(self._status.events)[-5:]
        ]
        return Text("\n".join(lines), style="dim")


def _size(count: int) -> str:
    size, units = float(count), ["TB", "GB", "MB", "kB", "B"]
    unit = units.pop()
    while size >= 1000 and units:
        size, unit = size / 1000, units.pop()
    return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"

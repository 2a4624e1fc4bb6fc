"""Keys and a progress bar while a replay runs in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from overflight.replay.player import Player
from overflight_contract.times import NS_PER_S, iso

KEYS: Final[dict[str, str]] = {
    "space": "pause, go on",
    ".": "one packet while paused",
    "← →": "back, forward 10 s",
    "[ ]": "back, forward 1 min",
    "↑ ↓": "twice, half as fast",
    "1": "as fast as recorded",
    "m": "as fast as possible",
    "q": "end",
}
_REFRESH_S: Final = 0.2
_ARROWS: Final = {"\x1b[A": "up", "\x1b[B": "down", "\x1b[C": "right", "\x1b[D": "left"}
_JUMPS_S: Final = {"left": -10, "right": 10, "[": -60, "]": 60}


def press(player: Player, key: str) -> None:
    """Do what `key` stands for."""
    clock = player.clock
    if key == " ":
        (clock.resume if clock.paused else clock.pause)()
        player.changed()
    elif key == ".":
        player.step()
    elif key in _JUMPS_S:
        here_ns = player.position_ns if clock.speed is None else clock.position_ns()
        player.seek(here_ns + _JUMPS_S[key] * NS_PER_S)
    elif key in ("up", "down", "1"):
        faster = {"up": 2.0, "down": 0.5, "1": 0.0}[key]
        clock.set_speed((clock.speed or 1.0) * faster or 1.0)
        player.changed()
    elif key == "m":
        clock.set_speed(None)
        player.changed()
    elif key == "q":
        player.stop()


def keys_in(text: str) -> Iterator[str]:
    """Split what a terminal sent into keys."""
    while text:
        arrow = _ARROWS.get(text[:3])
        yield arrow or text[0]
        text = text[3 if arrow else 1 :]


@contextlib.contextmanager
def keyboard(player: Player) -> Iterator[bool]:
    """Let keys control `player`; tells whether there is a terminal to press them on."""
    try:
        import termios
        import tty

        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd)
    except (ImportError, OSError, ValueError, termios.error):
        yield False
        return
    loop = asyncio.get_running_loop()

    def read() -> None:
        for key in keys_in(os.read(fd, 64).decode("utf-8", "ignore")):
            press(player, key)

    tty.setcbreak(fd)
    loop.add_reader(fd, read)
    try:
        yield True
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


async def show_progress(player: Player, begins_ns: int, ends_ns: int) -> None:
    """Draw the bar until cancelled."""
    columns = (
        TextColumn("{task.fields[when]}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[done]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        span = max(1, ends_ns - begins_ns)
        task = progress.add_task("", total=span, when="", done="")
        while True:
            at_ns = begins_ns if player.at_ns is None else player.at_ns
            progress.update(task, completed=at_ns - begins_ns, when=iso(at_ns), done=status(player))
            await asyncio.sleep(_REFRESH_S)


def status(player: Player) -> str:
    """Say how far a replay is, in a few words."""
    clock = player.clock
    speed = "max" if clock.speed is None else f"{clock.speed:g}x"
    return f"{player.report.messages} messages  {'paused' if clock.paused else speed}"


def hint(write: Callable[[str], object]) -> None:
    """Tell which keys there are, in lines that are not longer than the terminal is wide."""
    width, line = shutil.get_terminal_size().columns, ""
    for word in (f"{key}: {meaning}" for key, meaning in KEYS.items()):
        if line and len(line) + 2 + len(word) > width:
            write(line)
            line = ""
        line += f"  {word}" if line else word
    write(line)

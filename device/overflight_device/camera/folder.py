"""``folder:DIR[?offset=SECONDS]``: picks up what any camera program puts there, once complete.

A file is complete when it ends as a JPEG does and did not change between two polls (or was left
alone for two seconds). The camera program's files are never changed or removed.

The time of a picture is its EXIF GPS time; else the camera's time, less the offset of its clock
(given, or measured on live pictures); else, for a live picture, the file's time. A picture of which
the time is not known is kept without a position, and `take_notes` says so.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from overflight_contract.errors import InputError
from overflight_contract.exif import Facts, is_whole_jpeg, read_facts
from overflight_contract.times import NS_PER_S
from overflight_device.camera import CameraOptions, Locate
from overflight_device.camera.clock import CameraClock
from overflight_device.camera.exif import stamped
from overflight_device.camera.picture import Picture
from overflight_device.fix import Fix

SUFFIXES: Final = (".jpg", ".jpeg")
SETTLED_S: Final = 2.0
LIVE_S: Final = 20.0
"""A file that was written so lately has just come from the camera."""
_Mark = tuple[int, int]


def open_camera(rest: str, options: CameraOptions) -> FolderCamera:
    """Return the camera that watches the folder `rest`; ``?offset=`` is its clock's, in seconds."""
    place, _, setting = rest.partition("?offset=")
    folder = Path(place).expanduser()
    if not place or not folder.is_dir():
        raise InputError(f"a folder camera needs a folder that is there, and {place!r} is not")
    try:
        offset_s = float(setting) if setting else options.clock_offset_s
    except ValueError:
        raise InputError(f"{setting!r} is no clock offset in seconds, as in 3600.5") from None
    return FolderCamera(folder, offset_s, options.state)


class FolderCamera:
    """Watches one folder, subfolders included."""

    def __init__(
        self, folder: Path, clock_offset_s: float | None = None, state: Path | None = None
    ) -> None:
        self.folder = folder
        self.clock = CameraClock(clock_offset_s)
        self._notes: list[str] = []
        self._noted: set[Path] = set()
        self._timed: set[Path] = set()
        self._state = state
        self._kept: dict[str, _Mark] = _read_state(state)
        self._seen: dict[str, _Mark] = {}

    def take(self, fix: Fix | None, serial: int) -> Picture | None:
        """Take nothing: the camera program decides when."""
        return None

    def poll(self, serial: int, locate: Locate | None = None) -> Sequence[Picture]:
        """Return the complete new pictures, oldest file first, numbered from `serial`."""
        found: list[Picture] = []
        for path in self._new():
            data = path.read_bytes()
            if not is_whole_jpeg(data):
                continue
            taken_at_ns, known = self._time(path, read_facts(data))
            fix = locate(taken_at_ns) if locate and known else None
            if locate and fix is None:
                why = "no fix is near its time" if known else "the camera's clock is not known"
                self._note(path, f"{path.name} is kept without a position: {why}")
            found.append(stamped(data, fix, taken_at_ns, serial + len(found), origin=path))
        return found

    def kept(self, picture: Picture) -> None:
        """Remember that the vault has this picture."""
        if picture.origin is None:
            return
        self._noted.discard(picture.origin)
        self._timed.discard(picture.origin)
        name = picture.origin.relative_to(self.folder).as_posix()
        try:
            mark = _mark(picture.origin)
        except OSError:
            mark = (0, 0)
        self._kept[name] = mark
        if self._state is not None:
            with self._state.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, *mark]) + "\n")

    def take_notes(self) -> Sequence[str]:
        """Return which pictures were kept without a position, and why."""
        notes, self._notes = self._notes, []
        return notes

    def close(self) -> None:
        """Have nothing to close."""

    def _new(self) -> list[Path]:
        """Return files that have come to rest since, oldest first."""
        settled: list[tuple[int, Path]] = []
        for path in self.folder.rglob("*"):
            if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
                continue
            name = path.relative_to(self.folder).as_posix()
            try:
                mark = _mark(path)
            except OSError:
                continue  # it was moved on meanwhile
            if self._kept.get(name) == mark:
                continue
            rested = time.time_ns() - mark[1] > SETTLED_S * NS_PER_S
            if mark[0] and (rested or self._seen.get(name) == mark):
                settled.append((mark[1], path))
            self._seen[name] = mark
        return [path for _, path in sorted(settled)]

    def _note(self, path: Path, text: str) -> None:
        if path not in self._noted:
            self._noted.add(path)
            self._notes.append(text)

    def _time(self, path: Path, facts: Facts) -> tuple[int, bool]:
        """Return when the picture was taken, and whether that is known or only said."""
        written_ns = path.stat().st_mtime_ns
        live = abs(time.time_ns() - written_ns) < LIVE_S * NS_PER_S
        if facts.taken_at_ns is None:
            return written_ns, live
        if facts.by_gps:
            return facts.taken_at_ns, True
        if live and path not in self._timed:
            self._timed.add(path)
            self.clock.note(facts.taken_at_ns, written_ns)
        taken_at_ns = self.clock.utc(facts.taken_at_ns)
        if taken_at_ns is not None:
            return taken_at_ns, True
        return (written_ns, True) if live else (facts.taken_at_ns, False)


def _mark(path: Path) -> _Mark:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _read_state(path: Path | None) -> dict[str, _Mark]:
    """Read what was kept in earlier runs; a torn last line (a power cut) is passed over."""
    kept: dict[str, _Mark] = {}
    if path is None or not path.is_file():
        return kept
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)
    for line in data.splitlines():
        try:
            name, size, changed_ns = json.loads(line)
        except ValueError:
            continue
        kept[str(name)] = (int(size), int(changed_ns))
    return kept

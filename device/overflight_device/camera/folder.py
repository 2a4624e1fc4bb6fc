"""``folder:DIR``: picks up what any camera program puts into a folder, once it is complete.

A file is complete when it ends as a JPEG does and did not change between two polls (or was left
alone for two seconds). The camera program's files are never changed or removed. Times come from the
picture's EXIF, corrected by the camera's clock offset, else from the file's own time.
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
from overflight_device.camera.exif import stamped
from overflight_device.camera.picture import Picture
from overflight_device.fix import Fix

SUFFIXES: Final = (".jpg", ".jpeg")
SETTLED_S: Final = 2.0
_Mark = tuple[int, int]


def open_camera(rest: str, options: CameraOptions) -> FolderCamera:
    """Return the camera that watches the folder `rest`."""
    folder = Path(rest).expanduser()
    if not rest or not folder.is_dir():
        raise InputError(f"a folder camera needs a folder that is there, and {rest!r} is not")
    return FolderCamera(folder, options.clock_offset_s or 0.0, options.state)


class FolderCamera:
    """Watches one folder, subfolders included."""

    def __init__(
        self, folder: Path, clock_offset_s: float = 0.0, state: Path | None = None
    ) -> None:
        self.folder = folder
        self._offset_ns = round(clock_offset_s * NS_PER_S)
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
            taken_at_ns = self._time(path, read_facts(data))
            fix = locate(taken_at_ns) if locate else None
            found.append(stamped(data, fix, taken_at_ns, serial + len(found), origin=path))
        return found

    def kept(self, picture: Picture) -> None:
        """Remember that the vault has this picture."""
        if picture.origin is None:
            return
        name = picture.origin.relative_to(self.folder).as_posix()
        try:
            mark = _mark(picture.origin)
        except OSError:
            mark = (0, 0)
        self._kept[name] = mark
        if self._state is not None:
            with self._state.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, *mark]) + "\n")

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

    def _time(self, path: Path, facts: Facts) -> int:
        if facts.taken_at_ns is None:
            return path.stat().st_mtime_ns
        return facts.taken_at_ns if facts.by_gps else facts.taken_at_ns - self._offset_ns


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

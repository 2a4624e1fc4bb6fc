"""Looks at the payload's vault where it lies on the same machine, and only counts.

Nothing of this crossed: what is shown from here is labelled so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

LABEL: Final = "read from the payload's disk on this machine; it did not cross"


@dataclass(slots=True)
class Kept:
    """What lies in a vault."""

    images: int
    bytes: int


class _Entry(msgspec.Struct):
    bytes: int


_decoder: Final = msgspec.json.Decoder(_Entry)


class VaultPeek:
    """Follows the manifest of a vault as it grows."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._offset = 0
        self._inode = 0
        self._kept = Kept(0, 0)

    def look(self) -> Kept | None:
        """Read what is new; `None` while there is no manifest."""
        manifest = self.directory / "manifest.jsonl"
        try:
            with manifest.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._offset:
                    self._offset, self._kept, self._inode = 0, Kept(0, 0), status.st_ino
                file.seek(self._offset)
                block = file.read()
        except OSError:
            return None
        whole = block.rfind(b"\n") + 1
        for line in block[:whole].splitlines():
            try:
                entry = _decoder.decode(line)
            except msgspec.MsgspecError:
                continue
            self._kept.images += 1
            self._kept.bytes += entry.bytes
        self._offset += whole
        return Kept(self._kept.images, self._kept.bytes)

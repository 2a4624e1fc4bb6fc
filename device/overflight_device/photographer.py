"""When to take a picture, and where it goes: camera → vault.

A paced (simulated or recorded) flight waits for its picture, so that the same flight has the same
pictures and a kill loses none; a live one takes them in a thread, so that a slow camera never holds
up the telemetry. Pictures are due where flight time passes a multiple of the interval. A vault
without room stops the camera, not the flight; it goes on when there is room again.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from overflight_contract.errors import OverflightError
from overflight_device.config import PayloadConfig
from overflight_device.fix import Fix
from overflight_device.status import Status

if TYPE_CHECKING:
    from overflight_device.camera import Camera, Picture
    from overflight_device.vault import Vault

DEFAULT_EVERY_S: Final = 600.0
POLL_S: Final = 1.0
LOCATE_WITHIN_NS: Final = 300 * 10**9
RESERVE_BYTES: Final = 64 * 2**20
"""Of the disk, left to the telemetry."""

Event = Callable[[str, dict[str, Any]], None]


class Photographer:
    """Takes pictures on schedule and keeps them. `broken` is a fault of the scenario."""

    def __init__(
        self,
        camera: Camera | None,
        vault: Vault | None,
        status: Status,
        *,
        every_s: float,
        live: bool,
        on_event: Event,
    ) -> None:
        """`camera` None takes no pictures at all. Intervals of flight time in seconds."""
        self._camera = camera
        self._vault = vault
        self._status = status
        self._every_ns = max(1, round(every_s * 1e9))
        self._on_event = on_event
        self.broken = False
        self._stopped = False
        self._fixes: deque[Fix] = deque(maxlen=4096)
        self._due_after = -1
        self._jobs: queue.Queue[Fix | None] = queue.Queue(maxsize=4)
        self._thread: threading.Thread | None = None
        if vault is not None:
            self._take_stock(vault)
        if live and camera is not None:
            self._thread = threading.Thread(target=self._work, name="camera", daemon=True)
            self._thread.start()

    @classmethod
    def open(
        cls, config: PayloadConfig, status: Status, *, live: bool, on_event: Event
    ) -> Photographer:
        """Open camera and vault as `config` says; raises `OverflightError`."""
        every_s = config.picture_every_s or _scenario_every_s(config.source) or DEFAULT_EVERY_S
        status.camera = config.camera
        if config.camera == "none":
            return cls(None, None, status, every_s=every_s, live=live, on_event=on_event)
        from overflight_device.camera import open_camera
        from overflight_device.vault import Vault

        vault = Vault(
            _vault_folder(config.data),
            quota_bytes=config.vault_bytes,
            reserve_bytes=RESERVE_BYTES,
        )
        camera = open_camera(config.camera, seed=config.seed, state=config.data / "camera.json")
        return cls(camera, vault, status, every_s=every_s, live=live, on_event=on_event)

    def fix(self, fix: Fix) -> None:
        """Take a picture where one is due at `fix`."""
        if self._camera is None:
            return
        self._fixes.append(fix)
        if not self._is_due(fix):
            return
        if self._thread is None:
            self._take(fix)
            return
        try:
            self._jobs.put_nowait(fix)
        except queue.Full:
            self._on_event("camera-slow", {"why": "a picture was due before the last was done"})

    def finish(self) -> None:
        """Wait for the pictures that are being taken."""
        if self._thread is not None and self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join(timeout=60)
            self._collect()

    def close(self) -> None:
        """Close camera and vault."""
        self.finish()
        if self._camera is not None:
            self._camera.close()
        if self._vault is not None:
            self._vault.close()

    def _is_due(self, fix: Fix) -> bool:
        at = fix.measured_at_ns // self._every_ns
        if at <= self._due_after:
            return False
        self._due_after = at
        return True

    def _work(self) -> None:
        while True:
            try:
                fix = self._jobs.get(timeout=POLL_S)
            except queue.Empty:
                self._collect()
                continue
            if fix is None:
                return
            self._take(fix)

    def _take(self, fix: Fix) -> None:
        assert self._camera is not None
        if self.broken:
            return
        with self._troubles():
            picture = self._camera.take(fix, self._vault_serial())
            if picture is not None:
                self._keep(picture)
        self._collect()

    def _collect(self) -> None:
        """Keep what the camera has taken by itself."""
        assert self._camera is not None
        if self.broken:
            return
        with self._troubles():
            for picture in self._camera.poll(self._vault_serial(), self._locate):
                self._keep(picture)
        for note in self._camera.take_notes():
            self._on_event("camera-note", {"what": note})

    def _keep(self, picture: Picture) -> None:
        assert self._vault is not None
        assert self._camera is not None
        self._vault.store(picture)
        self._camera.kept(picture)
        self._stopped = False
        self._status.pictures, self._status.picture_bytes = self._vault.count, self._vault.bytes

    @contextlib.contextmanager
    def _troubles(self) -> Iterator[None]:
        """Trouble with the camera or the vault stops neither the flight nor the next picture."""
        try:
            yield
        except (OverflightError, OSError) as error:
            if not self._stopped:
                self._on_event("camera-stopped", {"why": str(error)})
            self._stopped = True

    def _vault_serial(self) -> int:
        assert self._vault is not None
        return self._vault.next_serial

    def _locate(self, time_ns: int) -> Fix | None:
        near = min(
            list(self._fixes), key=lambda fix: abs(fix.measured_at_ns - time_ns), default=None
        )
        if near is None or abs(near.measured_at_ns - time_ns) > LOCATE_WITHIN_NS:
            return None
        return near

    def _take_stock(self, vault: Vault) -> None:
        from overflight_contract.vault import VaultEntry, read_manifest

        self._status.pictures, self._status.picture_bytes = vault.count, vault.bytes
        for entry in read_manifest(vault.folder):
            if isinstance(entry, VaultEntry) and entry.taken_at_ns is not None:
                self._due_after = max(self._due_after, entry.taken_at_ns // self._every_ns)


def _vault_folder(data: Path) -> Path:
    return data / "vault"


def _scenario_every_s(source: str) -> float | None:
    scheme, _, rest = source.partition(":")
    if scheme != "sim":
        return None
    from overflight_device.scenario import load_scenario

    return load_scenario(rest).picture_every_s or None

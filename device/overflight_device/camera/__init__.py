"""Cameras by name: ``sim[:MEGAPIXELS]``, ``folder:DIR[?offset=S]``, ``command:CMD``, ``none``.

To add one, write a module here with ``open_camera(rest, options)`` and name it in `KINDS`.
numpy and Pillow are imported only by the camera that needs them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from overflight_contract.errors import InputError, OverflightError
from overflight_device.camera.picture import Picture
from overflight_device.fix import Fix

__all__ = ["Camera", "CameraError", "CameraOptions", "Locate", "Picture", "open_camera"]

Locate = Callable[[int], Fix | None]
"""Tells where the payload was at a time (nanoseconds since 1970); `None`: it does not know."""


class CameraError(OverflightError):
    """The camera gave no picture; the flight goes on, and so does the camera."""


class Camera(Protocol):
    """A camera. `take` triggers one picture; `poll` collects what came by itself."""

    def take(self, fix: Fix | None, serial: int) -> Picture | None:
        """Take a picture at `fix` as frame `serial`; `None` where this camera is not triggered.

        Raises `CameraError`.
        """

    def poll(self, serial: int, locate: Locate | None = None) -> Sequence[Picture]:
        """Return pictures that are complete and new, numbered from `serial`."""

    def kept(self, picture: Picture) -> None:
        """Hear that the vault has the picture, so that `poll` does not bring it again."""

    def take_notes(self) -> Sequence[str]:
        """Return what a person should know since the last call, one sentence each."""

    def close(self) -> None:
        """Give the camera back. Safe to call twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOptions:
    """What a camera may be told; each takes what concerns it."""

    seed: int = 0
    quality: int = 80
    """Of simulated JPEGs, 1 to 95."""
    clock_offset_s: float | None = None
    """How far a folder camera's clock is ahead of UTC; `None`: it is taken as right."""
    state: Path | None = None
    """File in which a folder camera remembers what the vault has; `None`: for this run only."""
    timeout_s: float = 30.0
    """How long a command may take for one picture."""


KINDS: Final[dict[str, tuple[str, str]]] = {
    "sim": (
        "overflight_device.camera.simulated",
        "sim[:MEGAPIXELS], simulated terrain (default 1 megapixel)",
    ),
    "folder": (
        "overflight_device.camera.folder",
        "folder:DIR[?offset=SECONDS], picks up what any camera program puts there",
    ),
    "command": (
        "overflight_device.camera.command",
        "command:CMD, a program that takes one picture, as rpicam-still",
    ),
    "none": ("overflight_device.camera.none", "none, no camera"),
}


def open_camera(
    spec: str,
    *,
    seed: int = 0,
    quality: int = 80,
    clock_offset_s: float | None = None,
    state: Path | None = None,
    timeout_s: float = 30.0,
) -> Camera:
    """Open the camera that `spec` names; `InputError` says what is wrong with it."""
    kind, _, rest = spec.partition(":")
    if kind not in KINDS:
        known = "; ".join(text for _, text in KINDS.values())
        raise InputError(f"no camera {spec!r}; there are {known}")
    options = CameraOptions(
        seed=seed,
        quality=quality,
        clock_offset_s=clock_offset_s,
        state=state,
        timeout_s=timeout_s,
    )
    camera: Camera = importlib.import_module(KINDS[kind][0]).open_camera(rest, options)
    return camera

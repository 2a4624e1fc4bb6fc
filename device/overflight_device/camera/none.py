"""``none``: a payload without a camera."""

from __future__ import annotations

from collections.abc import Sequence

from overflight_contract.errors import InputError
from overflight_device.camera import CameraOptions, Locate
from overflight_device.camera.picture import Picture
from overflight_device.fix import Fix


def open_camera(rest: str, options: CameraOptions) -> NoCamera:
    """Return the camera that takes nothing."""
    if rest:
        raise InputError(f"the camera 'none' takes nothing more, and it was given {rest!r}")
    return NoCamera()


class NoCamera:
    """Takes nothing."""

    def take(self, fix: Fix | None, serial: int) -> Picture | None:
        """Take nothing."""
        return None

    def poll(self, serial: int, locate: Locate | None = None) -> Sequence[Picture]:
        """Return nothing."""
        return ()

    def kept(self, picture: Picture) -> None:
        """Have nothing to remember."""

    def take_notes(self) -> Sequence[str]:
        """Have nothing to say."""
        return ()

    def close(self) -> None:
        """Have nothing to close."""

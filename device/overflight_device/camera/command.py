"""``command:CMD``: a program that takes one picture each time, as rpicam-still or fswebcam.

``{out}`` in the command is the file to write; without it the picture is read from standard output::

    command:rpicam-still -n -t 1 --immediate -o {out}
    command:fswebcam -r 1280x720 --no-banner -
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from overflight_contract.errors import InputError
from overflight_contract.exif import is_whole_jpeg
from overflight_device.camera import CameraError, CameraOptions, Locate
from overflight_device.camera.exif import stamped
from overflight_device.camera.picture import Picture
from overflight_device.fix import Fix


def open_camera(rest: str, options: CameraOptions) -> CommandCamera:
    """Return the camera that runs `rest` for each picture."""
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise InputError(f"can't read the camera command {rest!r}: {error}") from error
    if not words:
        raise InputError("a command camera needs a command, as in 'command:rpicam-still -o {out}'")
    return CommandCamera(words, options.timeout_s)


class CommandCamera:
    """Runs a program for each picture."""

    def __init__(self, words: Sequence[str], timeout_s: float) -> None:
        self._words = list(words)
        self._timeout_s = timeout_s

    def take(self, fix: Fix | None, serial: int) -> Picture | None:
        """Run the program; the picture's time is the fix's, else the clock's at its start."""
        taken_at_ns = time.time_ns() if fix is None else fix.measured_at_ns
        with tempfile.TemporaryDirectory(prefix="overflight-") as folder:
            data = self._run(Path(folder) / "picture.jpg")
        if not is_whole_jpeg(data):
            raise CameraError(f"the camera command {self._words[0]} gave no whole JPEG")
        return stamped(data, fix, taken_at_ns, serial)

    def poll(self, serial: int, locate: Locate | None = None) -> Sequence[Picture]:
        """Return nothing: this camera is triggered."""
        return ()

    def kept(self, picture: Picture) -> None:
        """Have nothing to remember."""

    def take_notes(self) -> Sequence[str]:
        """Have nothing to say."""
        return ()

    def close(self) -> None:
        """Have nothing to close."""

    def _run(self, path: Path) -> bytes:
        words = [word.replace("{out}", str(path)) for word in self._words]
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise CameraError(f"can't run the camera command {words[0]}: {error}") from error
        with process:
            try:
                out, err = process.communicate(timeout=self._timeout_s)
            except subprocess.TimeoutExpired as error:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise CameraError(
                    f"the camera command {words[0]} took over {self._timeout_s:g} s"
                ) from error
        if process.returncode != 0:
            said = err.decode("utf-8", "replace").strip().splitlines()
            last = f": {said[-1]}" if said else ""
            raise CameraError(
                f"the camera command {words[0]} ended with {process.returncode}{last}"
            )
        return path.read_bytes() if path.is_file() else out

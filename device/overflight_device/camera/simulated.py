"""``sim[:MEGAPIXELS]``: invented pictures of an invented ground.

Straight down, north up; every sixth frame looks to the horizon. The field of view is
60° across; each picture says in its EXIF block that it is simulated.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from PIL import Image, ImageChops

from overflight_contract.errors import InputError
from overflight_contract.times import NS_PER_S, from_ns
from overflight_device.camera import CameraOptions, Locate, horizon
from overflight_device.camera.earth import sun_elevation_deg
from overflight_device.camera.exif import stamped
from overflight_device.camera.noise import Grid, Patch
from overflight_device.camera.picture import Picture
from overflight_device.camera.terrain import Scene, Terrain, to_mercator
from overflight_device.fix import Fix

_ASPECT: Final = 4 / 3
_VIEW: Final = 2 * math.tan(math.radians(30.0))
_LOWEST_M: Final = 120.0
HORIZON_EVERY: Final = 6
_HORIZON_FROM_M: Final = 1_500.0
_DESCRIPTION: Final = "Simulated picture: invented terrain, no camera took it"


def open_camera(rest: str, options: CameraOptions) -> SimulatedCamera:
    """Return the simulated camera of so many megapixels."""
    try:
        megapixels = float(rest) if rest else 1.0
    except ValueError:
        raise InputError(f"{rest!r} is no number of megapixels, as in 'sim:1'") from None
    if not 0.01 <= megapixels <= 12:
        raise InputError("a simulated camera has 0.01 to 12 megapixels")
    return SimulatedCamera(megapixels, options.seed, options.quality)


class SimulatedCamera:
    """Draws a picture at each fix; the same seed, place and time give the same bytes."""

    def __init__(self, megapixels: float, seed: int, quality: int) -> None:
        columns = math.sqrt(megapixels * 1e6 * _ASPECT)
        self.columns = max(16, round(columns / 16) * 16)
        self.rows = max(16, round(columns / _ASPECT / 16) * 16)
        self._quality = quality
        self._terrain = Terrain(seed)
        rng = np.random.default_rng([seed & 0xFFFFFFFF, 0xCA3])
        grain = rng.normal(128.0, 2.2, (self.rows, self.columns)).clip(0, 255).astype(np.uint8)
        self._grain = Image.merge("RGB", [Image.fromarray(grain)] * 3)
        self._vignette = _vignette(self.columns // 2, self.rows // 2)

    def take(self, fix: Fix | None, serial: int) -> Picture | None:
        """Draw the picture at `fix`; `None` without a position, since there is nothing to draw."""
        if fix is None or fix.lat_deg is None or fix.lon_deg is None:
            return None
        image = self._draw(fix, to_horizon=serial % HORIZON_EVERY == 0)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=self._quality)
        return stamped(
            file.getvalue(), fix, fix.measured_at_ns, serial,
            model="simulated", description=_DESCRIPTION,
        )  # fmt: skip

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

    def _draw(self, fix: Fix, *, to_horizon: bool) -> Image.Image:
        scene, alt_m = _scene(fix), max(fix.alt_msl_m or 0.0, _LOWEST_M)
        columns, rows = self.columns // 2, self.rows // 2
        if to_horizon and alt_m > _HORIZON_FROM_M:
            colours = horizon.view(alt_m, columns, rows, scene.daylight, self._ahead(scene))
        else:
            colours = self._terrain.draw(_patch(scene, alt_m, columns, rows), scene)
            colours = _haze(colours, scene, alt_m)
        colours *= self._vignette
        small = _image(colours)
        image = small.resize((self.columns, self.rows), Image.Resampling.BICUBIC)
        return ImageChops.add(image, self._grain, 1.0, -128)

    def _ahead(self, scene: Scene) -> horizon.Draw:
        """Return what draws the ground ahead: to the north, south of the equator to the south."""
        stretch = _stretch(scene)
        x, y = to_mercator(scene.lat_deg, scene.lon_deg)
        south = scene.lat_deg < 0
        plain = replace(scene, glint=0.0)

        def draw(near: float, far: float, width: float, columns: int, rows: int) -> Grid:
            top = y + near * stretch if south else y - far * stretch
            left = x - width * stretch / 2
            size = (width * stretch, (far - near) * stretch)
            ground = self._terrain.draw(Patch(left, top, *size, columns, rows), plain)
            return ground[:, ::-1, ::-1] if south else ground

        return draw


def _scene(fix: Fix) -> Scene:
    lat, lon = fix.lat_deg or 0.0, fix.lon_deg or 0.0
    time_s = fix.measured_at_ns / NS_PER_S
    sun = sun_elevation_deg(lat, lon, time_s)
    day = float(from_ns(fix.measured_at_ns).timetuple().tm_yday)
    return Scene(lat, lon, day, time_s, max(0.0, min(1.0, (sun + 6.0) / 26.0)))


def _patch(scene: Scene, alt_m: float, columns: int, rows: int) -> Patch:
    """Return what the camera sees, in the (stretched) metres of the Mercator plane."""
    width = alt_m * _VIEW * _stretch(scene)
    height = width / _ASPECT
    x, y = to_mercator(scene.lat_deg, scene.lon_deg)
    return Patch(x - width / 2, y - height / 2, width, height, columns, rows)


def _image(colours: Grid) -> Image.Image:
    """Turn red, green and blue planes into an image."""
    planes = np.clip(colours, 0.0, 255.0).astype(np.uint8)
    return Image.merge("RGB", [Image.fromarray(plane) for plane in planes])


def _stretch(scene: Scene) -> float:
    """Return how much the Mercator plane stretches lengths here."""
    return 1.0 / max(0.1, math.cos(math.radians(scene.lat_deg)))


def _haze(colours: Grid, scene: Scene, alt_m: float) -> Grid:
    share = np.float32(0.16 * min(1.0, alt_m / 12_000.0))
    glow = np.array([128.0, 158.0, 198.0], dtype=np.float32)[:, None, None]
    colours *= 1 - share
    colours += glow * np.float32(scene.daylight) * share
    return colours


def _vignette(columns: int, rows: int) -> Grid:
    x = np.linspace(-1.0, 1.0, columns)[None, :]
    y = np.linspace(-1.0, 1.0, rows)[:, None] / _ASPECT
    return (1.04 - 0.16 * (x * x + y * y)).astype(np.float32)

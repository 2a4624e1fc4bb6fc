"""Draws device/overflight_device/camera/land.png: where land is, from the page's Natural Earth map.

Maintainers run it once: ``python tools/make_land.py``. Four pixels a degree, row 0 at 90° north,
column 0 at 180° west, white is land.
"""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
WORLD = ROOT / "ground/overflight_ground/page/vendor/world-50m.json"
LAND = ROOT / "device/overflight_device/camera/land.png"
SCALE = 4
FINER = 4


def main() -> None:
    world = json.loads(WORLD.read_text(encoding="utf-8"))
    arcs = [decoded(arc, world["transform"]) for arc in world["arcs"]]
    image = Image.new("L", (360 * SCALE * FINER, 180 * SCALE * FINER))
    draw = ImageDraw.Draw(image)
    for geometry in world["objects"]["land"].get("geometries", [world["objects"]["land"]]):
        parts = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
        for rings in parts:
            outlines = [unwrapped(joined(ring, arcs)) for ring in rings]
            for index, points in enumerate(sorted(outlines, key=breadth, reverse=True)):
                for turn in (-360, 0, 360):
                    shape = [pixel(lon + turn, lat) for lon, lat in points]
                    draw.polygon(shape, fill=0 if index else 255)
    small = image.resize((360 * SCALE, 180 * SCALE), Image.Resampling.BOX)
    small.point(lambda value: 255 if value >= 128 else 0).convert("1").save(LAND, optimize=True)
    print(f"{LAND.relative_to(ROOT)}: {LAND.stat().st_size} bytes")


def decoded(arc, transform):
    x = y = 0
    points = []
    for dx, dy, *_ in arc:
        x, y = x + dx, y + dy
        points.append(
            (
                x * transform["scale"][0] + transform["translate"][0],
                y * transform["scale"][1] + transform["translate"][1],
            )
        )
    return points


def joined(ring, arcs):
    points = []
    for index in ring:
        arc = arcs[index] if index >= 0 else arcs[~index][::-1]
        points += arc[1:] if points else arc
    return points


def breadth(points):
    return max(lon for lon, _ in points) - min(lon for lon, _ in points)


def unwrapped(points):
    """Follow a ring over the antimeridian; one around a pole is closed by way of the pole."""
    out = [points[0]]
    for lon, lat in points[1:]:
        out.append((lon - 360 * round((lon - out[-1][0]) / 360), lat))
    if abs(out[-1][0] - out[0][0]) > 180:
        pole = 90 if out[0][1] > 0 else -90
        out += [(out[-1][0], pole), (out[0][0], pole)]
    return out


def pixel(lon, lat):
    return (lon + 180) * SCALE * FINER, (90 - lat) * SCALE * FINER


if __name__ == "__main__":
    main()

"""A picture of a flight: altitude, speed, map, sent and kept; PNG or SVG by the suffix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from overflight_contract.errors import InputError, UnavailableError
from overflight_contract.formats import TrackPoint
from overflight_contract.times import from_ns
from overflight_ground.areas import countries
from overflight_ground.store import Store, reading
from overflight_ground.store.reading import MessageFilter
from overflight_ground.track import merge


def plot(store: Store, payload: str, flight: str | None, file: Path) -> str:
    """Draw a flight (the last one unless named) into `file`; return which flight it was."""
    if file.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise InputError(f"{file} should end in .png, .svg or .pdf")
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise UnavailableError("plots need matplotlib: pip install 'overflight[plot]'") from error
    with store.reading() as connection:
        chosen = flight or reading.last_flight(connection, payload)
        if chosen is None:
            raise InputError(f"nothing was heard from {payload}")
        wanted = MessageFilter(payload=payload, flight=chosen, believable=True)
        points = [p for p in merge(reading.track_rows(connection, wanted)) if p.lat_deg is not None]
        row = reading.flight_row(connection, payload, chosen)
        recovery = reading.last_recovery(connection, payload, chosen)
    if not points:
        raise InputError(f"no position of {payload} in flight {chosen}")
    figure = Figure(figsize=(11, 8.5), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=(2.2, 1, 1), width_ratios=(3, 1))
    _map(figure.add_subplot(grid[0, :]), points)
    _lines(figure.add_subplot(grid[1, 0]), points, "alt_msl_m", "altitude, km", 1000)
    _lines(figure.add_subplot(grid[2, 0]), points, "speed_mps", "speed, m/s", 1)
    kept = None if recovery is None else int(recovery.bytes)
    _split(figure.add_subplot(grid[1:, 1]), row.bytes if row is not None else 0, kept)
    simulated = " (simulated)" if row is not None and row.simulated else ""
    figure.suptitle(f"{payload}, flight {chosen}{simulated}")
    try:
        figure.savefig(file, dpi=130, metadata={"Date": None} if file.suffix == ".svg" else None)
    except OSError as error:
        raise InputError(f"can't write {file}: {error.strerror}") from error
    return chosen


def _map(axes: Any, points: Sequence[TrackPoint]) -> None:
    lon = _unwrapped([p.lon_deg or 0.0 for p in points])
    lat = [p.lat_deg or 0.0 for p in points]
    west, east, south, north = min(lon), max(lon), min(lat), max(lat)
    margin = max(0.2, 0.06 * (east - west), 0.06 * (north - south))
    for area in countries():
        for polygon in area.polygons:
            for turn in (-360.0, 0.0, 360.0):
                x, y = polygon.exterior.xy
                shifted = [value + turn for value in x]
                if max(shifted) > west - margin and min(shifted) < east + margin:
                    axes.plot(shifted, y, color="0.7", linewidth=0.5)
    axes.plot(lon, lat, color="tab:orange", linewidth=1.4)
    axes.plot(lon[:1], lat[:1], "o", color="tab:green", label="first")
    axes.plot(lon[-1:], lat[-1:], "s", color="tab:red", label="last")
    axes.set_xlim(west - margin, east + margin)
    axes.set_ylim(max(-90, south - margin), min(90, north + margin))
    axes.set_xlabel("longitude, degrees")
    axes.set_ylabel("latitude, degrees")
    axes.xaxis.set_major_formatter(lambda value, _at: f"{(value + 180) % 360 - 180:g}")
    axes.legend(loc="best", frameon=False)


def _lines(axes: Any, points: Sequence[TrackPoint], field: str, label: str, scale: float) -> None:
    known = [(p.measured_at_ns, getattr(p, field)) for p in points if getattr(p, field) is not None]
    if known:
        axes.plot([from_ns(at) for at, _ in known], [value / scale for _, value in known])
    axes.set_ylabel(label)
    axes.tick_params(axis="x", labelsize=7)


def _split(axes: Any, crossed: int, kept: int | None) -> None:
    """Crossed against kept, to scale where the vault was recovered."""
    names = ["crossed", "kept"]
    axes.bar(names, [crossed, kept or 0], color=["tab:green", "tab:purple"])
    axes.text(0, crossed, f"{crossed:,} B", ha="center", va="bottom", fontsize=8)
    text = "unknown until\nrecovered" if kept is None else f"{kept:,} B"
    axes.text(1, kept or 0, text, ha="center", va="bottom", fontsize=8)
    axes.set_ylabel("bytes")
    axes.margins(y=0.15)


def _unwrapped(lon_deg: Sequence[float]) -> list[float]:
    out = [lon_deg[0]]
    for value in lon_deg[1:]:
        out.append(out[-1] + (value - out[-1] + 180.0) % 360.0 - 180.0)
    return out

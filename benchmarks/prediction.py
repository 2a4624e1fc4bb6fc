"""How predictions did on real flights: the error of the landing predicted at each moment.

Flies the recordings of ../shared/data/flights (or those named) and prints, by how far the landing
was ahead, the median error, what two of three stayed within, and what the radius claimed. Besides
the whole flights: the last five minutes at each fix, and the way down as if nothing of the launch
had been heard.

    python benchmarks/prediction.py [--json] [FILE ...]
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from overflight_contract.formats import TrackPoint
from overflight_device.sources.track import in_order, read_fixes
from overflight_ground.ingest.plausible import Place, distance_m
from overflight_ground.prediction import predict

AHEAD_S = (0, 600, 1200, 2400, 3600, 5400, 14_400)
FLIGHTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "flights"


class Error(NamedTuple):
    """Of a predicted landing: the phase then, how far ahead it was, how wrong, what was claimed."""

    phase: str
    ahead_s: float
    wrong_m: float
    radius_m: float


def load(file: Path) -> list[TrackPoint]:
    fixes = in_order(read_fixes(file.read_bytes()))
    return [
        TrackPoint("HAB-01", file.stem, n, fix.measured_at_ns, fix.lat_deg, fix.lon_deg,
                   fix.alt_msl_m, None)
        for n, fix in enumerate(fixes, 1)
    ]  # fmt: skip


def errors(track: list[TrackPoint], counts: Iterable[int]) -> list[Error]:
    """Return what was wrong with the landing predicted from so many fixes, for each count."""
    end, found = track[-1], []
    there = Place(0, end.lat_deg or 0, end.lon_deg or 0)
    for count in counts:
        made = predict(track[:count])
        if made is None or made.landing is None or made.phase == "float":
            continue
        here = Place(0, made.landing.lat_deg, made.landing.lon_deg)
        ahead_s = (end.measured_at_ns - track[count - 1].measured_at_ns) / 1e9
        wrong_m = distance_m(here, there)
        found.append(Error(made.phase, ahead_s, wrong_m, made.landing.radius_m))
    return found


def moments(track: list[TrackPoint]) -> Iterable[int]:
    """Return after how many fixes a flight is predicted: about sixty times."""
    return range(20, len(track) - 2, max(1, len(track) // 60))


def at_the_end(track: list[TrackPoint]) -> Iterable[int]:
    """Return each number of fixes within the last five minutes, the last fix left out."""
    near_ns = track[-1].measured_at_ns - 300 * 10**9
    return [n for n in range(20, len(track)) if track[n - 1].measured_at_ns >= near_ns]


def from_the_top(track: list[TrackPoint]) -> list[TrackPoint]:
    """Return what is heard of a flight where that begins with the way down."""
    heights = [p.alt_msl_m or 0.0 for p in track]
    return track[heights.index(max(heights)) :]


def show(title: str, some: list[Error]) -> None:
    """Print a line of the table."""
    if not some:
        return
    wrong = sorted(e.wrong_m for e in some)
    radius_m = sum(e.radius_m for e in some) / len(some)
    within = sum(e.wrong_m <= e.radius_m for e in some) / len(some)
    print(
        f"{title:34} {len(some):4} {wrong[len(wrong) // 2] / 1000:10.1f}"
        f" {wrong[len(wrong) * 2 // 3] / 1000:10.1f} {radius_m / 1000:10.1f} {within:7.0%}"
    )


def show_by_time(title: str, phase: str, every: list[Error]) -> None:
    """Print a line for each span that the landing was ahead."""
    for low, high in itertools.pairwise(AHEAD_S):
        some = [e for e in every if e.phase == phase and low <= e.ahead_s < high]
        show(f"{title}, {low // 60}-{high // 60} min ahead", some)


def main() -> None:
    parser = argparse.ArgumentParser(description="Errors of predicted landings on real flights.")
    parser.add_argument("files", nargs="*", type=Path, help="flights; else those of the data")
    parser.add_argument("--quick", action="store_true", help="the same; it is quick")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    args = parser.parse_args()
    files = args.files or sorted(FLIGHTS.glob("eoss-[0-9][0-9][0-9].csv"))
    tracks = [load(file) for file in files]
    every = [e for track in tracks for e in errors(track, moments(track))]
    print(
        f"{'prediction of the landing':34} {'n':>4} {'median km':>10} {'2 of 3 km':>10}"
        f" {'radius km':>10} {'within':>7}"
    )
    show_by_time("ascent", "ascent", every)
    show_by_time("descent", "descent", every)
    show("descent, at the end", [e for t in tracks for e in errors(t, at_the_end(t))])
    downs = [from_the_top(track) for track in tracks]
    unheard = [e for track in downs for e in errors(track, moments(track))]
    show_by_time("launch unheard", "descent", unheard)
    within = sum(e.wrong_m <= e.radius_m for e in every) / max(1, len(every))
    print(f"within the radius: {within:.0%} of {len(every)}")
    if args.json:
        descent = sorted(e.wrong_m for e in every if e.phase == "descent")
        median = descent[len(descent) // 2] if descent else None
        print(json.dumps({"within_radius": round(within, 3), "median_descent_error_m": median}))


if __name__ == "__main__":
    main()

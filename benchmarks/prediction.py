"""How predictions did on real flights: the error of the landing predicted at each moment.

Flies the recordings of ../shared/data/flights (or those named) and prints, by how far the landing
was ahead, the median error, what two of three stayed within, and what the radius claimed.

    python benchmarks/prediction.py [--json] [FILE ...]
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

from overflight_contract.formats import TrackPoint
from overflight_device.sources.track import in_order, read_fixes
from overflight_ground.ingest.plausible import Place, distance_m
from overflight_ground.prediction import predict

AHEAD_S = (0, 600, 1200, 2400, 3600, 5400, 14_400)
FLIGHTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "flights"


def load(file: Path) -> list[TrackPoint]:
    fixes = in_order(read_fixes(file.read_bytes()))
    return [
        TrackPoint("HAB-01", file.stem, n, fix.measured_at_ns, fix.lat_deg, fix.lon_deg,
                   fix.alt_msl_m, None)
        for n, fix in enumerate(fixes, 1)
    ]  # fmt: skip


def errors(track: list[TrackPoint]) -> list[tuple[str, float, float, float]]:
    """Return (phase, seconds ahead, error, radius) of each prediction."""
    end, found = track[-1], []
    there = Place(0, end.lat_deg or 0, end.lon_deg or 0)
    for count in range(20, len(track) - 2, max(1, len(track) // 60)):
        made = predict(track[:count])
        if made is None or made.landing is None or made.phase == "float":
            continue
        here = Place(0, made.landing.lat_deg, made.landing.lon_deg)
        ahead_s = (end.measured_at_ns - track[count - 1].measured_at_ns) / 1e9
        found.append((made.phase, ahead_s, distance_m(here, there), made.landing.radius_m))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Errors of predicted landings on real flights.")
    parser.add_argument("files", nargs="*", type=Path, help="flights; else those of the data")
    parser.add_argument("--quick", action="store_true", help="the same; it is quick")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    args = parser.parse_args()
    files = args.files or sorted(FLIGHTS.glob("eoss-[0-9][0-9][0-9].csv"))
    every = [entry for file in files for entry in errors(load(file))]
    print(
        f"{'phase':8} {'ahead':>12} {'n':>4} {'median km':>10} {'2 of 3 km':>10} {'radius km':>10}"
    )
    for phase in ("ascent", "descent"):
        for low, high in itertools.pairwise(AHEAD_S):
            some = [e for e in every if e[0] == phase and low <= e[1] < high]
            if not some:
                continue
            wrong = sorted(error for _, _, error, _ in some)
            radius = sum(r for *_, r in some) / len(some)
            span = f"{low // 60}-{high // 60} min"
            print(
                f"{phase:8} {span:>12} {len(some):4} {wrong[len(wrong) // 2] / 1000:10.1f}"
                f" {wrong[len(wrong) * 2 // 3] / 1000:10.1f} {radius / 1000:10.1f}"
            )
    within = sum(error <= radius for *_, error, radius in every) / max(1, len(every))
    print(f"within the radius: {within:.0%} of {len(every)}")
    if args.json:
        descent = sorted(e for phase, _, e, _ in every if phase == "descent")
        median = descent[len(descent) // 2] if descent else None
        print(json.dumps({"within_radius": round(within, 3), "median_descent_error_m": median}))


if __name__ == "__main__":
    main()

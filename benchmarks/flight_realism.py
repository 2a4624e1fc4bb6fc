"""Flies real balloon flights from their launch data and compares them with what was measured.

    python benchmarks/flight_realism.py [--quick] [--json]

The flights are those of ``../shared/data/flights`` (EOSS, Colorado; not part of the project). From
each metadata file come balloon size, weights, neck lift, gas, parachute, launch and highest
altitude (where the simulated balloon bursts); from the CSV the altitudes that were heard by radio.
Printed per flight, simulated against real: the ascent rate profile, the burst that the catalogue's
diameter would give, descent and flight time. With --json the last line is one object with
``ascent_rate_error`` and ``descent_time_error``: medians over the flights, as fractions.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import math
import random
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

from overflight_device.flight.atmosphere import air_at
from overflight_device.flight.balloon import Stage, State, Vehicle, displaced_m3
from overflight_device.flight.simulation import Flight, fly
from overflight_device.flight.wind import Blend, Climatology, Weather

FLIGHTS = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "flights"
BURST_DIAMETER_M = {600: 6.02, 1000: 7.86, 1200: 8.63, 1500: 9.44, 2000: 10.54, 3000: 13.0}
"""By grams of latex, as makers of sounding balloons give them."""
BAND_M = 1_000.0
SEEDS = range(5)
"""Each flight is simulated so often, with other gusts; the median counts."""

Profile = list[tuple[float, float]]


class Real(NamedTuple):
    """One flight as launched and as it went."""

    name: str
    vehicle: Vehicle
    launch: tuple[float, float, float]
    ground_m: float
    burst_m: float
    burst_is_given: bool
    altitudes: Profile
    """(seconds since the first packet, metres), in order."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="the same; it takes seconds anyway")
    parser.add_argument("--json", action="store_true", help="print one object as the last line")
    args = parser.parse_args()
    if not FLIGHTS.is_dir():
        print("The real flights are not here (../shared/data/flights): nothing to compare with.")
        if args.json:
            print(json.dumps({"ascent_rate_error": None, "descent_time_error": None}))
        return 0
    results = [compare(read(path)) for path in sorted(FLIGHTS.glob("*_metadata.csv"))]
    answer = {
        "ascent_rate_error": round(statistics.median(result[0] for result in results), 4),
        "descent_time_error": round(statistics.median(result[1] for result in results), 4),
    }
    print(
        f"median error over {len(results)} flights: ascent rate "
        f"{answer['ascent_rate_error']:.1%}, descent time {answer['descent_time_error']:.1%}"
    )
    if args.json:
        print(json.dumps(answer))
    return 0


def read(metadata: Path) -> Real:
    with metadata.open(encoding="utf-8") as file:
        facts = next(csv.DictReader(file))
    name = facts["flight"]
    number = {key: float(value) for key, value in facts.items() if is_number(value)}
    envelope, neck_load = number["weights.balloon_kg"], number["weights.neckload_kg"]
    vehicle = Vehicle(
        envelope_kg=envelope,
        suspended_kg=neck_load,
        gas="hydrogen" if "h2fill" in facts else "helium",
        free_lift=(number["weights.necklift_kg"] - neck_load) / (envelope + neck_load),
        parachute_m=number["parachute.size_m"],
        burst_diameter_m=1.0,
    )
    launch = tuple(
        number[f"launch_location.{key}"] for key in ("latitude", "longitude", "altitude_m")
    )
    return Real(
        name=name,
        vehicle=vehicle,
        launch=launch,
        ground_m=number["landing_location.altitude_m"],
        burst_m=number["maxaltitude_m"],
        burst_is_given=facts["detected_burst.detected"] == "true",
        altitudes=altitudes(metadata.with_name(metadata.name.replace("_metadata", ""))),
    )


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def altitudes(path: Path) -> Profile:
    with path.open(encoding="utf-8") as file:
        points = {
            (dt.datetime.fromisoformat(row["packettime"]), float(row["altitude_m"]))
            for row in csv.DictReader(file)
        }
    start = min(points)[0]
    return sorted(((moment - start).total_seconds(), altitude) for moment, altitude in points)


def with_burst_at(vehicle: Vehicle, diameter_m: float) -> Vehicle:
    fields = {name: getattr(vehicle, name) for name in vehicle.__dataclass_fields__}
    return Vehicle(**fields | {"burst_diameter_m": diameter_m})


def diameter_at(vehicle: Vehicle, alt_m: float) -> float:
    state = State(
        elapsed_s=0, lat_deg=0, lon_deg=0, alt_m=alt_m, gas_kg=vehicle.gas_kg, ballast_kg=0
    )
    return (6 * displaced_m3(vehicle, state, air_at(alt_m).density) / math.pi) ** (1 / 3)


def catalogue_burst_m(vehicle: Vehicle) -> float:
    """Where the maker's burst diameter would be reached."""
    wanted = BURST_DIAMETER_M.get(round(vehicle.envelope_kg * 1000), 9.44)
    return next(
        (alt for alt in range(0, 50_000, 50) if diameter_at(vehicle, alt) >= wanted), 50_000
    )


def simulate(real: Real, seed: int) -> Profile:
    rng = random.Random(seed)
    winds = Blend(Climatology(0.5), Weather(rng, large_mps=0, small_mps=0))
    flight = Flight(
        vehicle=with_burst_at(real.vehicle, diameter_at(real.vehicle, real.burst_m)),
        winds=winds,
        launch=real.launch,
        prelaunch_s=0,
        ground_m=real.ground_m,
        landed_s=0,
        epoch_s=10,
    )
    states = [state for state in fly(flight, rng) if state.stage is not Stage.READY]
    return [(state.elapsed_s, state.alt_m) for state in states]


def rates(profile: Profile) -> dict[int, float]:
    """Return the climb in m/s by band of altitude, number of the band → rate, up to the top."""
    top = max(range(len(profile)), key=lambda index: profile[index][1])
    found: dict[int, float] = {}
    by_band: dict[int, Profile] = {}
    for moment, altitude in profile[: top + 1]:
        by_band.setdefault(int(altitude // BAND_M), []).append((moment, altitude))
    for band, points in by_band.items():
        if len(points) >= 3 and points[-1][0] - points[0][0] >= 30:
            mean_t = statistics.fmean(point[0] for point in points)
            mean_a = statistics.fmean(point[1] for point in points)
            below = sum((point[0] - mean_t) ** 2 for point in points)
            found[band] = sum((p[0] - mean_t) * (p[1] - mean_a) for p in points) / below
    return found


def descent_s(profile: Profile, ground_m: float) -> float:
    """Return the time from the top to the ground, or to the last that was heard."""
    top = max(profile, key=lambda point: point[1])
    last = next((p for p in profile if p[0] > top[0] and p[1] <= ground_m + 20), profile[-1])
    return last[0] - top[0]


def compare(real: Real) -> tuple[float, float]:
    """Print the comparison; returns the errors of ascent rate and descent time."""
    simulated = [simulate(real, seed) for seed in SEEDS]
    vehicle, low = real.vehicle, max(real.altitudes[-1][1], real.ground_m)
    print(
        f"{real.name}: {vehicle.envelope_kg:g} kg balloon, {vehicle.suspended_kg:g} kg below it, "
        f"free lift {vehicle.free_lift:.0%}, {vehicle.gas}"
    )
    ascent_error = compare_ascent(real, simulated)
    burst = f"{real.burst_m / 1000:.1f} km" if real.burst_is_given else "not detected"
    catalogue = catalogue_burst_m(vehicle) / 1000
    print(f"  burst          real {burst}, by the catalogue's diameter {catalogue:.1f} km")
    fall, down_real = real.burst_m - low, descent_s(real.altitudes, low)
    down = statistics.median(descent_s(profile, low) for profile in simulated)
    up = statistics.median(max(profile, key=lambda p: p[1])[0] for profile in simulated)
    up_real = max(real.altitudes, key=lambda p: p[1])[0]
    descent_error = abs(down / down_real - 1)
    row("descent rate", f"{fall / down_real:.2f} m/s", f"{fall / down:.2f} m/s")
    row("descent time", f"{down_real:.0f} s", f"{down:.0f} s, error {descent_error:.1%}")
    row("flight time", f"{up_real + down_real:.0f} s", f"{up + down:.0f} s\n")
    return ascent_error, descent_error


def compare_ascent(real: Real, simulated: list[Profile]) -> float:
    """Print both profiles; returns the error of the median rate."""
    bands_real, every = rates(real.altitudes), [rates(profile) for profile in simulated]
    bands_simulated = {
        band: statistics.median(bands[band] for bands in every if band in bands)
        for band in set().union(*every)
    }
    shared = sorted(bands_real.keys() & bands_simulated.keys())
    print("  altitude km    " + " ".join(f"{band:5d}" for band in shared[::2]))
    print("  ascent real    " + " ".join(f"{bands_real[band]:5.1f}" for band in shared[::2]))
    print("  ascent sim     " + " ".join(f"{bands_simulated[band]:5.1f}" for band in shared[::2]))
    rate_real = statistics.median(bands_real[band] for band in shared)
    rate = statistics.median(bands_simulated[band] for band in shared)
    error = abs(rate / rate_real - 1)
    row("median ascent", f"{rate_real:.2f} m/s", f"{rate:.2f} m/s, error {error:.1%}")
    return error


def row(what: str, real: str, simulated: str) -> None:
    print(f"  {what:<14} real {real}, simulated {simulated}")


if __name__ == "__main__":
    sys.exit(main())

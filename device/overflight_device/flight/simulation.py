"""A whole flight: launch, ascent, steering, cut-down, landing; a generator of states.

`Flight` holds what a flight needs; `fly` yields the truth at each epoch, the first at time 0.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from overflight_device.fix import FlightPlan
from overflight_device.flight.balloon import Command, Stage, State, Vehicle, step
from overflight_device.flight.geodesy import measure
from overflight_device.flight.plan import PlanFollower
from overflight_device.flight.steering import choose_level, landing_point
from overflight_device.flight.wind import Blend, Wind

STEP_S: Final = {Stage.READY: 60.0, Stage.ASCENT: 5.0, Stage.FLOAT: 60.0, Stage.DESCENT: 2.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """One flight to simulate; times in seconds since its start."""

    vehicle: Vehicle
    winds: Blend
    launch: tuple[float, float, float]
    """Latitude, longitude, altitude above mean sea level."""
    plan: FlightPlan | None = None
    steer: bool = False
    band_m: tuple[float, float] = (0.0, 0.0)
    levels: int = 9
    steer_every_s: float = 1800.0
    look_ahead_m: float = 350_000.0
    steer_until_s: float | None = None
    """Steering fails then; the balloon stays at `stuck_m`, else where it was."""
    stuck_m: float | None = None
    prelaunch_s: float = 300.0
    cut_down_s: float | None = None
    """Come down after this time at the latest; `None`: only by burst."""
    landed_s: float = 600.0
    """Goes on for so long after the landing."""
    ground_m: float = 0.0
    epoch_s: float = 60.0


class _Pilot:
    """Gives the commands: launch, level, cut-down."""

    def __init__(self, flight: Flight) -> None:
        self._flight = flight
        self._follower = PlanFollower(flight.plan) if flight.plan else None
        low, high = flight.band_m
        count = max(flight.levels, 2)
        self._levels = [low + (high - low) * i / (count - 1) for i in range(count)]
        self._level = (low + high) / 2 if high > low else None
        self._next_steer_s = 0.0
        self._final = False
        self._nearest_m = float("inf")
        self._down = False

    def command(self, state: State) -> Command:
        """Decide for the next step."""
        flight = self._flight
        if state.stage is Stage.READY:
            return Command(launch=state.elapsed_s >= flight.prelaunch_s)
        if state.stage in (Stage.DESCENT, Stage.LANDED):
            return Command(ground_m=flight.ground_m)
        if flight.cut_down_s is not None and state.elapsed_s >= flight.cut_down_s:
            self._down = True
        if flight.steer_until_s is not None and state.elapsed_s >= flight.steer_until_s:
            self._level = flight.stuck_m or self._level
        elif flight.steer and state.stage is Stage.FLOAT:
            self._steer(state)
        return Command(level_m=self._level, cut_down=self._down, ground_m=flight.ground_m)

    def _steer(self, state: State) -> None:
        if self._final:
            self._watch_landing(state)
        if state.elapsed_s < self._next_steer_s or self._follower is None:
            return
        self._next_steer_s = state.elapsed_s + self._flight.steer_every_s
        place = state.lat_deg, state.lon_deg
        progress = self._follower.update(*place)
        bearing = self._follower.aim(*place, self._flight.look_ahead_m)
        winds = [self._flight.winds.at(*place, level, state.elapsed_s) for level in self._levels]
        self._level = choose_level(self._levels, winds, bearing, self._level or state.alt_m)
        last = len(self._follower.plan.points) - 1
        self._final = progress.number == last and progress.distance_m < _FINAL_M
        self._down = self._down or progress.done

    def _watch_landing(self, state: State) -> None:
        """Cut down when the foreseen landing has come as near to the last waypoint as it will."""
        if self._follower is None:
            return
        flight, goal = self._flight, self._follower.plan.points[-1]
        lat, lon = landing_point(
            flight.vehicle,
            flight.winds,
            state.lat_deg,
            state.lon_deg,
            state.alt_m,
            state.elapsed_s,
            flight.ground_m,
        )
        distance = measure(lat, lon, goal.lat_deg, goal.lon_deg).distance_m
        if distance > self._nearest_m:
            self._down = True
        self._nearest_m = distance


_FINAL_M: Final = 350_000.0


def fly(flight: Flight, rng: random.Random) -> Iterator[State]:
    """Yield the truth every `epoch_s`, from time 0 until `landed_s` after the landing."""
    lat, lon, alt = flight.launch
    state = State(
        elapsed_s=0.0,
        lat_deg=lat,
        lon_deg=lon,
        alt_m=alt,
        gas_kg=flight.vehicle.gas_kg,
        ballast_kg=flight.vehicle.ballast_kg,
    )
    pilot, epochs, end_s = _Pilot(flight), 0, float("inf")
    while state.elapsed_s <= end_s:
        yield state
        epochs += 1
        while state.elapsed_s < epochs * flight.epoch_s - 1e-6:
            left = epochs * flight.epoch_s - state.elapsed_s
            dt_s = min(left, STEP_S.get(state.stage, left))
            state = _advance(flight, pilot, state, dt_s, rng)
        if state.stage is Stage.LANDED and end_s == float("inf"):
            end_s = state.elapsed_s + flight.landed_s


def _advance(flight: Flight, pilot: _Pilot, state: State, dt_s: float, rng: random.Random) -> State:
    if not state.flying:
        return step(flight.vehicle, state, dt_s, _CALM, rng, pilot.command(state))
    wind = flight.winds.at(state.lat_deg, state.lon_deg, state.alt_m, state.elapsed_s)
    return step(flight.vehicle, state, dt_s, wind, rng, pilot.command(state))


_CALM: Final = Wind(0.0, 0.0)

"""The balloon: (state, time step, wind, chance) → state.

One envelope model serves both kinds. Its gas (and pumped air) takes the volume n·R·T/p of the air
around; a latex envelope bursts at a diameter, a superpressure one stops at its volume and floats
where it displaces its own weight. Motion is at terminal velocity: the time constants are seconds.
Ballast is dropped and gas valved in any kind; a superpressure balloon also pumps air in, to go
down, and lets it out, to go up.
"""

from __future__ import annotations

import enum
import math
import random
from dataclasses import dataclass, replace
from typing import Final

from overflight_device.flight.atmosphere import G0, SEA_LEVEL_DENSITY, air_at, altitude_of_density
from overflight_device.flight.geodesy import drift
from overflight_device.flight.wind import Wind

AIR_MOLAR: Final = 28.9645
GAS_MOLAR: Final = {"helium": 4.0026, "hydrogen": 2.0159}


class Stage(enum.StrEnum):
    """What the balloon is doing, in truth (the payload has to find out)."""

    READY = "ready"
    ASCENT = "ascent"
    FLOAT = "float"
    DESCENT = "descent"
    LANDED = "landed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """Balloon, payload and parachute as launched. Masses in kg, lengths in m."""

    envelope_kg: float
    suspended_kg: float
    """All that hangs below: payload, parachute, lines; without ballast."""
    gas: str = "helium"
    free_lift: float = 0.2
    """Lift beyond the weight, as a share of the weight (envelope, suspended, ballast)."""
    burst_diameter_m: float | None = None
    volume_m3: float | None = None
    """Of a superpressure envelope; `None` for latex."""
    drag: float | None = None
    """Coefficient in ascent; `None`: by Reynolds number, as `sphere_drag` says."""
    ballast_kg: float = 0.0
    max_air_kg: float = 0.0
    air_rate_kg_s: float = 0.0
    parachute_m: float = 3.0
    parachute_drag: float = 0.65
    """At sea level; see `fall_mps`."""
    remnant: float = 0.3
    """Share of the envelope that stays attached after a burst."""

    @property
    def gas_kg(self) -> float:
        """Gas that the free lift asks for."""
        weight = self.envelope_kg + self.suspended_kg + self.ballast_kg
        return (1.0 + self.free_lift) * weight / (AIR_MOLAR / GAS_MOLAR[self.gas] - 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The truth at one time."""

    elapsed_s: float
    lat_deg: float
    lon_deg: float
    alt_m: float
    gas_kg: float
    ballast_kg: float
    air_kg: float = 0.0
    climb_mps: float = 0.0
    east_mps: float = 0.0
    north_mps: float = 0.0
    gust_mps: float = 0.0
    stage: Stage = Stage.READY

    @property
    def flying(self) -> bool:
        """Tell whether it is off the ground."""
        return self.stage in (Stage.ASCENT, Stage.FLOAT, Stage.DESCENT)


@dataclass(frozen=True, slots=True)
class Command:
    """What the payload does about its flight during one step."""

    level_m: float | None = None
    """Float here, by pumping air in or letting it out."""
    drop_kg: float = 0.0
    valve_kg: float = 0.0
    launch: bool = False
    cut_down: bool = False
    ground_m: float = 0.0
    """Height of the ground below."""


COAST: Final = Command()


_LAMINAR_DRAG: Final = 0.50
_TURBULENT_DRAG: Final = 0.16
_CRISIS_REYNOLDS: Final = 4.0e5
_CRISIS_WIDTH: Final = 0.15


def sphere_drag(reynolds: float) -> float:
    """Return the drag coefficient of a sphere: the drag crisis, smoothed.

    0.5 below and 0.16 above a Reynolds number of some 400,000 (Achenbach 1972,
    doi:10.1017/S0022112072000874), which is what sounding balloons show as well: they rise fast at
    first and slow down at 10 to 20 km.
    """
    over = math.log10(max(reynolds, 1.0) / _CRISIS_REYNOLDS) / _CRISIS_WIDTH
    share = 1.0 / (1.0 + math.exp(max(-60.0, min(60.0, 2.0 * over))))
    return _TURBULENT_DRAG + (_LAMINAR_DRAG - _TURBULENT_DRAG) * share


def displaced_m3(vehicle: Vehicle, state: State, density: float) -> float:
    """Return the volume that the balloon takes in air of `density`."""
    moles = state.gas_kg * AIR_MOLAR / GAS_MOLAR[vehicle.gas] + state.air_kg
    volume = moles / density
    return volume if vehicle.volume_m3 is None else min(volume, vehicle.volume_m3)


def total_kg(vehicle: Vehicle, state: State) -> float:
    """Return the mass that the balloon has to carry, its gas included."""
    fixed = vehicle.envelope_kg + vehicle.suspended_kg
    return fixed + state.gas_kg + state.air_kg + state.ballast_kg


def float_altitude(vehicle: Vehicle, state: State) -> float | None:
    """Return where the balloon would float; `None` for latex and for one that is slack."""
    if vehicle.volume_m3 is None:
        return None
    density = total_kg(vehicle, state) / vehicle.volume_m3
    if displaced_m3(vehicle, state, density) < vehicle.volume_m3 * 0.999:
        return None
    return altitude_of_density(density)


def rise_mps(vehicle: Vehicle, state: State) -> float:
    """Return the vertical speed at which drag balances lift; below 0 it sinks."""
    air = air_at(state.alt_m)
    volume = displaced_m3(vehicle, state, air.density)
    force = (volume * air.density - total_kg(vehicle, state)) * G0
    diameter = (6.0 * volume / math.pi) ** (1.0 / 3.0)
    area = math.pi * diameter * diameter / 4.0
    unit = 2.0 * abs(force) / (air.density * area)
    if vehicle.drag is not None:
        return math.copysign(math.sqrt(unit / vehicle.drag), force)
    per_mps = air.density * diameter / air.viscosity
    return math.copysign(_terminal_mps(unit, per_mps, abs(state.climb_mps)), force)


def _terminal_mps(unit: float, reynolds_per_mps: float, speed: float) -> float:
    """Solve speed² · drag(Reynolds number of speed) = `unit`, near the speed of before.

    In the crisis more than one speed fits; like the balloon, the solution stays on its branch.
    """
    low, high = math.sqrt(unit / _LAMINAR_DRAG), math.sqrt(unit / _TURBULENT_DRAG)
    speed = min(max(speed, low), high) if speed > 0.0 else high
    for _ in range(12):
        speed = 0.5 * (speed + math.sqrt(unit / sphere_drag(reynolds_per_mps * speed)))
    return speed


_PARACHUTE_THINNING: Final = 0.16
"""Parachutes brake less well in thin air (they flutter and do not fill), by this power of density;
from descents of real flights, see docs/scenarios.md."""


def fall_mps(vehicle: Vehicle, alt_m: float) -> float:
    """Return the speed of descent below the parachute, above 0."""
    mass = vehicle.suspended_kg + vehicle.remnant * vehicle.envelope_kg
    area = math.pi * vehicle.parachute_m**2 / 4.0
    density = air_at(alt_m).density
    drag = vehicle.parachute_drag * (density / SEA_LEVEL_DENSITY) ** _PARACHUTE_THINNING
    return math.sqrt(2.0 * mass * G0 / (density * drag * area))


_GUST_S: Final = 40.0
_GUST_MPS: Final = {Stage.ASCENT: 0.35, Stage.FLOAT: 0.12, Stage.DESCENT: 0.5}


def step(
    vehicle: Vehicle,
    state: State,
    dt_s: float,
    wind: Wind,
    rng: random.Random,
    command: Command = COAST,
) -> State:
    """Go on by `dt_s` seconds (some seconds in ascent and descent, up to a minute afloat)."""
    elapsed = state.elapsed_s + dt_s
    if not state.flying:
        launched = command.launch and state.stage is Stage.READY
        return replace(state, elapsed_s=elapsed, stage=Stage.ASCENT if launched else state.stage)
    state = _trim(vehicle, state, dt_s, command)
    if command.cut_down and state.stage is not Stage.DESCENT:
        state = replace(state, stage=Stage.DESCENT)
    keep = math.exp(-dt_s / _GUST_S)
    gust = state.gust_mps * keep + rng.gauss(0.0, _GUST_MPS[state.stage]) * math.sqrt(
        1.0 - keep * keep
    )
    climb, stage = _vertical(vehicle, state, dt_s)
    rise = (climb + gust) * dt_s
    alt = state.alt_m + rise
    lat, lon = drift(state.lat_deg, state.lon_deg, wind.east * dt_s, wind.north * dt_s)
    if stage is Stage.DESCENT and alt <= command.ground_m:
        return replace(
            state, elapsed_s=elapsed, lat_deg=lat, lon_deg=lon, alt_m=command.ground_m,
            climb_mps=0.0, east_mps=0.0, north_mps=0.0, gust_mps=0.0, stage=Stage.LANDED,
        )  # fmt: skip
    return State(
        elapsed_s=elapsed, lat_deg=lat, lon_deg=lon, alt_m=alt, gas_kg=state.gas_kg,
        ballast_kg=state.ballast_kg, air_kg=state.air_kg, climb_mps=rise / dt_s,
        east_mps=wind.east, north_mps=wind.north, gust_mps=gust, stage=stage,
    )  # fmt: skip


def _vertical(vehicle: Vehicle, state: State, dt_s: float) -> tuple[float, Stage]:
    """Return the mean climb over the step, without gusts, and the stage after it."""
    if state.stage is Stage.DESCENT:
        terminal = -fall_mps(vehicle, state.alt_m)
        share = 1.0 - math.exp(-dt_s * G0 / -terminal)
        now = state.climb_mps - state.gust_mps
        return now + (terminal - now) * share, Stage.DESCENT
    if vehicle.burst_diameter_m is not None:
        volume = displaced_m3(vehicle, state, air_at(state.alt_m).density)
        if (6.0 * volume / math.pi) ** (1.0 / 3.0) >= vehicle.burst_diameter_m:
            return state.climb_mps, Stage.DESCENT
    level = float_altitude(vehicle, state)
    free = rise_mps(vehicle, state)
    if level is None:
        return free, state.stage
    missing = level - state.alt_m
    if state.stage is Stage.ASCENT and missing > 30.0:
        return min(free, missing / dt_s) if free > 0 else free, Stage.ASCENT
    return _settle(missing, dt_s), Stage.FLOAT


_SETTLE_S: Final = 240.0


def _settle(missing_m: float, dt_s: float) -> float:
    """Return the speed towards the float level: slow, since near it the lift is small."""
    share = 1.0 - math.exp(-dt_s / _SETTLE_S)
    return max(-2.5, min(2.5, missing_m * share / dt_s))


def _trim(vehicle: Vehicle, state: State, dt_s: float, command: Command) -> State:
    """Drop, valve and pump as commanded."""
    air = state.air_kg
    if command.level_m is not None and vehicle.volume_m3 is not None:
        wanted = air_at(command.level_m).density * vehicle.volume_m3
        wanted -= total_kg(vehicle, state) - air
        limit = vehicle.air_rate_kg_s * dt_s
        wanted = min(max(wanted, 0.0), vehicle.max_air_kg)
        air += max(-limit, min(limit, wanted - air))
    if air == state.air_kg and command.drop_kg == command.valve_kg == 0.0:
        return state
    return replace(
        state,
        air_kg=air,
        ballast_kg=max(0.0, state.ballast_kg - command.drop_kg),
        gas_kg=max(0.0, state.gas_kg - command.valve_kg),
    )

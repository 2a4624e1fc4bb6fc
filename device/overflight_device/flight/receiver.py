"""What a GNSS receiver makes of the truth: noise, lost fixes, the 18 km limit, time to first fix.

Noise wanders (a first-order Gauss-Markov process over minutes), as it does in real receivers,
rather than jumping from fix to fix.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from overflight_contract.messages import Fix as FixMode
from overflight_contract.times import NS_PER_S
from overflight_device.fix import Fix
from overflight_device.flight.balloon import State
from overflight_device.flight.geodesy import geoid_m, nudge

ALTITUDE_LIMIT_M: Final = 18_000.0
"""Above it a receiver that is not in airborne mode gives no fix (the old COCOM limit)."""
_WANDER_S: Final = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverModel:
    """How good the receiver is; sigmas in metres and m/s."""

    horizontal_m: float = 1.8
    vertical_m: float = 3.5
    speed_mps: float = 0.08
    first_fix_s: float = 0.0
    airborne: bool = True
    losses_per_day: float = 0.0
    loss_s: float = 120.0
    clock_error_s: float = 0.0
    """How wrong its clock is until the first fix."""


class Receiver:
    """One receiver through one flight; `view` it at each epoch, in order of time."""

    def __init__(self, model: ReceiverModel, rng: random.Random) -> None:
        self._model = model
        self._rng = rng
        self._at: float | None = None
        self._east = self._north = self._up = 0.0
        self._sats = 11.0
        self._lost_until = -math.inf

    def view(self, state: State, start_ns: int) -> Fix:
        """Return the fix at the time of `state`, which began at `start_ns`."""
        self._wander(state.elapsed_s)
        time_ns = start_ns + round(state.elapsed_s * 1000) * (NS_PER_S // 1000)
        searching = state.elapsed_s < self._model.first_fix_s
        blind = not self._model.airborne and state.alt_m > ALTITUDE_LIMIT_M
        if searching and self._model.clock_error_s:
            time_ns += round(self._model.clock_error_s * NS_PER_S)
        if searching or blind or state.elapsed_s < self._lost_until:
            seen = 0 if not searching else int(state.elapsed_s / self._model.first_fix_s * 4)
            return Fix(measured_at_ns=time_ns, mode=FixMode.NONE, sats=min(seen, 3))
        return self._fix(state, time_ns)

    def _fix(self, state: State, time_ns: int) -> Fix:
        rng, model = self._rng, self._model
        lat, lon = nudge(state.lat_deg, state.lon_deg, self._east, self._north)
        alt = state.alt_m + self._up
        east = state.east_mps + rng.gauss(0.0, model.speed_mps)
        north = state.north_mps + rng.gauss(0.0, model.speed_mps)
        sats = max(6, min(19, round(self._sats)))
        speed = math.hypot(east, north)
        return Fix(
            measured_at_ns=time_ns,
            mode=FixMode.THREE_D,
            lat_deg=lat,
            lon_deg=lon,
            alt_msl_m=alt,
            alt_hae_m=alt + geoid_m(lat, lon),
            speed_mps=speed,
            track_deg=math.degrees(math.atan2(east, north)) % 360.0 if speed > 0.5 else None,
            climb_mps=state.climb_mps + rng.gauss(0.0, 1.5 * model.speed_mps),
            sats=sats,
            hdop=max(0.5, 0.7 + 0.06 * (14 - sats) + abs(rng.gauss(0.0, 0.06))),
        )

    def _wander(self, now_s: float) -> None:
        passed = 0.0 if self._at is None else now_s - self._at
        first, self._at = self._at is None, now_s
        keep = 0.0 if first else math.exp(-passed / _WANDER_S)
        spread = math.sqrt(1.0 - keep * keep)
        rng, model = self._rng, self._model
        self._east = self._east * keep + rng.gauss(0.0, model.horizontal_m) * spread
        self._north = self._north * keep + rng.gauss(0.0, model.horizontal_m) * spread
        self._up = self._up * keep + rng.gauss(0.0, model.vertical_m) * spread
        self._sats = 12.0 + (self._sats - 12.0) * keep + rng.gauss(0.0, 1.8) * spread
        chance = model.losses_per_day * passed / 86_400.0
        if rng.random() < chance:
            self._lost_until = now_s + rng.expovariate(1.0 / model.loss_s)

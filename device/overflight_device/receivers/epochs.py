"""Gather what a receiver says, message by message, into one fix an epoch.

A receiver spreads an epoch over several sentences or messages, in an order of its own, and none of
them says "that was all". The rules here are those of gpsd, which learned them from hundreds of
receivers: a message that begins an epoch clears what was known, every other one adds to it, and
a *report* is made when the message that usually comes last has come (or, while that is not known
yet, with every message that says something of position or mode). The last report of an epoch is
its fix.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Final

from overflight_contract.messages import Fix as FixMode
from overflight_device.fix import Fix

UNSEEN: Final = 0
NO_FIX: Final = 1
FIX_2D: Final = 2
FIX_3D: Final = 3

_SAME_EPOCH_NS: Final = 9_900_000
_MS_NS: Final = 1_000_000
_HALF_MS_NS: Final = 500_000
_MAX_SPEED_MPS: Final = 9_999.9


@dataclass(slots=True)
class Said:
    """What can be said of an epoch; `None` is "not said". Units as in `Fix`."""

    time_ns: int | None = None
    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_msl_m: float | None = None
    alt_hae_m: float | None = None
    geoid_m: float | None = None
    speed_mps: float | None = None
    track_deg: float | None = None
    climb_mps: float | None = None
    east_mps: float | None = None
    north_mps: float | None = None
    up_mps: float | None = None
    sats: int | None = None
    hdop: float | None = None


@dataclass(slots=True)
class Reading(Said):
    """What one message says.

    `clear`: it begins an epoch. `report`: it ends one. `notable`: it is worth a report while the
    last message of an epoch is not known. `notes`: it says something of the epoch that is not
    kept (satellites in view, error estimates). `silent`: what it says is said again. `amends`: it
    adds to an epoch that may have been reported, and changes nothing else. `forget_time`: the
    receiver has lost its clock.
    """

    mode: int | None = None
    clear: bool = False
    report: bool = False
    notable: bool = False
    notes: bool = False
    silent: bool = False
    amends: bool = False
    forget_time: bool = False


@dataclass(slots=True)
class State(Said):
    """What is known of an epoch so far."""

    mode: int = UNSEEN

    @property
    def has_altitude(self) -> bool:
        """True where an altitude of either kind is known."""
        return self.alt_msl_m is not None or self.alt_hae_m is not None


_PLAIN: Final = (
    "geoid_m",
    "alt_msl_m",
    "alt_hae_m",
    "speed_mps",
    "track_deg",
    "climb_mps",
    "east_mps",
    "north_mps",
    "up_mps",
    "sats",
    "hdop",
)


class Epochs:
    """Readings in, fixes out, one an epoch.

    `end_known` says that the message that ends an epoch is known, so that a report waits for it.
    """

    def __init__(self, *, bare_times: bool = True) -> None:
        """`bare_times`: a time of which nothing else was said is reported as well."""
        self._bare_times = bare_times
        self.current = State()
        self.last = State()  # the newest state that had a time
        self.old = State()  # the last one of the epoch before it
        self.end_known = False
        self.undated = 0
        self._pending: Fix | None = None

    def apply(self, reading: Reading) -> Fix | None:
        """Take one reading; return the fix of the epoch before it, where that is complete now."""
        if reading.clear:
            self.current = State()
        self._merge(reading)
        self._complete()
        if reading.report or (not self.end_known and _is_notable(reading)):
            return self._report()
        if reading.amends and self._pending is not None:
            amended = to_fix(self.current)
            if amended is not None and amended.measured_at_ns == self._pending.measured_at_ns:
                self._pending = amended
        return None

    def flush(self) -> Fix | None:
        """Return the fix that waits for more reports, where there is one."""
        fix, self._pending = self._pending, None
        return fix

    def _merge(self, reading: Reading) -> None:
        state = self.current
        if reading.forget_time:
            state.time_ns = None
        if reading.time_ns is not None:
            state.time_ns = reading.time_ns
        if reading.mode is not None:
            state.mode = reading.mode
        if reading.lat_deg is not None and reading.lon_deg is not None:
            state.lat_deg, state.lon_deg = reading.lat_deg, reading.lon_deg
        for name in _PLAIN:
            value = getattr(reading, name)
            if value is not None:
                setattr(state, name, value)

    def _complete(self) -> None:
        """Work out what follows from what was said, and remember the epoch before."""
        state = self.current
        _fill_from_velocity(state)
        if state.time_ns is not None and (
            self.last.time_ns is None or abs(state.time_ns - self.last.time_ns) > _SAME_EPOCH_NS
        ):
            self.old = self.last
        if state.speed_mps is not None and not 0 <= state.speed_mps <= _MAX_SPEED_MPS:
            state.speed_mps = None
        if state.climb_mps is not None and abs(state.climb_mps) > _MAX_SPEED_MPS:
            state.climb_mps = None
        if state.track_deg is not None:
            state.track_deg %= 360.0
        if state.geoid_m is not None:
            if state.alt_hae_m is not None and state.alt_msl_m is None:
                state.alt_msl_m = round(state.alt_hae_m - state.geoid_m, 4)
            elif state.alt_msl_m is not None and state.alt_hae_m is None:
                state.alt_hae_m = round(state.alt_msl_m + state.geoid_m, 4)
        if state.time_ns is not None:
            self.last = copy.copy(state)

    def _report(self) -> Fix | None:
        fix = to_fix(self.current)
        if fix is None:
            self.undated += 1
            return None
        if self.current.mode == UNSEEN and not self._bare_times:
            return None
        before, self._pending = self._pending, fix
        if before is not None and before.measured_at_ns != fix.measured_at_ns:
            return before
        return None


def _fill_from_velocity(state: State) -> None:
    """Components give what a receiver did not say of speed, track and climb in its own words."""
    if state.climb_mps is None:
        state.climb_mps = state.up_mps
    if state.east_mps is None or state.north_mps is None:
        return
    if state.speed_mps is None:
        state.speed_mps = math.hypot(state.north_mps, state.east_mps)
    if state.track_deg is None:
        state.track_deg = math.degrees(math.atan2(state.east_mps, state.north_mps))


def _is_notable(reading: Reading) -> bool:
    return reading.notable or reading.mode is not None or reading.lat_deg is not None


def to_fix(state: State) -> Fix | None:
    """Return the fix that `state` amounts to; `None` where its time is not known.

    A position without a mode, or a mode without a position, is no fix. The time is in whole
    milliseconds: u-blox gives the fraction as measured, so 59.999999847 means 60. A 2D fix keeps
    the height that the receiver goes by, but has no climb.
    """
    if state.time_ns is None:
        return None
    time_ns = (state.time_ns + _HALF_MS_NS) // _MS_NS * _MS_NS
    if state.mode < FIX_2D or state.lat_deg is None or state.lon_deg is None:
        return Fix(measured_at_ns=time_ns, mode=FixMode.NONE, sats=state.sats, hdop=state.hdop)
    three = state.mode >= FIX_3D
    return Fix(
        measured_at_ns=time_ns,
        mode=FixMode.THREE_D if three else FixMode.TWO_D,
        lat_deg=state.lat_deg,
        lon_deg=state.lon_deg,
        alt_msl_m=state.alt_msl_m,
        alt_hae_m=state.alt_hae_m,
        speed_mps=state.speed_mps,
        track_deg=state.track_deg,
        climb_mps=state.climb_mps if three else None,
        sats=state.sats,
        hdop=state.hdop,
    )

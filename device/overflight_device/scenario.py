"""Scenarios: a simulated flight, or a fleet of them, in a TOML file (keys: docs/scenarios.md).

The shipped ones lie in ``device/scenarios/`` (in an installed package, beside this module).
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from overflight_contract.errors import InputError
from overflight_contract.identity import PAYLOAD_PATTERN
from overflight_contract.times import NS_PER_S, to_ns
from overflight_device.fix import FlightPlan, PlanPoint

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class _Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables of a scenario: unknown keys are refused."""


class LaunchSpec(_Spec, frozen=True, kw_only=True):
    """Where the flight begins."""

    lat_deg: Annotated[float, Meta(ge=-90, le=90)]
    lon_deg: Annotated[float, Meta(ge=-180, lt=180)]
    alt_m: float = 0.0
    prelaunch_s: NotNegative = 300.0


class BalloonSpec(_Spec, frozen=True, kw_only=True):
    """The balloon; kilograms, metres (see `overflight_device.flight.balloon.Vehicle`)."""

    envelope_kg: Positive
    suspended_kg: Positive
    gas: Literal["helium", "hydrogen"] = "helium"
    free_lift: Annotated[float, Meta(gt=0, le=3)] = 0.2
    burst_diameter_m: Positive | None = None
    volume_m3: Positive | None = None
    drag: Positive | None = None
    ballast_kg: NotNegative = 0.0
    max_air_kg: NotNegative = 0.0
    air_rate_kg_s: NotNegative = 0.0
    parachute_m: Positive = 3.0
    parachute_drag: Positive = 0.65
    remnant: Share = 0.3


class SteeringSpec(_Spec, frozen=True, kw_only=True):
    """The levels that the balloon may choose from."""

    low_m: Positive
    high_m: Positive
    levels: Annotated[int, Meta(ge=2, le=50)] = 9
    every_s: Positive = 1800.0
    look_ahead_m: Positive = 350_000.0
    until_s: Positive | None = None
    """From then on it does not steer, and leaves its plan; it comes down after its duration."""
    stuck_m: Positive | None = None
    """The level it stays at then; else the last one."""


class PointSpec(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A waypoint, written as an array."""

    lat_deg: Annotated[float, Meta(ge=-90, le=90)]
    lon_deg: Annotated[float, Meta(ge=-180, lt=180)]
    name: str = ""


class PlanSpec(_Spec, frozen=True, kw_only=True):
    """The flight plan; each point is [latitude, longitude] or [latitude, longitude, name]."""

    points: Annotated[list[PointSpec], Meta(min_length=1, max_length=1000)]
    width_m: Positive = 500_000.0


class StreamSpec(_Spec, frozen=True, kw_only=True):
    """A current along the plan (see `overflight_device.flight.wind.Stream`)."""

    speed_mps: NotNegative
    veer_deg_per_km: float = 0.0
    mid_m: float = 19_000.0
    bottom_m: float = 13_000.0
    full_m: float = 17_500.0


class WindSpec(_Spec, frozen=True, kw_only=True):
    """The wind: climatology or sounding, perhaps a stream, and weather."""

    sounding: str | None = None
    """File beside the scenario; instead of the climatology."""
    large_mps: NotNegative = 5.0
    small_mps: NotNegative = 1.5
    stream: StreamSpec | None = None


class ReceiverSpec(_Spec, frozen=True, kw_only=True):
    """The receiver (see `overflight_device.flight.receiver.ReceiverModel`)."""

    horizontal_m: NotNegative = 1.8
    vertical_m: NotNegative = 3.5
    speed_mps: NotNegative = 0.08
    first_fix_s: NotNegative = 0.0
    airborne: bool = True
    losses_per_day: NotNegative = 0.0
    loss_s: Positive = 120.0
    clock_error_s: float = 0.0


class FaultSpec(_Spec, frozen=True, kw_only=True):
    """Something that goes wrong on schedule."""

    kind: Literal["receiver-silent", "link", "camera", "reboot", "brown-out"]
    at_s: NotNegative
    for_s: NotNegative = 0.0


class MissionSpec(_Spec, frozen=True, kw_only=True):
    """One flight of one payload."""

    payload: Annotated[str, Meta(pattern=PAYLOAD_PATTERN)]
    start: dt.datetime
    duration_s: Positive
    """About how long; a flight without a burst comes down by then at the latest."""
    fix_every_s: Positive = 60.0
    picture_every_s: NotNegative = 600.0
    landed_s: NotNegative = 600.0
    ground_m: float = 0.0
    launch: LaunchSpec
    balloon: BalloonSpec
    steering: SteeringSpec | None = None
    plan: PlanSpec | None = None
    wind: WindSpec = WindSpec()
    receiver: ReceiverSpec = ReceiverSpec()
    faults: tuple[FaultSpec, ...] = ()

    @property
    def start_ns(self) -> int:
        """Start in nanoseconds since 1970."""
        return to_ns(self.start.replace(tzinfo=dt.UTC) if not self.start.tzinfo else self.start)

    @property
    def end_ns(self) -> int:
        """About when it ends."""
        return self.start_ns + round(self.duration_s * NS_PER_S)

    @property
    def flight_plan(self) -> FlightPlan | None:
        """The plan in the form that sources hand on."""
        if self.plan is None:
            return None
        points = tuple(PlanPoint(p.lat_deg, p.lon_deg, p.name) for p in self.plan.points)
        return FlightPlan(points, self.plan.width_m)


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario with the mission that was asked for; the rest of the fleet in `missions`."""

    name: str
    title: str
    about: str
    missions: tuple[MissionSpec, ...]
    mission: MissionSpec
    folder: Path
    """Where its file is; soundings are found from here."""

    @property
    def payload(self) -> str:
        """Name of the payload."""
        return self.mission.payload

    @property
    def start_ns(self) -> int:
        """When the flight begins, in nanoseconds since 1970."""
        return self.mission.start_ns

    @property
    def duration_s(self) -> float:
        """About how long it takes."""
        return self.mission.duration_s

    @property
    def fix_every_s(self) -> float:
        """Seconds of flight from fix to fix."""
        return self.mission.fix_every_s

    @property
    def picture_every_s(self) -> float:
        """Seconds of flight from picture to picture; 0: none."""
        return self.mission.picture_every_s

    @property
    def plan(self) -> FlightPlan | None:
        """The flight plan, where there is one."""
        return self.mission.flight_plan


_HEAD: Final = ("name", "title", "about", "missions")


def scenario_folder() -> Path:
    """Return the folder of the shipped scenarios: in the wheel, else in the repository."""
    here = Path(__file__).resolve().parent
    installed = here / "scenarios"
    return installed if installed.is_dir() else here.parent / "scenarios"


def list_scenarios() -> list[Scenario]:
    """Return the shipped scenarios, by name."""
    return [load_scenario(str(path)) for path in sorted(scenario_folder().glob("*.toml"))]


def load_scenario(spec: str) -> Scenario:
    """Load ``NAME``, ``FILE.toml`` or either with ``#PAYLOAD`` for one mission of a fleet.

    Raises `InputError` with one sentence.
    """
    place, _, payload = spec.partition("#")
    path = _find(place)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"can't read the scenario {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the scenario {path} is not valid TOML: {error}") from error
    missions = missions_of(table, path)
    chosen = [m for m in missions if m.payload == payload] if payload else list(missions[:1])
    if not chosen:
        names = ", ".join(mission.payload for mission in missions)
        raise InputError(f"the scenario {place} has no payload {payload!r}; it has {names}")
    return Scenario(
        name=str(table.get("name", path.stem)),
        title=str(table.get("title", path.stem)),
        about=str(table.get("about", "")).strip(),
        missions=missions,
        mission=chosen[0],
        folder=path.parent,
    )


def _find(place: str) -> Path:
    if place.endswith(".toml") or "/" in place:
        return Path(place)
    path = scenario_folder() / f"{place}.toml"
    if not place or not path.is_file():
        names = ", ".join(file.stem for file in sorted(scenario_folder().glob("*.toml")))
        raise InputError(f"no scenario {place!r}; there are {names}, or a FILE.toml of your own")
    return path


def missions_of(table: Mapping[str, Any], path: Path) -> tuple[MissionSpec, ...]:
    """Return the missions in a scenario's table; `InputError` names `path` and what is wrong."""
    base = {key: value for key, value in table.items() if key not in _HEAD}
    fleet = table.get("missions", [{}])
    if not isinstance(fleet, list) or not fleet:
        raise InputError(f"the scenario {path}: missions is a list of tables")
    missions = []
    for number, own in enumerate(fleet, 1):
        where = f"the scenario {path}, mission {number}" if len(fleet) > 1 else f"{path}"
        try:
            missions.append(_checked(msgspec.convert(_merged(base, own), MissionSpec)))
        except (msgspec.ValidationError, ValueError) as error:
            raise InputError(f"{where}: {error}") from error
    if len({mission.payload for mission in missions}) < len(missions):
        raise InputError(f"the scenario {path} has two missions of one payload")
    return tuple(missions)


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a mission's own tables over what all missions share."""
    merged = dict(base)
    for key, value in own.items():
        shared = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(shared, Mapping)
        merged[key] = _merged(shared, value) if both else value  # type: ignore[arg-type]
    return merged


def _checked(mission: MissionSpec) -> MissionSpec:
    """Raise `ValueError` for what the types can't say."""
    balloon, steering = mission.balloon, mission.steering
    if (balloon.burst_diameter_m is None) == (balloon.volume_m3 is None):
        raise ValueError("a balloon has either burst_diameter_m (latex) or volume_m3 (pressure)")
    if steering is not None and not steering.low_m < steering.high_m:
        raise ValueError("steering needs low_m below high_m")
    if steering is not None and mission.plan is None:
        raise ValueError("steering needs a plan")
    if mission.wind.stream is not None and (mission.plan is None or len(mission.plan.points) < 2):
        raise ValueError("a stream needs a plan of two points or more")
    return mission

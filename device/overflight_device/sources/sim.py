"""``sim:SCENARIO``: a simulated flight as a fix source. The same seed gives the same bytes.

``SCENARIO`` is a name (``overflight device scenarios`` lists them), a ``FILE.toml``, and for a
fleet ``NAME#PAYLOAD``, one of its missions (else the first).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from overflight_contract.errors import InputError
from overflight_contract.times import NS_PER_S
from overflight_device.fix import Event, Fault, FaultKind, Fix, FlightPlan, SourceOptions
from overflight_device.flight.balloon import State, Vehicle
from overflight_device.flight.receiver import Receiver, ReceiverModel
from overflight_device.flight.simulation import Flight, fly
from overflight_device.flight.sounding import parse_sounding
from overflight_device.flight.wind import (
    Blend,
    Climatology,
    Column,
    Stream,
    Weather,
    WindField,
    winter_share,
)
from overflight_device.scenario import MissionSpec, Scenario, list_scenarios, load_scenario

__all__ = ["SimulatedSource", "flight_of", "list_scenarios", "load_scenario", "open_source"]


def open_source(rest: str, options: SourceOptions) -> SimulatedSource:
    """Open the scenario that `rest` names; `InputError` where there is none."""
    return SimulatedSource(load_scenario(rest), options)


class SimulatedSource:
    """Yields the fixes and faults of one mission, as fast as they are asked for."""

    live = False
    simulated = True

    def __init__(self, scenario: Scenario, options: SourceOptions) -> None:
        self.scenario = scenario
        self.plan: FlightPlan | None = scenario.plan
        self._options = options
        self._closed = False

    def __iter__(self) -> Iterator[Event]:
        """Yield events in order of time, those after `start_after_ns`."""
        after = self._options.start_after_ns
        start_ns = self.scenario.start_ns
        lasting: dict[FaultKind, Fault] = {}
        for at_s, event in self._events():
            if self._closed:
                return
            if after is not None and start_ns + round(at_s * NS_PER_S) <= after:
                if isinstance(event, Fault):
                    _keep_lasting(lasting, event)
                continue
            yield from lasting.values()
            lasting.clear()
            yield event

    def close(self) -> None:
        """End an iteration."""
        self._closed = True

    def truth(self) -> Iterator[State]:
        """Yield the states behind the fixes: what a perfect receiver would see."""
        return fly(flight_of(self.scenario, self._options.seed), self._rng("flight"))

    def _events(self) -> Iterator[tuple[float, Event]]:
        """Yield (seconds since the start, event).

        A fault comes right after the first fix at or after its time, so that a payload that it
        kills has recorded that fix, goes on after it and does not meet the same fault again.
        """
        pending = _faults(self.scenario)
        for state, fix in self._fixes():
            if _silent(self.scenario.mission, state.elapsed_s):
                continue
            yield state.elapsed_s, fix
            while pending and pending[0][0] <= state.elapsed_s:
                yield state.elapsed_s, heapq.heappop(pending)[2]

    def _fixes(self) -> Iterator[tuple[State, Fix]]:
        model = ReceiverModel(**msgspec.structs.asdict(self.scenario.mission.receiver))
        receiver = Receiver(model, self._rng("receiver"))
        for state in self.truth():
            yield state, receiver.view(state, self.scenario.start_ns)

    def _rng(self, part: str) -> random.Random:
        return _rng(self.scenario, self._options.seed, part)


def _rng(scenario: Scenario, seed: int, part: str) -> random.Random:
    """Seed one stream of chance, so that more of one kind does not change the others."""
    return random.Random(f"{seed}/{scenario.name}/{scenario.payload}/{part}")


_BURST_SPREAD: Final = 0.03
"""Standard deviation of burst diameters, as a share."""


def flight_of(scenario: Scenario, seed: int) -> Flight:
    """Turn a scenario and a seed into the flight to simulate."""
    mission = scenario.mission
    balloon = msgspec.structs.asdict(mission.balloon)
    if mission.balloon.burst_diameter_m is not None:
        spread = _rng(scenario, seed, "burst").gauss(1.0, _BURST_SPREAD)
        balloon["burst_diameter_m"] = mission.balloon.burst_diameter_m * spread
    steering = mission.steering
    common = Flight(
        vehicle=Vehicle(**balloon),
        winds=winds_of(scenario, seed),
        launch=(mission.launch.lat_deg, mission.launch.lon_deg, mission.launch.alt_m),
        plan=mission.flight_plan,
        prelaunch_s=mission.launch.prelaunch_s,
        cut_down_s=_cut_down_s(mission),
        landed_s=mission.landed_s,
        ground_m=mission.ground_m,
        epoch_s=mission.fix_every_s,
    )
    if steering is None:
        return common
    values = {name: getattr(common, name) for name in common.__dataclass_fields__}
    values |= {
        "steer": True,
        "band_m": (steering.low_m, steering.high_m),
        "levels": steering.levels,
        "steer_every_s": steering.every_s,
        "look_ahead_m": steering.look_ahead_m,
        "steer_until_s": steering.until_s,
        "stuck_m": steering.stuck_m,
    }
    return Flight(**values)


def _sounding(path: Path) -> Column:
    try:
        return parse_sounding(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise InputError(f"can't read the sounding {path}: {error.strerror}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


_PATIENCE: Final = 1.25
"""A flight that steers for its last waypoint gets so much of its duration to arrive."""


def _cut_down_s(mission: MissionSpec) -> float | None:
    if mission.balloon.volume_m3 is None:
        return None
    arrives = mission.steering is not None and mission.steering.until_s is None
    return mission.duration_s * (_PATIENCE if arrives else 1.0)


def winds_of(scenario: Scenario, seed: int) -> Blend:
    """Build the winds of a scenario. Missions of one fleet share the weather."""
    spec, mission = scenario.mission.wind, scenario.mission
    rng = random.Random(f"{seed}/{scenario.name}/wind")
    weather = Weather(rng, large_mps=spec.large_mps, small_mps=spec.small_mps)
    mean: WindField = Climatology(winter_share(mission.start.timetuple().tm_yday))
    if spec.sounding is not None:
        mean = _sounding(scenario.folder / spec.sounding)
    stream = None
    if spec.stream is not None and mission.plan is not None:
        points = [(point.lat_deg, point.lon_deg) for point in mission.plan.points]
        stream = Stream(points, **msgspec.structs.asdict(spec.stream))
    return Blend(mean, weather, stream)


def _silent(mission: MissionSpec, elapsed_s: float) -> bool:
    return any(
        fault.kind == "receiver-silent" and fault.at_s <= elapsed_s < fault.at_s + fault.for_s
        for fault in mission.faults
    )


def _keep_lasting(lasting: dict[FaultKind, Fault], fault: Fault) -> None:
    """Note what a payload that goes on now still suffers from."""
    for begin, end in _BEGIN_END.values():
        if end is not None and fault.kind is begin:
            lasting[begin] = fault
        elif fault.kind is end:
            lasting.pop(begin, None)


_BEGIN_END: Final[dict[str, tuple[FaultKind, FaultKind | None]]] = {
    "link": (FaultKind.LINK_DOWN, FaultKind.LINK_UP),
    "camera": (FaultKind.CAMERA_DOWN, FaultKind.CAMERA_UP),
    "reboot": (FaultKind.REBOOT, None),
    "brown-out": (FaultKind.BROWN_OUT, None),
}


def _faults(scenario: Scenario) -> list[tuple[float, int, Fault]]:
    """Return the faults that the payload has to be told, as a heap by time."""
    heap: list[tuple[float, int, Fault]] = []
    for fault in scenario.mission.faults:
        if fault.kind not in _BEGIN_END:
            continue
        begin, end = _BEGIN_END[fault.kind]
        for kind, at_s in ((begin, fault.at_s), (end, fault.at_s + fault.for_s)):
            if kind is not None:
                at_ns = scenario.start_ns + round(at_s * NS_PER_S)
                heapq.heappush(heap, (at_s, len(heap), Fault(kind, at_ns)))
    return heap

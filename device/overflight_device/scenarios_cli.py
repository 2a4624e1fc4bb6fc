"""``overflight device scenarios``: what can be flown without a receiver."""

from __future__ import annotations

import argparse
import json
from typing import Any

from overflight_contract.commandline import Exit, subcommand
from overflight_contract.times import iso
from overflight_device.scenario import Scenario, list_scenarios, load_scenario


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of the payload."""
    scenarios = subcommand(
        commands,
        "scenarios",
        "list the simulated flights, or show one",
        run=_scenarios,
        examples=(
            "overflight device scenarios",
            "overflight device scenarios fleet-24",
            "overflight device run sim:sounding",
            "overflight device run sim:fleet-24#HAB-07",
        ),
    )
    scenarios.add_argument(
        "scenario", nargs="?", metavar="SCENARIO", help="a name or a FILE.toml; without it, all"
    )
    scenarios.add_argument("--json", action="store_true", help="print one JSON object")


def _scenarios(args: argparse.Namespace) -> int:
    found = [load_scenario(args.scenario)] if args.scenario else list_scenarios()
    if args.json:
        print(json.dumps({"scenarios": [_as_json(scenario) for scenario in found]}))
        return Exit.OK
    for scenario in found:
        print(f"{scenario.name:<18} {_span(scenario.duration_s):>8}  {scenario.title}")
        if args.scenario:
            _print_one(scenario)
    if not args.scenario:
        print("\nAll of them are simulations. Fly one: overflight device run sim:NAME")
    return Exit.OK


def _print_one(scenario: Scenario) -> None:
    print(f"\n{scenario.about}\n")
    for mission in scenario.missions:
        print(
            f"{mission.payload:<16} from {iso(mission.start_ns, milliseconds=False)} at "
            f"{mission.launch.lat_deg:.2f} {mission.launch.lon_deg:.2f}, "
            f"{_span(mission.duration_s)}, a fix every {mission.fix_every_s:g} s, "
            + (f"a picture every {mission.picture_every_s:g} s" if mission.picture_every_s else "")
        )
        for fault in mission.faults:
            lasting = f" for {_span(fault.for_s)}" if fault.for_s else ""
            print(f"{'':<16} {fault.kind} after {_span(fault.at_s)}{lasting}")


def _span(seconds: float) -> str:
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.3g} d"
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.3g} h"
    return f"{seconds / 60:.3g} min"


def _as_json(scenario: Scenario) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "title": scenario.title,
        "about": scenario.about,
        "simulated": True,
        "missions": [
            {
                "payload": mission.payload,
                "start": iso(mission.start_ns),
                "duration_s": mission.duration_s,
                "fix_every_s": mission.fix_every_s,
                "picture_every_s": mission.picture_every_s,
                "launch": {"lat_deg": mission.launch.lat_deg, "lon_deg": mission.launch.lon_deg},
                "waypoints": len(mission.plan.points) if mission.plan else 0,
                "faults": [fault.kind for fault in mission.faults],
            }
            for mission in scenario.missions
        ],
    }

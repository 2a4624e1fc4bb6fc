"""``overflight relay check``: what new rules would have done to an old session."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from overflight_contract.commandline import Exit, subcommand
from overflight_relay.check import check_session
from overflight_relay.ruleset import load_rules


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subcommand(
        commands,
        "check",
        "run rules over an old session and show what would change",
        run=_check,
        examples=("overflight relay check rules.toml flight.mcap",),
    )
    parser.add_argument("rules", type=Path, metavar="RULES", help="the rule set (TOML)")
    parser.add_argument("session", type=Path, metavar="SESSION", help="the session file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="changes to show, 0 for all"
    )


def _check(args: argparse.Namespace) -> int:
    result = check_session(load_rules(args.rules), args.session)
    shown = result.changes[: args.limit] if args.limit else result.changes
    if args.json:
        print(
            json.dumps(
                {
                    "packets": result.packets,
                    "newly_refused": result.newly_refused,
                    "newly_allowed": result.newly_allowed,
                    "still_refused": result.still_refused,
                    "changes": [change._asdict() for change in shown],
                }
            )
        )
        return Exit.OK
    for change in shown:
        print(
            f"{change.at}  {change.client_id:16}  {change.packet:12}  "
            f"{change.before} → {change.after}"
        )
        if change.reason:
            print(f"    {change.reason}")
    if len(result.changes) > len(shown):
        print(f"… and {len(result.changes) - len(shown)} more; --limit 0 shows all")
    print(
        f"{result.packets:,} packets: {result.newly_refused:,} would be refused that were not, "
        f"{result.newly_allowed:,} would pass that did not, {result.still_refused:,} stay refused"
    )
    return Exit.OK

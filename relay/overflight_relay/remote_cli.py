"""Commands that talk to a relay that runs: status, usage, link."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec

from overflight_contract.commandline import duration_s, subcommand
from overflight_relay.control_client import ControlClient
from overflight_relay.link.profiles import load_profile
from overflight_relay.token_file import read_token

DEFAULT_URL = "http://127.0.0.1:18830"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    status = subcommand(
        commands,
        "status",
        "show what a relay does",
        run=_status,
        examples=("overflight relay status", "overflight relay status --json"),
    )
    _common(status)
    usage = subcommand(
        commands,
        "usage",
        "show bytes, packets and messages by customer, as a provider bills them",
        run=_usage,
        examples=("overflight relay usage", "overflight relay usage --json"),
    )
    _common(usage)
    link = subcommand(
        commands,
        "link",
        "show or change the link of a relay that runs",
        run=_link,
        examples=(
            "overflight relay link",
            "overflight relay link flaky",
            "overflight relay link --latency 800ms --loss 0.02",
        ),
    )
    _common(link)
    _link_options(link)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--relay", default=DEFAULT_URL, metavar="URL", help="control port of the relay"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _link_options(link: argparse.ArgumentParser) -> None:
    link.add_argument("profile", nargs="?", help="a profile by name, or a file")
    link.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds the control token (default: the one that the relay left for this user)",
    )
    link.add_argument(
        "--latency", type=duration_s, metavar="DURATION", help="one way, both directions"
    )
    link.add_argument("--jitter", type=duration_s, metavar="DURATION", help="both directions")
    link.add_argument(
        "--bandwidth", type=float, metavar="KBPS", help="thousand bits a second, 0 for no limit"
    )
    link.add_argument("--loss", type=float, metavar="P", help="chance of a retransmission")
    link.add_argument("--reset", type=float, metavar="P", help="chance of a reset per packet")
    link.add_argument(
        "--drop", type=float, metavar="P", help="hostile: PUBLISH or acknowledgement vanishes"
    )
    link.add_argument(
        "--double", type=float, metavar="P", help="hostile: PUBLISH or acknowledgement comes twice"
    )


def _status(args: argparse.Namespace) -> int:
    status = ControlClient(args.relay).get("/api/v1/status")
    if args.json:
        print(json.dumps(status))
        return 0
    for name, value in status.items():
        print(f"{name:18} {value}")
    return 0


def _usage(args: argparse.Namespace) -> int:
    customers = ControlClient(args.relay).get("/api/v1/usage")["customers"]
    if args.json:
        print(json.dumps({"customers": customers}))
        return 0
    print(
        f"{'customer':18} {'way':5} {'bytes':>14} {'packets':>10} {'messages':>10} {'refused':>8}"
    )
    for customer, usage in customers.items():
        for way in ("up", "down"):
            count = usage[way]
            print(
                f"{customer or '(unnamed)':18} {way:5} {count['bytes']:14,} "
                f"{count['packets']:10,} {count['messages']:10,} {count['refused']:8,}"
            )
    return 0


def _link(args: argparse.Namespace) -> int:
    token = "" if args.token_file is None else read_token(args.token_file)
    client = ControlClient(args.relay, token)
    change = _change(args)
    answer = client.put("/api/v1/link", change) if change else client.get("/api/v1/link")
    if args.json:
        print(json.dumps(answer))
        return 0
    link = answer["link"]
    print(f"link {link['name']}, seed {answer['seed']}")
    for way in ("up", "down"):
        told = ", ".join(f"{key} {value:g}" for key, value in link[way].items() if _tells(value))
        print(f"  {way:5} {told or 'nothing added'}")
    for outage in link["outages"]:
        print(f"  outage after {outage['after_s']:g} s for {outage['for_s']:g} s")
    return 0


def _tells(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0


def _change(args: argparse.Namespace) -> dict[str, Any]:
    change: dict[str, Any] = {}
    if args.profile:
        change = msgspec.to_builtins(load_profile(args.profile))
    values = {
        "latency_ms": None if args.latency is None else args.latency * 1000,
        "jitter_ms": None if args.jitter is None else args.jitter * 1000,
        "bandwidth_kbps": args.bandwidth,
        "loss": args.loss,
        "reset": args.reset,
        "drop": args.drop,
        "double": args.double,
    }
    given = {key: value for key, value in values.items() if value is not None}
    if given:
        change.pop("name", None)
        for way in ("up", "down"):
            change[way] = change.get(way, {}) | given
    return change

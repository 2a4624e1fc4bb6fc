"""``overflight session``: look into session files, check them, export them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from overflight.session import report
from overflight.session.export import export, exports
from overflight.session.info import WHOLE_UP_TO, Reading, notes, summarise
from overflight.session.views import add_options, open_path, selection_of
from overflight.watch import observe
from overflight_contract.commandline import Exit, subcommand
from overflight_contract.session.verify import verify_session

_FILE_HELP = "session file (.mcap), also one being written or cut off, or a folder of them"


def build(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(dest="session_command", metavar="COMMAND", required=True)
    _build_info(commands)
    _build_verify(commands)
    _build_export(commands)
    observe.add(commands)


Commands = Any


def _build_info(commands: Commands) -> None:
    parser = subcommand(
        commands,
        "info",
        "what, who, how long, rates, verdicts, gaps, and a picture of the track",
        run=_info,
        examples=("overflight session info flight.mcap", "overflight session info --json run/"),
    )
    parser.add_argument("file", metavar="FILE", help=_FILE_HELP)
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"read every packet, also where there are more than {WHOLE_UP_TO}",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _info(args: argparse.Namespace) -> int:
    with open_path(args.file) as session:
        found = summarise(session)
        found["notes_list"] = notes(session) if found["notes"] <= 1000 or args.full else []
        reading = None
        if args.full or found["packets"] <= WHOLE_UP_TO:
            reading = Reading(session)
            found |= reading.as_dict()
            found["damage"] = list(session.damage)
        found["read_through"] = reading is not None
        if args.json:
            _print_json(found)
        else:
            sys.stdout.write(report.info_text(found, reading))
        return Exit.FAILED if found["damage"] else Exit.OK


def _build_verify(commands: Commands) -> None:
    parser = subcommand(
        commands,
        "verify",
        "check every chunk, checksum, index and number of a session",
        run=_verify,
        examples=("overflight session verify flight.mcap",),
    )
    parser.add_argument("file", metavar="FILE", help=_FILE_HELP)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _verify(args: argparse.Namespace) -> int:
    with open_path(args.file) as session:
        found = verify_session(session)
    verdict = "whole" if not found.problems else "damaged"
    if args.json:
        problems = [problem._asdict() for problem in found.problems]
        _print_json({"verdict": verdict, **found._asdict(), "problems": problems})
    else:
        sys.stdout.write(report.verify_text(args.file, found))
    return Exit.FAILED if found.problems else Exit.OK


def _build_export(commands: Commands) -> None:
    known = exports()
    lines = "\n".join(f"  {name:<12} {export_.summary}" for name, export_ in known.items())
    parser = subcommand(
        commands,
        "export",
        "write a session in a format that other programs read",
        run=_export,
        examples=(
            "overflight session export flight.mcap -o flight.pcapng",
            "overflight session export flight.mcap --format geojson -o track.geojson",
            "overflight session export flight.mcap --format jsonl --filter 'type == publish'",
        ),
    )
    parser.description = f"{parser.description}\n\nformats:\n{lines}"
    parser.add_argument("file", metavar="FILE", help=_FILE_HELP)
    parser.add_argument(
        "--format", metavar="FORMAT", help="format (see above); else the suffix of -o says"
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="file to write (default: standard output)"
    )
    add_options(parser, verb="export")
    parser.add_argument(
        "--simulated",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="mark tracks as of a simulated flight (default: as the session says of itself)",
    )
    parser.add_argument("--json", action="store_true", help="say what was written as JSON")


def _export(args: argparse.Namespace) -> int:
    output = None if args.output in (None, "-") else Path(args.output)
    with open_path(args.file) as session:
        chosen, count = export(
            session,
            selection_of(args, session),
            name=args.format,
            output=output,
            simulated=args.simulated,
        )
        damage = session.damage
    told = sys.stdout if output is not None else sys.stderr
    if args.json:
        fields = {"output": args.output, "format": chosen.name, chosen.unit: count}
        told.write(msgspec.json.encode({**fields, "damage": damage}).decode() + "\n")
    elif output is not None:
        told.write(f"{output}: {count} {chosen.unit} ({chosen.name})\n")
    for text in damage:
        print(f"overflight: {text}", file=sys.stderr)
    return Exit.FAILED if damage else Exit.OK


def _print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")

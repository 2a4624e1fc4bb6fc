"""``overflight session``: look into session files, check them, export them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from overflight.session import report
from overflight.session.change_cli import FILE_HELP, add_commands
from overflight.session.diff import compare, comparison_text
from overflight.session.export import export, exports
from overflight.session.info import NOTES, WHOLE_UP_TO, Reading, notes, summarise
from overflight.session.views import Selection, add_options, open_path, selection_of
from overflight.watch import observe
from overflight_contract.commandline import Exit, subcommand
from overflight_contract.filters import compile_filter
from overflight_contract.session.verify import verify_session


def build(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(dest="session_command", metavar="COMMAND", required=True)
    _build_info(commands)
    _build_verify(commands)
    _build_export(commands)
    observe.add(commands)
    _build_diff(commands)
    add_commands(commands)


Commands = Any


def _build_info(commands: Commands) -> None:
    parser = subcommand(
        commands,
        "info",
        "what, who, how long, rates, verdicts, gaps, and a picture of the track",
        run=_info,
        examples=("overflight session info flight.mcap", "overflight session info --json run/"),
    )
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"read every packet, also where there are more than {WHOLE_UP_TO}",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _info(args: argparse.Namespace) -> int:
    with open_path(args.file) as session:
        found = summarise(session)
        found["notes_list"] = notes(session, None if args.full else NOTES)
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
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
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
    lines = "\n".join(f"  {name:<16} {export_.summary}" for name, export_ in known.items())
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
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
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


def _build_diff(commands: Commands) -> None:
    parser = subcommand(
        commands,
        "diff",
        "compare two sessions by what was said; exit status 1 where they differ",
        run=_diff,
        examples=("overflight session diff recorded.mcap replayed.mcap",),
    )
    parser.description = (
        f"{parser.description}\n\nEach client's packets are compared one by one, both ways. Times,"
        "\npacket ids and DUP flags do not count."
    )
    parser.add_argument("left", metavar="FILE", help=FILE_HELP)
    parser.add_argument("right", metavar="FILE", help=FILE_HELP)
    parser.add_argument("--exact", action="store_true", help="packet ids and DUP flags count too")
    parser.add_argument(
        "--filter", metavar="FILTER", help="compare only packets that fit, as 'type == publish'"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _diff(args: argparse.Namespace) -> int:
    selection = Selection(matches=None if args.filter is None else compile_filter(args.filter))
    with open_path(args.left) as left, open_path(args.right) as right:
        found = compare(left, right, selection, exact=args.exact)
    if args.json:
        _print_json(found.as_dict())
    else:
        sys.stdout.write(comparison_text(args.left, args.right, found))
    return Exit.OK if found.same else Exit.FAILED


def _print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")

"""``overflight session cut, merge, redact, repair, convert``: commands that write a session."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from overflight.session.cut import cut
from overflight.session.export import export
from overflight.session.merge import merge
from overflight.session.redact import Redaction
from overflight.session.repair import salvage
from overflight.session.views import Selection, add_options, open_path, selection_of
from overflight_contract.commandline import Exit, subcommand
from overflight_contract.errors import InputError
from overflight_contract.identity import is_payload
from overflight_contract.imports import import_file, is_session
from overflight_contract.imports.capture import PORTS
from overflight_contract.session import SessionReader
from overflight_contract.session.rewrite import write_session

FILE_HELP: Final = "session file (.mcap), also one being written or cut off, or a folder of them"
_OUT_HELP: Final = "session file to write, ending in .mcap"
Commands = Any


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    _build_cut(commands)
    _build_merge(commands)
    _build_redact(commands)
    _build_repair(commands)
    _build_convert(commands)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.add_argument("--json", action="store_true", help="say what was written as JSON")


def _done(args: argparse.Namespace, output: Path, count: int, damage: list[str]) -> int:
    if args.json:
        fields = {"output": str(output), "items": count, "damage": damage}
        sys.stdout.write(msgspec.json.encode(fields).decode() + "\n")
    else:
        print(f"{output}: {count:,} item{'' if count == 1 else 's'}")
    for text in damage:
        print(f"overflight: {text}", file=sys.stderr)
    return Exit.FAILED if damage else Exit.OK


def _build_cut(commands: Commands) -> None:
    parser = subcommand(
        commands,
        "cut",
        "keep the packets of a time or a filter, in a new session",
        run=_cut,
        examples=("overflight session cut flight.mcap ascent.mcap --from 10m --until 1h",),
    )
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
    parser.add_argument("output", metavar="OUT", help=_OUT_HELP)
    add_options(parser, verb="keep")
    _common(parser)


def _cut(args: argparse.Namespace) -> int:
    output = Path(args.output)
    with open_path(args.file) as session:
        items = cut(session, selection_of(args, session))
        metadata = dict(session.metadata) | {"cut_from": session.path.name}
        count = write_session(items, output, metadata=metadata, force=args.force)
        return _done(args, output, count, list(session.damage))


def _build_merge(commands: Commands) -> None:
    parser = subcommand(
        commands,
        "merge",
        "put sessions of several relays together, by time",
        run=_merge,
        examples=("overflight session merge east.mcap west.mcap -o both.mcap",),
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help=FILE_HELP)
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help=_OUT_HELP)
    _common(parser)


def _merge(args: argparse.Namespace) -> int:
    output = Path(args.output)
    with ExitStack() as stack:
        sessions = [stack.enter_context(open_path(file)) for file in args.files]
        metadata: dict[str, str] = {}
        for session in reversed(sessions):
            metadata |= session.metadata
        metadata["merged_from"] = ", ".join(session.path.name for session in sessions)
        count = write_session(merge(sessions), output, metadata=metadata, force=args.force)
        damage = [text for session in sessions for text in session.damage]
    return _done(args, output, count, damage)


def _build_redact(commands: Commands) -> None:
    parser = subcommand(
        commands,
        "redact",
        "take out what should not be shown: places coarsened, names replaced, no credentials",
        run=_redact,
        examples=(
            "overflight session redact flight.mcap shown.mcap --decimals 1 --rename HAB-01=DEMO-1",
        ),
    )
    parser.description = (
        f"{parser.description}\n\nUser names, passwords, wills, free text, addresses, and whatever"
        "\nis not of the contract are always taken out."
    )
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
    parser.add_argument("output", metavar="OUT", help=_OUT_HELP)
    parser.add_argument(
        "--decimals",
        type=_decimals,
        metavar="N",
        help="round places to N decimals of a degree, 0 to 5 (1 is about 11 km)",
    )
    parser.add_argument(
        "--rename",
        type=_renaming,
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="replace the name of a payload; may be given several times",
    )
    _common(parser)


def _decimals(text: str) -> int:
    if text not in ("0", "1", "2", "3", "4", "5"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of decimals from 0 to 5")
    return int(text)


def _renaming(text: str) -> tuple[str, str]:
    old, sign, new = text.partition("=")
    if not sign or not old or not is_payload(new):
        raise argparse.ArgumentTypeError(f"{text!r} renames nothing; as in HAB-01=DEMO-1")
    return old, new


def _redact(args: argparse.Namespace) -> int:
    output = Path(args.output)
    redaction = Redaction(decimals=args.decimals, names=dict(args.rename))
    with open_path(args.file) as session:
        metadata = {"redacted": "true"}
        if "simulated" in session.metadata:
            metadata["simulated"] = session.metadata["simulated"]
        items = redaction.items(session)
        count = write_session(items, output, metadata=metadata, force=args.force)
        for old, _ in args.rename:
            if old not in redaction.renamed:
                print(f"overflight: nothing in {args.file} has the name {old}", file=sys.stderr)
        return _done(args, output, count, list(session.damage))


def _build_repair(commands: Commands) -> None:
    parser = subcommand(
        commands,
        "repair",
        "save what is left of a damaged session, and name the rest",
        run=_repair,
        examples=("overflight session repair broken.mcap saved.mcap",),
    )
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
    parser.add_argument("output", metavar="OUT", help=_OUT_HELP)
    _common(parser)


def _repair(args: argparse.Namespace) -> int:
    output = Path(args.output)
    with SessionReader(Path(args.file), salvage=True) as session:
        metadata = dict(session.metadata) | {"repaired_from": session.path.name}
        count = write_session(salvage(session), output, metadata=metadata, force=args.force)
        damage = list(session.damage)
    if not count:
        output.unlink()
        raise InputError(f"nothing of {args.file} can be read: {'; '.join(damage)}")
    _done(args, output, count, damage)
    return Exit.OK


def _build_convert(commands: Commands) -> None:
    parser = subcommand(
        commands,
        "convert",
        "turn a capture of another program into a session, or a session into another format",
        run=_convert,
        examples=(
            "overflight session convert capture.pcapng flight.mcap",
            "overflight session convert recording.csv flight.mcap",
            "overflight session convert flight.mcap flight.kml",
        ),
    )
    parser.description = (
        f"{parser.description}\n\nIN: pcap, pcapng, CSV of mqtt-recorder, MCAP of other programs,"
        "\nor a session. OUT: a session (.mcap), or by its suffix any format of 'export'."
    )
    parser.add_argument("file", metavar="IN", help="file to read")
    parser.add_argument("output", metavar="OUT", help="file to write; its suffix says what")
    parser.add_argument(
        "--base64", action="store_true", help="payloads of a CSV are in base64 (mqtt-recorder's)"
    )
    parser.add_argument(
        "--port",
        type=int,
        action="append",
        metavar="N",
        help="port of a broker in a packet capture, for connections whose beginning is not in it "
        "(default: 1883); may be given several times",
    )
    _common(parser)


def _convert(args: argparse.Namespace) -> int:
    source, output = Path(args.file), Path(args.output)
    if is_session(source):
        with open_path(args.file) as session:
            if output.suffix == ".mcap":
                metadata = dict(session.metadata)
                count = write_session(session, output, metadata=metadata, force=args.force)
            else:
                _keep(output, force=args.force)
                _, count = export(session, Selection(), name=None, output=output)
            return _done(args, output, count, list(session.damage))
    ports = frozenset(args.port) if args.port else PORTS
    found = import_file(source, base64=args.base64, ports=ports)
    metadata = {"imported_from": source.name, "imported_as": found.kind}
    if output.suffix == ".mcap":
        count = write_session(found.items, output, metadata=metadata, force=args.force)
        return _done(args, output, count, [])
    _keep(output, force=args.force)
    between = output.with_name(f".{output.stem}.import.mcap")
    try:
        write_session(found.items, between, metadata=metadata, force=True)
        with open_path(str(between)) as session:
            _, count = export(session, Selection(), name=None, output=output)
    finally:
        between.unlink(missing_ok=True)
    return _done(args, output, count, [])


def _keep(output: Path, *, force: bool) -> None:
    if output.exists() and not force:
        raise InputError(f"{output} is there already; --force writes it anew")

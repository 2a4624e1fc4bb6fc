"""``overflight watch``: a line per packet, live from a relay or out of a session file."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from overflight.watch.counts import Counts
from overflight.watch.lines import detail, header, line
from overflight.watch.sources import Batch, from_file, live
from overflight_contract.commandline import Exit, epilog
from overflight_contract.errors import InputError, OverflightError
from overflight_contract.filter_fields import FIELDS
from overflight_contract.filters import OPERATORS, compile_filter
from overflight_contract.session import Item, SessionPacket, SessionWriter

DEFAULT_RELAY = "http://127.0.0.1:18830"
_WIDE = 200

EXAMPLES = (
    "overflight watch                                 a relay on this machine",
    "overflight watch 'verdict == refused' -x         what was refused, with its bytes",
    "overflight watch flight.mcap 'type == publish'   a session file",
    "overflight watch flight.mcap --count",
    "overflight watch http://127.0.0.1:18830 -w cut.mcap 'payload == \"HAB-01\"'",
)


def build(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``overflight watch``."""
    parser.epilog = epilog(EXAMPLES)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[RELAY|FILE] [FILTER]",
        help="control port of a relay (URL), or a session file or folder; "
        f"left out, {DEFAULT_RELAY}; then which packets, in the language of docs/filters.md",
    )
    parser.add_argument(
        "-x", "--hex", action="store_true", help="bytes and decoded fields side by side"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a packet")
    parser.add_argument("-w", "--write", type=Path, metavar="FILE", help="save into a session file")
    parser.add_argument("--count", action="store_true", help="numbers in place of packets")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="of a file: go on with what is added to it"
    )
    parser.add_argument(
        "--tail",
        type=at_least(0),
        default=20,
        metavar="N",
        help="of a relay: begin with the last N packets",
    )
    parser.add_argument(
        "-n", "--number", type=at_least(1), metavar="N", help="stop after N packets"
    )
    parser.add_argument(
        "--colour", choices=("auto", "always", "never"), default="auto", help="colour the lines"
    )
    parser.add_argument("--tui", action="store_true", help="in a full-screen program")
    parser.set_defaults(run=run)


def at_least(lowest: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `lowest` on, for argparse."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {lowest} on")
        return int(text)

    return read


def run(args: argparse.Namespace) -> int:
    """Watch; returns the exit status."""
    target, text = split_target(args.words)
    if args.write is not None and args.write.exists():
        raise InputError(f"{args.write} exists; choose another name")
    if args.tui:
        compile_filter(text)
        return _tui(target, text, follow=args.follow)
    batches = open_source(target, text, tail=args.tail, follow=args.follow)
    if args.number is not None:
        batches = limited(batches, args.number)
    writer = None if args.write is None else SessionWriter(args.write)
    try:
        if writer is not None:
            batches = saved(batches, writer)
        if args.count:
            return _count(batches, as_json=args.json)
        return _show(batches, args)
    finally:
        if writer is not None:
            writer.close()


def split_target(words: Sequence[str]) -> tuple[str, str]:
    """Return (relay URL or file, filter); either may have been left out."""
    if not words:
        return DEFAULT_RELAY, ""
    first, rest = words[0], " ".join(words[1:])
    if first.startswith(("http://", "https://")) or Path(first).exists():
        return first, rest
    if first.endswith((".mcap", "/")):
        raise InputError(f"there is no session {first}")
    if "://" in first and " " not in first:
        raise InputError(f"{first!r} is no address of a relay; as in {DEFAULT_RELAY}")
    if rest and first not in (*FIELDS, "not") and rest.split()[0] not in (*OPERATORS, "="):
        raise InputError(f"there is no session {first}, and no field of that name")
    return DEFAULT_RELAY, " ".join(words)


def open_source(target: str, text: str, *, tail: int, follow: bool) -> Iterator[Batch]:
    """Return the packets of a relay or a file; raises `InputError` for a bad filter."""
    wanted = compile_filter(text) if text.strip() else None
    if target.startswith(("http://", "https://")):
        return live(target, text, max(0, min(tail, 1000)))
    return from_file(Path(target), wanted, follow=follow)


def limited(batches: Iterator[Batch], number: int) -> Iterator[Batch]:
    """Stop after `number` packets."""
    for batch in batches:
        views = batch.views[:number]
        number -= len(views)
        if number > 0:
            yield batch
            continue
        last = views[-1].sequence if views else -1
        kept = (item for item in batch.items if not _is_after(item, last))
        yield Batch(views, batch.missed, tuple(kept))
        return


def _is_after(item: Item, sequence: int) -> bool:
    return isinstance(item, SessionPacket) and item.sequence > sequence


def saved(batches: Iterator[Batch], writer: SessionWriter) -> Iterator[Batch]:
    """Write what passes into a session."""
    for batch in batches:
        writer.write(batch.items)
        writer.tick(time.time_ns())
        yield batch


def _show(batches: Iterator[Batch], args: argparse.Namespace) -> int:
    colour = _colour(args.colour)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDE
    if not args.json and sys.stdout.isatty():
        print(header(colour=colour))
    for batch in batches:
        out: list[str] = []
        for view in batch.views:
            if args.json:
                out.append(json.dumps(view.as_dict()))
                continue
            out.append(line(view, colour=colour))
            if args.hex:
                out.extend(detail(view, width=width))
        if batch.missed:
            print(f"missed {batch.missed} packets", file=sys.stderr)
        if batch.note:
            print(f"overflight: {batch.note}", file=sys.stderr)
        if out:
            print("\n".join(out), flush=True)
    return Exit.OK


def _count(batches: Iterator[Batch], *, as_json: bool) -> int:
    counts = Counts()
    try:
        for batch in batches:
            counts.missed += batch.missed
            for view in batch.views:
                counts.add(view)
    except KeyboardInterrupt:
        pass
    print(json.dumps(counts.as_dict()) if as_json else "\n".join(counts.table()))
    return Exit.OK


def _colour(choice: str) -> bool:
    if choice != "auto":
        return choice == "always"
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _tui(target: str, text: str, *, follow: bool) -> int:
    try:
        from overflight.watch.tui import run_tui
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("overflight"):
            raise
        raise OverflightError(
            "'overflight watch --tui' needs Textual: pip install 'overflight[tui]'"
        ) from error
    return run_tui(target, text, follow=follow)

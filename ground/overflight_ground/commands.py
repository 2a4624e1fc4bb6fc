"""The commands that work on a store that need not be running: ingest, export, plot and others."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from overflight_contract.commandline import Exit, duration_s, subcommand, utc_time
from overflight_contract.errors import InputError, UnavailableError
from overflight_contract.identity import is_flight, is_payload
from overflight_contract.times import bounded_ns

Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse names it so


def add_all(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    _add_ingest(commands)
    _add_export(commands)
    _add_plot(commands)
    _add_alerts(commands)
    _add_retention(commands)


def payload_name(text: str) -> str:
    """Check a payload's name."""
    if not is_payload(text):
        raise argparse.ArgumentTypeError(f"{text!r} can't name a payload")
    return text


def flight_id(text: str) -> str:
    """Check a flight's id."""
    if not is_flight(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no flight id")
    return text


def _store_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store",
        metavar="URL",
        default="overflight-data/ground.sqlite",
        help="a file for SQLite, or postgresql://USER@HOST/NAME",
    )


def _which_options(parser: argparse.ArgumentParser, what: str = "measured") -> None:
    add = parser.add_argument
    add("--payload", type=payload_name, metavar="NAME", help="only this payload")
    add("--flight", type=flight_id, metavar="ID", help="only this flight")
    add("--since", type=utc_time, metavar="TIME", help=f"{what} at or after this time")
    add("--until", type=utc_time, metavar="TIME", help=f"{what} before this time")


def _which(args: argparse.Namespace, **more: Any) -> Any:
    from overflight_ground.store.reading import MessageFilter

    return MessageFilter(
        payload=args.payload,
        flight=args.flight,
        since_ns=bounded_ns(args.since),
        until_ns=bounded_ns(args.until),
        **more,
    )


@contextmanager
def _opened(url: str, *, create: bool = False) -> Iterator[Any]:
    from overflight_ground.store import Store

    store = Store.open(url, create=create)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _output(path: str) -> Iterator[BinaryIO]:
    """Open a file, - for standard output.

    `InputError` where it can't be opened, `UnavailableError` where it takes no more (a full disk).
    """
    try:
        opened = nullcontext(sys.stdout.buffer) if path == "-" else Path(path).open("wb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror}") from error
    try:
        with opened as out:
            yield out
            out.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "standard output" if path == "-" else path
        raise UnavailableError(f"can't write {name}: {error.strerror}") from error


def _add_ingest(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = subcommand(
        commands,
        "ingest",
        "take a session file into the store, without a broker",
        run=run_ingest,
        examples=("overflight ground ingest flight.mcap --store old.sqlite",),
    )
    parser.add_argument("file", metavar="FILE", type=Path, nargs="+", help="session file or folder")
    _store_option(parser)
    parser.add_argument("--simulated", action="store_true", help="mark new flights as simulated")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run_ingest(args: argparse.Namespace) -> int:
    """Take files in; the same one twice adds nothing."""
    from overflight_ground.ingest.intake import Intake
    from overflight_ground.ingest.plausible import Clock
    from overflight_ground.replaying import Taken, take_in

    total = Taken()
    with _opened(args.store, create=True) as store:
        intake = Intake(store, clock=Clock.DATA, simulated=args.simulated, now_ns=time.time_ns)
        intake.load()
        for file in args.file:
            taken = take_in(file, intake)
            for name in Taken.__slots__:
                setattr(total, name, getattr(total, name) + getattr(taken, name))
    if args.json:
        print(json.dumps({name: getattr(total, name) for name in Taken.__slots__}))
    else:
        print(
            f"{total.messages} messages: {total.stored} stored, {total.duplicates} known already,"
            f" {total.quarantined} in quarantine"
        )
    return Exit.OK


def _add_export(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = subcommand(
        commands,
        "export",
        "write tracks or messages to a file",
        run=run_export,
        examples=(
            "overflight ground export --payload HAB-01 --format gpx -o flight.gpx",
            "overflight ground export --format messages > everything.jsonl",
        ),
    )
    from overflight_ground.exporting import NAMES

    _store_option(parser)
    _which_options(parser)
    add = parser.add_argument
    add("--format", choices=NAMES, default="geojson", help="format; messages is the canonical one")
    add("-o", "--out", metavar="FILE", default="-", help="where to; - is standard output")
    add(
        "--arrival-times",
        action="store_true",
        help="with arrival times, where the format has them; no longer reproducible",
    )
    add("--suspect", action="store_true", help="also positions marked zero, leap or future")


def run_export(args: argparse.Namespace) -> int:
    """Write an export."""
    from overflight_ground.exporting import check, export

    wanted, times = _which(args), args.arrival_times
    with _opened(args.store) as store:
        check(store, wanted, args.format, arrival_times=times)
        with _output(args.out) as out:
            export(store, wanted, args.format, out, arrival_times=times, suspect=args.suspect)
    return Exit.OK


def _add_plot(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = subcommand(
        commands,
        "plot",
        "draw a flight: altitude, speed, map, sent and kept",
        run=run_plot,
        examples=("overflight ground plot HAB-01 -o flight.png",),
    )
    parser.add_argument("payload", type=payload_name, metavar="PAYLOAD", help="whose flight")
    _store_option(parser)
    parser.add_argument("--flight", type=flight_id, metavar="ID", help="which; else the last one")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("flight.png"), help="PNG, SVG or PDF file to write"
    )


def run_plot(args: argparse.Namespace) -> int:
    """Draw a flight."""
    from overflight_ground.plotting import plot

    with _opened(args.store) as store:
        flight = plot(store, args.payload, args.flight, args.out)
    print(f"{args.out}: {args.payload}, flight {flight}")
    return Exit.OK


def _add_alerts(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = subcommand(
        commands,
        "alerts",
        "list alerts, or try rules on an old store",
        run=run_alerts,
        examples=(
            "overflight ground alerts --open",
            "overflight ground alerts --try rules.toml --store old.sqlite",
        ),
    )
    _store_option(parser)
    _which_options(parser, "begun (with --try: measured)")
    add = parser.add_argument
    add("--try", dest="try_rules", metavar="FILE", type=Path, help="what these rules would raise")
    add("--open", action="store_true", help="only alerts that have not ended")
    add("--json", action="store_true", help="one JSON object a line")


def run_alerts(args: argparse.Namespace) -> int:
    """List alerts."""
    from overflight_ground.alerts.listing import listed
    from overflight_ground.alerts.rules import read_rules
    from overflight_ground.alerts.trying import try_rules

    with _opened(args.store) as store:
        if args.try_rules is not None:
            rules = read_rules(args.try_rules)
            for alert in try_rules(store, rules, args.try_rules.parent, _which(args)):
                if alert.end_at_ns is None or not args.open:
                    _print_alert(alert, as_json=args.json)
            return Exit.OK
        with store.reading() as connection:
            for alert in listed(connection, _which(args), only_open=args.open):
                _print_alert(alert, as_json=args.json)
    return Exit.OK


def _print_alert(alert: Any, *, as_json: bool) -> None:
    from overflight_ground.alerts.storing import alert_json

    body = alert_json(alert)
    if as_json:
        print(json.dumps(body))
        return
    end = body["end_at"] or "open"
    print(f"{body['begin_at']}  {end:24}  {alert.severity:8}  {alert.title}: {alert.cause}")


def _add_retention(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = subcommand(
        commands,
        "retention",
        "take old messages out of the store",
        run=run_retention,
        examples=(
            "overflight ground retention --older-than 365d --dry-run",
            "overflight ground retention --payload HAB-01 --flight 20230128T060000Z-7f3a",
        ),
    )
    _store_option(parser)
    add = parser.add_argument
    add("--older-than", type=duration_s, metavar="AGE", help="received longer ago, as in 365d")
    add("--payload", type=payload_name, metavar="NAME", help="only of this payload")
    add("--flight", type=flight_id, metavar="ID", help="only of this flight")
    add("--dry-run", action="store_true", help="say what would go, and leave it")
    add("--json", action="store_true", help="print one JSON object")


def run_retention(args: argparse.Namespace) -> int:
    """Take messages out."""
    from overflight_ground.retention import Old, cut, would_cut

    if args.older_than is None and args.payload is None and args.flight is None:
        raise InputError("say what is to go: --older-than, --payload or --flight")
    before_ns = None
    if args.older_than is not None:
        before_ns = time.time_ns() - int(args.older_than * 1e9)
    old = Old(received_before_ns=before_ns, payload=args.payload, flight=args.flight)
    with _opened(args.store) as store:
        found = would_cut(store, old) if args.dry_run else cut(store, old)
    if args.json:
        print(json.dumps({name: getattr(found, name) for name in type(found).__slots__}))
    else:
        verb = "would go" if args.dry_run else "are gone"
        print(
            f"{found.messages} messages ({found.bytes} bytes), {found.quarantined} in quarantine,"
            f" {found.alerts} alerts and {found.flights} whole flights {verb}"
        )
    return Exit.OK

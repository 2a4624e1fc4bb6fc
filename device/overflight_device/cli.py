"""``overflight device …``: the payload."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from overflight_contract.commandline import Exit, duration_s, epilog, size_bytes, subcommand
from overflight_contract.errors import InputError

EXAMPLES = (
    "overflight device run sim:sounding --speed 60 --camera sim",
    "overflight device run serial:/dev/ttyACM0 --broker mqtt://relay:1883 --camera folder:/srv/cam",
    "overflight device run track:flight.gpx --speed max",
)


def build(parser: argparse.ArgumentParser) -> None:
    """Add the commands of the payload."""
    from overflight_device import receivers_cli, scenarios_cli, vault_cli

    parser.epilog = epilog(EXAMPLES)
    commands = parser.add_subparsers(dest="device_command", metavar="COMMAND", required=True)
    _build_run(commands)
    outbox = subcommand(
        commands,
        "outbox",
        "show what the outbox holds",
        run=run_outbox,
        examples=["overflight device outbox --data overflight-data/payload --json"],
    )
    _data_option(outbox)
    outbox.add_argument("--json", action="store_true", help="print one JSON object")
    for module in (scenarios_cli, vault_cli, receivers_cli):
        module.add(commands)


def _build_run(commands: Any) -> None:
    run = subcommand(
        commands,
        "run",
        "fly: send positions, keep pictures",
        run=run_device,
        examples=EXAMPLES,
    )
    run.add_argument(
        "source",
        help="where fixes come from: sim:SCENARIO, track:FILE, serial:PORT or gpsd://HOST",
    )
    run.add_argument(
        "--broker",
        default="mqtt://127.0.0.1:1883",
        metavar="URL",
        help="the relay or broker to publish to: mqtt://HOST[:PORT] or mqtts://…",
    )
    _data_option(run)
    run.add_argument("--payload", metavar="NAME", help="its name: A-Z, 0-9 and -, 16 at most")
    run.add_argument(
        "--camera",
        default="none",
        metavar="SPEC",
        help="sim[:MEGAPIXELS], folder:DIR[?offset=SECONDS], command:CMD or none",
    )
    run.add_argument(
        "--picture-every",
        type=duration_s,
        metavar="DURATION",
        help="time between pictures (default: the scenario's, else 10min)",
    )
    run.add_argument(
        "--speed",
        type=speed,
        default=1.0,
        metavar="FACTOR",
        help="how much faster than real time a simulated or recorded flight goes, or max",
    )
    run.add_argument("--seed", type=int, default=0, help="seed of what is simulated")
    run.add_argument(
        "--for",
        dest="for_s",
        type=duration_s,
        metavar="DURATION",
        help="end the flight after so much wall time, and deliver what is written",
    )
    run.add_argument(
        "--linger",
        type=duration_s,
        metavar="DURATION",
        help="how long to wait at the end for receipts (default: until all are there)",
    )
    run.add_argument(
        "--log",
        choices=["auto", "live", "text", "json"],
        default="auto",
        help="a living screen, lines of text or lines of JSON; auto: live on a terminal",
    )
    _link_options(run)
    _limit_options(run)


def _data_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("overflight-data/payload"),
        metavar="DIR",
        help="folder of outbox, record and vault",
    )


def _link_options(run: argparse.ArgumentParser) -> None:
    link = run.add_argument_group("link")
    link.add_argument(
        "--protocol",
        choices=["auto", "5", "3.1.1"],
        default="auto",
        help="MQTT version; auto: 5, and 3.1.1 where the broker has no 5",
    )
    link.add_argument("--username", metavar="NAME", help="user name for the broker")
    link.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="file with the password in its first line",
    )
    link.add_argument("--ca", type=Path, metavar="FILE", help="certificate authority (PEM)")
    link.add_argument("--cert", type=Path, metavar="FILE", help="client certificate (PEM)")
    link.add_argument("--key", type=Path, metavar="FILE", help="key of the client certificate")
    link.add_argument(
        "--receipts",
        choices=["on", "off"],
        default="on",
        help="off, for a ground that knows none: forget at PUBACK",
    )
    link.add_argument(
        "--receipt-timeout",
        type=duration_s,
        default=15.0,
        metavar="DURATION",
        help="send again where no receipt moves for so long",
    )
    link.add_argument(
        "--puback-timeout",
        type=duration_s,
        default=30.0,
        metavar="DURATION",
        help="reconnect where a PUBACK is so late",
    )
    link.add_argument(
        "--keep-alive",
        type=duration_s,
        default=30.0,
        metavar="DURATION",
        help="MQTT keep-alive: notices a dead link",
    )
    link.add_argument(
        "--window", type=int, default=64, metavar="N", help="messages in flight at the most"
    )
    link.add_argument(
        "--backoff-cap",
        type=duration_s,
        default=30.0,
        metavar="DURATION",
        help="longest wait between two attempts to connect",
    )


def _limit_options(run: argparse.ArgumentParser) -> None:
    limits = run.add_argument_group("limits")
    limits.add_argument(
        "--outbox-size",
        type=size_bytes,
        default=64 * 2**20,
        metavar="SIZE",
        help="how much may wait; past it the oldest is given up, and counted",
    )
    limits.add_argument(
        "--vault-size",
        type=size_bytes,
        metavar="SIZE",
        help="quota for pictures; past it the camera stops (default: what the disk has)",
    )


def speed(text: str) -> float | None:
    """Parse a speed: a factor, or ``max`` (None)."""
    if text == "max":
        return None
    try:
        value = float(text.rstrip("x×"))
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed; as in 1, 60 or max")
    return value


def run_device(args: argparse.Namespace) -> int:
    """Run a payload."""
    from overflight_device.app import run_payload
    from overflight_device.config import LogStyle, PayloadConfig
    from overflight_device.uplink import Protocol, UplinkConfig

    uplink = UplinkConfig(
        url=args.broker,
        protocol=Protocol(args.protocol),
        username=args.username,
        password=read_password(args.password_file),
        ca=args.ca,
        cert=args.cert,
        key=args.key,
        keep_alive_s=max(1, round(args.keep_alive)),
        window=max(1, args.window),
        receipts=args.receipts == "on",
        receipt_timeout_s=args.receipt_timeout,
        puback_timeout_s=args.puback_timeout,
        backoff_cap_s=args.backoff_cap,
    )
    return run_payload(
        PayloadConfig(
            source=args.source,
            uplink=uplink,
            data=args.data,
            payload=args.payload,
            camera=args.camera,
            picture_every_s=args.picture_every,
            speed=args.speed,
            seed=args.seed,
            outbox_bytes=args.outbox_size,
            vault_bytes=args.vault_size,
            for_s=args.for_s,
            linger_s=args.linger,
            log=LogStyle(args.log),
        )
    )


def read_password(file: Path | None) -> str | None:
    """Return the password in `file`, else from the environment; `InputError` where unreadable."""
    if file is None:
        return os.environ.get("OVERFLIGHT_DEVICE_PASSWORD")
    try:
        return file.read_text(encoding="utf-8").splitlines()[0]
    except OSError as error:
        raise InputError(f"can't read the password file {file}: {error.strerror}") from error
    except IndexError as error:
        raise InputError(f"the password file {file} is empty") from error


def run_outbox(args: argparse.Namespace) -> int:
    """Show the outbox of a payload, also while it runs."""
    from overflight_device.outbox import FILE_NAME

    path = args.data / FILE_NAME
    if not path.is_file():
        raise InputError(f"no outbox in {args.data}")
    try:
        facts = _outbox_facts(path)
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path} is not a usable outbox: {error}") from error
    if args.json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name.replace('_', ' '):<18} {value}")
    return Exit.OK


def _outbox_facts(path: Path) -> dict[str, Any]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
        pending, size, lowest, highest = db.execute(
            "SELECT count(*), coalesce(sum(length(payload)), 0), min(seq), max(seq)"
            " FROM pending WHERE aside = 0"
        ).fetchone()
        aside = [row[0] for row in db.execute("SELECT seq FROM pending WHERE aside = 1")]
    finally:
        db.close()
    return {
        "payload": meta.get("payload"),
        "flight": meta.get("flight"),
        "next_seq": meta.get("next_seq", 1),
        "held_from": meta.get("held_from", 1),
        "receipted_through": meta.get("through", 0),
        "pending": pending,
        "pending_bytes": size,
        "pending_first": lowest,
        "pending_last": highest,
        "given_up": meta.get("given_up", 0),
        "set_aside": aside,
    }

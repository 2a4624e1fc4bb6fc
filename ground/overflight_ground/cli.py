"""`overflight ground`: run the station, ingest a file, export, plot, alerts, retention."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from overflight_contract.commandline import Exit, host_port, subcommand
from overflight_ground import commands as commands_module

EXAMPLES: Final = (
    "overflight ground run",
    "overflight ground run --broker mqtt://broker.example:1883 --store ground.sqlite",
    "overflight ground run --broker embedded:1883 --http 127.0.0.1:8780 --clock data",
)


def build(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    commands = parser.add_subparsers(dest="ground_command", metavar="COMMAND", required=True)
    _add_run(commands)
    commands_module.add_all(commands)


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = subcommand(commands, "run", "run the ground station", run=run_station, examples=EXAMPLES)
    add = run.add_argument
    add(
        "--broker",
        metavar="URL",
        default="embedded",
        help="mqtt://[USER:PASSWORD@]HOST[:PORT], mqtts://…, or embedded[:PORT]",
    )
    add(
        "--store",
        metavar="URL",
        default="overflight-data/ground.sqlite",
        help="a file for SQLite, or postgresql://USER@HOST/NAME",
    )
    add(
        "--http",
        metavar="HOST:PORT",
        type=host_port,
        default=host_port("127.0.0.1:8780"),
        help="where the API and the page are served",
    )
    add(
        "--client-id",
        metavar="ID",
        default="overflight-ground",
        help="MQTT client id; names the session at the broker",
    )
    add(
        "--mqtt",
        choices=("auto", "5", "3.1.1"),
        default="auto",
        help="version of MQTT; auto takes 5, and 3.1.1 where that is refused",
    )
    add(
        "--no-strays",
        action="store_true",
        help="subscribe to positions and navigation only, not to everything under overflight/",
    )
    add(
        "--tap",
        metavar="URL",
        type=http_url,
        help="control port of a relay, for the provider's view on the page",
    )
    add(
        "--vault-peek",
        metavar="DIR",
        type=Path,
        help="the payload's vault on this same machine; the page says that it looks",
    )
    add(
        "--clock",
        choices=("wall", "data"),
        default="wall",
        help="what times are judged by: this machine's clock, or (demo, replay) the data's own",
    )
    add(
        "--simulated",
        action="store_true",
        help="mark flights as simulated, on the page and in exports",
    )
    add("--rules", metavar="FILE", type=Path, help="rules of the alerts (TOML); see docs/alerts.md")
    add(
        "--token",
        metavar="TOKEN",
        help="what a request needs to change something, or from another machine; made up and"
        " kept beside the store unless given",
    )
    add("--tls-ca", metavar="FILE", help="certificate authority of the broker (PEM)")
    add("--tls-cert", metavar="FILE", help="client certificate for the broker (PEM)")
    add("--tls-key", metavar="FILE", help="key of the client certificate (PEM)")


def http_url(text: str) -> str:
    """Parse ``http://HOST[:PORT]``, or ``https``."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise argparse.ArgumentTypeError(f"{text!r} is no URL; as in http://127.0.0.1:18830")
    return text


def run_station(args: argparse.Namespace) -> int:
    """Run the station until SIGINT or SIGTERM."""
    from overflight_ground.alerts.rules import read_rules
    from overflight_ground.app import Options, run
    from overflight_ground.ingest.plausible import Clock

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for noisy in ("httpx", "alembic", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    run(
        Options(
            broker=args.broker,
            store=args.store,
            http=args.http,
            client_id=args.client_id,
            mqtt=args.mqtt,
            strays=not args.no_strays,
            tap=args.tap,
            vault_peek=args.vault_peek,
            clock=Clock(args.clock),
            simulated=args.simulated,
            rules=read_rules(args.rules),
            rules_folder=args.rules.parent if args.rules is not None else Path(),
            token=args.token,
            tls_ca=args.tls_ca,
            tls_cert=args.tls_cert,
            tls_key=args.tls_key,
        )
    )
    return Exit.OK

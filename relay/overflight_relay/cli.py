"""``overflight relay``: run it, and ask or change one that runs."""

from __future__ import annotations

import argparse
import asyncio
import logging
import tomllib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from overflight_contract.commandline import HostPort, duration_s, host_port, size_bytes, subcommand
from overflight_contract.errors import InputError
from overflight_relay import check_cli, remote_cli
from overflight_relay.app import RelaySettings, run_relay
from overflight_relay.control import DEFAULT_CONTROL
from overflight_relay.guard import Limits
from overflight_relay.link.profiles import load_profile
from overflight_relay.listeners import TlsFiles, parse_listener
from overflight_relay.ruleset import load_rules
from overflight_relay.token_file import read_token
from overflight_relay.upstream import parse_upstream

_LIMITS = Limits()


def build(parser: argparse.ArgumentParser) -> None:
    """Add the commands of the relay."""
    commands = parser.add_subparsers(dest="relay_command", metavar="COMMAND", required=True)
    run = subcommand(
        commands,
        "run",
        "stand between clients and a broker",
        run=_run,
        examples=(
            "overflight relay run --upstream mqtt://127.0.0.1:1883 --record flight.mcap",
            "overflight relay run --upstream mqtt://broker:1883 --record s.mcap --link lte",
        ),
    )
    _add_path(run)
    _add_policy(run)
    _add_link(run)
    _add_tls(run)
    _add_limits(run)
    check_cli.add(commands)
    remote_cli.add(commands)


def _add_path(run: argparse.ArgumentParser) -> None:
    group = run.add_argument_group("path")
    group.add_argument(
        "--listen",
        action="append",
        metavar="HOST:PORT",
        help="where clients connect; again for more; tls://HOST:PORT terminates TLS, "
        "passthrough://HOST:PORT passes it through unread; HOST:PORT=URL has a broker of its own "
        "(default: 127.0.0.1:18831)",
    )
    group.add_argument(
        "--upstream",
        action="append",
        metavar="URL",
        help="the broker, as mqtt://HOST:PORT or mqtts://HOST:PORT; again for those to turn to "
        "when it does not answer (default: mqtt://127.0.0.1:1883)",
    )
    group.add_argument("--record", type=Path, metavar="FILE", help="the session file to write")
    group.add_argument(
        "--no-record", action="store_true", help="record nothing; else --record is needed"
    )
    group.add_argument(
        "--rotate-size",
        type=size_bytes,
        metavar="SIZE",
        help="begin a new file of the session at this size; --record is a folder then",
    )
    group.add_argument(
        "--rotate-time",
        type=duration_s,
        metavar="DURATION",
        help="begin a new file of the session after this time; --record is a folder then",
    )
    group.add_argument(
        "--keep-passwords",
        action="store_true",
        help="record passwords as they cross; else they are masked",
    )
    group.add_argument(
        "--simulated",
        action="store_true",
        help="note in the session that its flights are simulated; exports then say so",
    )
    group.add_argument(
        "--control",
        default=str(DEFAULT_CONTROL),
        metavar="HOST:PORT",
        help="where status, metrics and live tap are served; off for none",
    )
    group.add_argument(
        "--control-token-file",
        type=Path,
        metavar="FILE",
        help="holds the token that changes need (default: a new one, left for this user)",
    )


def _add_policy(run: argparse.ArgumentParser) -> None:
    group = run.add_argument_group("policy")
    group.add_argument(
        "--policy",
        choices=("enforce", "observe"),
        default="enforce",
        help="refuse what is against the rules, or mark it and let it through",
    )
    group.add_argument(
        "--rules", type=Path, metavar="FILE", help="a rule set (TOML) in place of the contract's"
    )
    group.add_argument(
        "--credentials",
        type=Path,
        metavar="FILE",
        help='user names and passwords that may cross (TOML: name = "password")',
    )


def _add_link(run: argparse.ArgumentParser) -> None:
    group = run.add_argument_group("link")
    group.add_argument(
        "--link", default="perfect", metavar="PROFILE", help="a link profile by name, or a file"
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed gives the same faults"
    )


def _add_tls(run: argparse.ArgumentParser) -> None:
    group = run.add_argument_group("TLS")
    group.add_argument(
        "--certificate", type=Path, metavar="FILE", help="certificate chain of tls:// listeners"
    )
    group.add_argument("--key", type=Path, metavar="FILE", help="private key of the certificate")
    group.add_argument(
        "--client-ca",
        type=Path,
        metavar="FILE",
        help="clients must show a certificate of this authority; its name is their client id",
    )
    group.add_argument(
        "--upstream-ca", type=Path, metavar="FILE", help="authority of mqtts:// brokers"
    )
    group.add_argument(
        "--insecure",
        action="store_true",
        help="listen on a public address without TLS or credentials all the same",
    )


def _add_limits(run: argparse.ArgumentParser) -> None:
    group = run.add_argument_group("limits against strangers (0 for none)")
    group.add_argument(
        "--max-connections",
        type=int,
        default=_LIMITS.connections,
        metavar="N",
        help="open connections",
    )
    group.add_argument(
        "--max-per-address",
        type=int,
        default=_LIMITS.connections_per_address,
        metavar="N",
        help="open connections from one address",
    )
    group.add_argument(
        "--connect-rate",
        type=float,
        default=_LIMITS.connects_per_second,
        metavar="N",
        help="new connections a second from one address",
    )
    group.add_argument(
        "--connect-deadline",
        type=duration_s,
        default=_LIMITS.connect_deadline_s,
        metavar="DURATION",
        help="from the connection to its CONNECT",
    )
    group.add_argument(
        "--slow-packet",
        type=duration_s,
        default=_LIMITS.slow_packet_s,
        metavar="DURATION",
        help="how long a packet may stay unfinished",
    )


def settings_from(args: argparse.Namespace) -> RelaySettings:
    """Turn parsed options into settings; raises `InputError`."""
    if args.record is None and not args.no_record:
        raise InputError("say where to record with --record FILE, or --no-record")
    if args.record is not None and args.no_record:
        raise InputError("--record and --no-record exclude each other")
    try:
        listeners = [parse_listener(text) for text in args.listen or ["127.0.0.1:18831"]]
        control = _control(args.control)
    except argparse.ArgumentTypeError as error:
        raise InputError(str(error)) from error
    return RelaySettings(
        listeners=listeners,
        upstreams=[parse_upstream(text) for text in args.upstream or ["mqtt://127.0.0.1:1883"]],
        enforce=args.policy == "enforce",
        rules=load_rules(args.rules) if args.rules else None,
        record=args.record,
        rotate_bytes=args.rotate_size,
        rotate_s=args.rotate_time,
        control=control,
        token="" if args.control_token_file is None else read_token(args.control_token_file),
        link=load_profile(args.link),
        seed=args.seed,
        limits=Limits(
            connections=args.max_connections,
            connections_per_address=args.max_per_address,
            connects_per_second=args.connect_rate,
            connect_deadline_s=args.connect_deadline,
            slow_packet_s=args.slow_packet,
        ),
        tls=TlsFiles(args.certificate, args.key, args.client_ca),
        upstream_ca=args.upstream_ca,
        credentials=_credentials(args.credentials),
        keep_passwords=args.keep_passwords,
        simulated=args.simulated,
        insecure=args.insecure,
    )


def _control(text: str) -> HostPort | None:
    return None if text.strip().lower() in ("off", "none", "") else host_port(text)


def _credentials(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"can't read the credentials {path}: {error}") from error
    if not all(isinstance(value, str) for value in table.values()):
        raise InputError(f'the credentials {path} are not all name = "password"')
    return table


def _run(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    _run_loop(run_relay(settings_from(args)))
    return 0


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)

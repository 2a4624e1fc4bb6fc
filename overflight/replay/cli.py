"""``overflight replay``: play a session to a broker, or the broker's side to a payload."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from pathlib import Path

from overflight.replay import arguments as read
from overflight.replay.broker_side import BrokerSide
from overflight.replay.clock import Clock
from overflight.replay.comparing import DEFAULT_IGNORED, IGNORABLE, ignoring
from overflight.replay.connections import Manner, Target
from overflight.replay.conversation import conversations, of_client
from overflight.replay.keyboard import hint, keyboard, show_progress
from overflight.replay.player import Player
from overflight.replay.report import Report
from overflight.replay.rewriting import Rewriter
from overflight.replay.serving import conclude, serve
from overflight.replay.timeline import Selection, Timeline
from overflight.session.views import check_span
from overflight_contract.commandline import (
    Exit,
    HelpFormatter,
    HostPort,
    duration_s,
    epilog,
    host_port,
)
from overflight_contract.errors import InputError
from overflight_contract.filters import compile_filter
from overflight_contract.mqtt import Version
from overflight_contract.session import SessionReader, open_session
from overflight_ground.ingest.address import parse_broker, tls_context

EXAMPLES = (
    "overflight replay flight.mcap --to mqtt://localhost            as the clients did, at 1x",
    "overflight replay flight.mcap --to mqtt://localhost --flat --speed max",
    "overflight replay flight.mcap --to mqtt://localhost --from 20m --until 40m --speed 10",
    "overflight replay flight.mcap --to mqtt://localhost --rename HAB-01=TEST-01 --shift-time now",
    "overflight replay flight.mcap --as broker --listen 127.0.0.1:1884   a payload under test",
)
VERSIONS = {version.label: version for version in Version}


def build(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.formatter_class = HelpFormatter
    parser.epilog = epilog(EXAMPLES)
    parser.set_defaults(run=run)
    parser.add_argument("file", metavar="FILE", help="session file, or folder of them")
    parser.add_argument(
        "--to", metavar="URL", help="broker: mqtt://[USER@]HOST[:PORT] or mqtts://…"
    )
    _what(parser)
    _how(parser)
    _who(parser)
    _as_broker(parser)
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="in a terminal, show a progress bar and take keys (default)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")


def _what(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is played")
    group.add_argument(
        "--from",
        type=read.moment,
        metavar="WHEN",
        help="start there: a time, or 10m from the start",
    )
    group.add_argument("--until", type=read.moment, metavar="WHEN", help="end before that")
    group.add_argument(
        "--only", metavar="FILTER", help="only the packets that a filter lets through"
    )
    group.add_argument(
        "--count", type=read.positive, metavar="N", help="end after that many messages"
    )
    group.add_argument("--refused", action="store_true", help="play what the relay refused, too")
    group.add_argument(
        "--loop",
        nargs="?",
        type=read.positive,
        const=0,
        default=1,
        metavar="N",
        help="play it N times; without N for ever",
    )


def _how(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it is played")
    group.add_argument(
        "--flat",
        action="store_true",
        help="one connection and messages only, instead of one for each recorded connection",
    )
    group.add_argument(
        "--speed",
        type=read.speed,
        default=1.0,
        metavar="FACTOR",
        help="1 as recorded, 10 ten times as fast, max as fast as possible (default: 1)",
    )
    group.add_argument(
        "--gap", type=duration_s, metavar="TIME", help="shorten longer pauses to that, as 5s"
    )
    group.add_argument(
        "--shift-time",
        type=read.shift,
        metavar="WHEN",
        help="move the times in messages: now, a time for the first packet, or a duration",
    )
    group.add_argument(
        "--rename",
        type=read.rename,
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="rename a payload: in topics, client ids and user names (repeat for more)",
    )
    group.add_argument(
        "--qos", type=int, choices=(0, 1, 2), help="quality of service, instead of the recorded"
    )
    group.add_argument(
        "--mqtt",
        choices=tuple(VERSIONS),
        help="MQTT version, instead of the recorded; 3.1.1 where the broker has no other",
    )


def _who(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("credentials, since sessions hold none")
    group.add_argument("--username", metavar="NAME", help="user name, instead of the recorded")
    group.add_argument("--password-file", metavar="FILE", help="file that holds the password")
    group.add_argument(
        "--credentials",
        metavar="FILE",
        help='passwords of several users or clients (TOML: name = "password")',
    )
    group.add_argument("--client-id", default="overflight-replay", help="client id of --flat")
    group.add_argument("--ca-file", metavar="FILE", help="certificates to trust, for mqtts://")
    group.add_argument("--cert-file", metavar="FILE", help="client certificate, for mqtts://")
    group.add_argument("--key-file", metavar="FILE", help="key of the client certificate")


def _as_broker(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("playing the broker to a payload under test")
    group.add_argument(
        "--as",
        choices=("clients", "broker"),
        default="clients",
        help="whose part is played: the clients', to a broker, or the broker's, to a payload",
    )
    group.add_argument(
        "--listen",
        type=host_port,
        default=HostPort("127.0.0.1", 1883),
        metavar="HOST:PORT",
        help="where the payload under test connects (default: 127.0.0.1:1883)",
    )
    group.add_argument("--client", metavar="ID", help="whose recorded connections are played")
    group.add_argument(
        "--ignore",
        type=ignoring,
        default=DEFAULT_IGNORED,
        metavar="LIST",
        help=f"what need not be as recorded: {', '.join(IGNORABLE)}, or nothing "
        f"(default: {','.join(sorted(DEFAULT_IGNORED))})",
    )
    group.add_argument(
        "--timeout",
        type=duration_s,
        default=60.0,
        metavar="TIME",
        help="give up when the payload says nothing for that long (default: 60s)",
    )


def run(args: argparse.Namespace) -> int:
    """Replay as `args` say; status 1 where something was not played or not acknowledged."""
    if vars(args)["as"] == "broker":
        return _run_as_broker(args)
    if args.to is None:
        raise InputError("say where to play to: --to mqtt://HOST")
    path = Path(args.file)
    with open_session(path) as session:
        timeline, manner = _timeline(args, session, path), _manner(args, session)
        span = (session.start_ns or 0, session.end_ns or 0)
    report = asyncio.run(_play(args, timeline, manner, span))
    if args.json:
        print(json.dumps(report.as_dict()))
    else:
        print("\n".join(report.lines()))
    if report.interrupted:
        return Exit.INTERRUPTED
    return Exit.OK if report.complete else Exit.FAILED


def _run_as_broker(args: argparse.Namespace) -> int:
    if args.to is not None:
        raise InputError("--as broker listens, so it takes --listen instead of --to")
    with open_session(Path(args.file)) as session:
        several = of_client(conversations(session), args.client)
    side = BrokerSide(several, args.ignore, Rewriter(dict(args.rename)))

    def listening(address: HostPort) -> None:
        print(f"waiting for {several[0].client_id} on {address}", file=sys.stderr, flush=True)

    asyncio.run(serve(side, args.listen, args.timeout, listening))
    return conclude(side, as_json=args.json, timeout_s=args.timeout)


async def _play(
    args: argparse.Namespace, timeline: Timeline, manner: Manner, span: tuple[int, int]
) -> Report:
    clock = Clock(args.speed, time.monotonic)
    player = Player(timeline, _target(args), manner, clock)
    with contextlib.suppress(NotImplementedError, RuntimeError):  # not in this thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, player.interrupt)
    if not args.progress or not sys.stderr.isatty():
        return await player.run()
    with keyboard(player) as keys:
        if keys:
            hint(lambda text: print(text, file=sys.stderr))
        drawing = asyncio.create_task(show_progress(player, *span), name="replay progress")
        try:
            return await player.run()
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)


def _timeline(args: argparse.Namespace, session: SessionReader, path: Path) -> Timeline:
    only = None if args.only is None else compile_filter(args.only)
    from_ns = read.moment_ns(vars(args)["from"], session)
    until_ns = read.moment_ns(args.until, session)
    check_span(from_ns, until_ns, session)
    selection = Selection(
        from_ns=from_ns,
        until_ns=until_ns,
        only=only,
        gap_ns=None if args.gap is None else int(args.gap * read.NS),
        count=args.count,
        refused=args.refused,
        flat=args.flat,
        raw=not args.rename and args.shift_time is None and args.qos is None,
    )
    return Timeline(lambda: open_session(path), selection)


def _manner(args: argparse.Namespace, session: SessionReader) -> Manner:
    begins_ns = read.moment_ns(vars(args)["from"], session) or session.start_ns or 0
    return Manner(
        flat=args.flat,
        qos=args.qos,
        loops=args.loop or None,
        lazy=args.only is not None,
        rewriter=Rewriter(
            dict(args.rename), read.shift_of(args.shift_time, begins_ns, time.time_ns())
        ),
    )


def _target(args: argparse.Namespace) -> Target:
    address = parse_broker(args.to)
    password = read.secret(args.password_file)
    if password is None and address.password is not None:
        password = address.password.encode()
    tls = tls_context(args.ca_file, args.cert_file, args.key_file) if address.tls else None
    return Target(
        address=address,
        tls=tls,
        username=args.username or address.username,
        password=password,
        passwords=read.secrets(args.credentials),
        version=VERSIONS.get(args.mqtt or ""),
        client_id=args.client_id,
    )

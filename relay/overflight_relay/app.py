"""Wiring: settings in, a running relay out. The only place of the house that reads clocks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import resource
import secrets
import signal
import socket
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from overflight_contract.commandline import HostPort
from overflight_contract.errors import InputError, OverflightError, UnavailableError
from overflight_contract.session import SessionWriter
from overflight_relay.control import VERSION, ControlServer, build_app, control_server, started
from overflight_relay.guard import Limits
from overflight_relay.hub import Hub
from overflight_relay.link.control import LinkControl
from overflight_relay.link.model import Profile
from overflight_relay.listeners import Listener, TlsFiles, check_exposure, is_public
from overflight_relay.ruleset import RuleSet
from overflight_relay.server import RelayServer
from overflight_relay.tap import CaptureError, Tap
from overflight_relay.token_file import forget_token, save_token
from overflight_relay.upstream import Upstream, Upstreams

_log = logging.getLogger("overflight.relay")


class RelaySettings(NamedTuple):
    """All that a relay is told."""

    listeners: list[Listener]
    upstreams: list[Upstream]
    enforce: bool = True
    rules: RuleSet | None = None
    record: Path | None = None
    """`None` records nothing, which has to be asked for."""
    rotate_bytes: int | None = None
    rotate_s: float | None = None
    control: HostPort | None = None
    token: str = ""
    link: Profile = Profile(name="perfect")
    seed: int = 0
    limits: Limits = Limits()
    tls: TlsFiles = TlsFiles()
    upstream_ca: Path | None = None
    credentials: dict[str, str] = {}  # noqa: RUF012 - never changed
    keep_passwords: bool = False
    simulated: bool = False
    """Said in the session, so that exports of it say so too."""
    insecure: bool = False


async def run_relay(settings: RelaySettings, *, announce: bool = True) -> None:
    """Run a relay until SIGTERM or SIGINT; raises `OverflightError`."""
    check_exposure(
        settings.listeners,
        client_ca=settings.tls.client_ca is not None,
        credentials=bool(settings.credentials),
        insecure=settings.insecure,
    )
    _check_control(settings)
    rules = settings.rules or RuleSet()
    control = _bind_control(settings)  # first of all: a relay that can't run records nothing
    try:
        writer = _open_session(settings, rules)
        hub = Hub(writer.sequence if writer is not None else 0)
        tap = Tap(writer, [hub])
        try:
            await _serve(settings, rules, tap, hub, control, announce=announce)
        finally:
            tap.close()
    except* CaptureError as group:
        raise OverflightError(str(group.exceptions[0])) from group
    except* OverflightError as group:
        raise group.exceptions[0] from None
    finally:
        if control is not None:
            control.close()


async def _serve(
    settings: RelaySettings,
    rules: RuleSet,
    tap: Tap,
    hub: Hub,
    listening: socket.socket | None,
    *,
    announce: bool,
) -> None:
    loop = asyncio.get_running_loop()
    relay = RelayServer(
        tap,
        rules,
        LinkControl(settings.link, settings.seed, loop.time),
        Upstreams(settings.upstreams, ca_file=settings.upstream_ca),
        enforce=settings.enforce,
        limits=settings.limits,
        credentials=settings.credentials,
        keep_passwords=settings.keep_passwords,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, relay.stop)
    _calm_collector()
    _raise_file_limit()
    addresses = await relay.listen(settings.listeners, settings.tls)
    relay.note("start", **_start_note(settings, rules, addresses))
    async with asyncio.TaskGroup() as tasks:
        side = [tasks.create_task(hub.run(), name="watchers")]
        control = await _open_control(settings, listening, relay, hub, tasks)
        if announce:
            _announce(settings, addresses, control)
        try:
            await relay.run()
            relay.note("stop", reason="asked to stop")
        finally:
            await _close_control(control)
            for task in side:
                task.cancel()


def _check_control(settings: RelaySettings) -> None:
    control = settings.control
    if control is not None and is_public(control.host) and not settings.insecure:
        raise InputError(
            f"the control port {control} could be read from outside; "
            "use a loopback address, or say --insecure"
        )


def _raise_file_limit() -> None:
    """Let the relay have as many sockets as its user may have: two a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _calm_collector() -> None:
    """Let the cycle collector run rarely: a batch makes thousands of tuples and no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class Control(NamedTuple):
    """The control port while it is open."""

    address: HostPort
    server: ControlServer
    task: asyncio.Task[None]


def _bind_control(settings: RelaySettings) -> socket.socket | None:
    if settings.control is None:
        return None
    family = socket.AF_INET6 if ":" in settings.control.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.control.host, settings.control.port))
    except OSError as error:
        listening.close()
        raise UnavailableError(
            f"can't open the control port {settings.control}: {error.strerror}; "
            "choose another with --control, or --control off"
        ) from error
    return listening


async def _open_control(
    settings: RelaySettings,
    listening: socket.socket | None,
    relay: RelayServer,
    hub: Hub,
    tasks: asyncio.TaskGroup,
) -> Control | None:
    if listening is None:
        return None
    token = settings.token or secrets.token_urlsafe(24)
    address = HostPort(*listening.getsockname()[:2])
    host = address.host if settings.control is None else settings.control.host
    app = build_app(relay, hub, session=str(settings.record or ""), token=token, host=host)
    server = control_server(app)
    task = tasks.create_task(server.serve([listening]), name="control")
    await started(server, task)
    save_token(address, token)
    return Control(address, server, task)


async def _close_control(control: Control | None) -> None:
    if control is None:
        return
    forget_token(control.address)
    control.server.should_exit = True
    control.server.force_exit = True
    await asyncio.wait([control.task], timeout=3)
    control.task.cancel()


def _open_session(settings: RelaySettings, rules: RuleSet) -> SessionWriter | None:
    if settings.record is None:
        return None
    settings.record.parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        "relay": f"overflight {VERSION}",
        "policy": "enforce" if settings.enforce else "observe",
        "rules": rules.name,
        "link": settings.link.name,
        "seed": str(settings.seed),
        "host": socket.gethostname(),
        **({"simulated": "true"} if settings.simulated else {}),
    }
    try:
        return SessionWriter(
            settings.record,
            metadata=metadata,
            rotate_bytes=settings.rotate_bytes,
            rotate_s=settings.rotate_s,
        )
    except OSError as error:
        raise UnavailableError(
            f"can't write the session {settings.record}: {error.strerror or error}"
        ) from error


def _start_note(
    settings: RelaySettings, rules: RuleSet, addresses: list[HostPort]
) -> dict[str, str]:
    return {
        "policy": "enforce" if settings.enforce else "observe",
        "rules": json.dumps(rules.describe()),
        "link": msgspec.json.encode(settings.link).decode(),
        "seed": str(settings.seed),
        "listen": " ".join(map(str, addresses)),
        "upstream": " ".join(map(str, settings.upstreams)),
        "pid": str(os.getpid()),
        "at": str(time.time_ns()),
    }


def _announce(settings: RelaySettings, addresses: list[HostPort], control: Control | None) -> None:
    policy = "enforce" if settings.enforce else "observe"
    where = ", ".join(map(str, addresses))
    brokers = ", ".join(map(str, settings.upstreams))
    print(f"relay: {where} → {brokers}, policy {policy}, link {settings.link.name}", flush=True)
    print(f"relay: session {settings.record or 'not recorded'}", flush=True)
    if control is not None:
        print(f"relay: control http://{control.address}", flush=True)

"""Wiring: broker, link, intake, live state, API. The only module here that reads clocks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvicorn

from overflight_contract.commandline import HostPort
from overflight_contract.errors import InputError, OverflightError, UnavailableError
from overflight_contract.mqtt import Version
from overflight_ground.alerts.rules import Rules
from overflight_ground.alerts.service import AlertService
from overflight_ground.broker import EmbeddedBroker
from overflight_ground.feed import INTERVAL_S
from overflight_ground.http.access import keep_token
from overflight_ground.http.application import create_app
from overflight_ground.ingest.address import parse_broker, tls_context
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.pipeline import Pipeline
from overflight_ground.ingest.plausible import Clock
from overflight_ground.ingest.subscriber import (
    ALL_FILTERS,
    UPWARD_FILTERS,
    Subscriber,
    Subscription,
)
from overflight_ground.peek import VaultPeek
from overflight_ground.sessions.shelf import Shelf
from overflight_ground.station import Kept, Station
from overflight_ground.store import Store, StoreUnavailableError
from overflight_ground.tap import follow_tap

log = logging.getLogger(__name__)

VERSIONS: Final = {
    "auto": (Version.V5, Version.V311),
    "5": (Version.V5,),
    "3.1.1": (Version.V311,),
}
KEPT_S: Final = 1.0
CUT_S: Final = 2.0
BROKER_CHECK_S: Final = 0.5
SWITCH_S: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `overflight ground run` was told."""

    broker: str
    store: str
    http: HostPort
    client_id: str = "overflight-ground"
    mqtt: str = "auto"
    strays: bool = True
    tap: str | None = None
    vault_peek: Path | None = None
    clock: Clock = Clock.WALL
    simulated: bool = False
    rules: Rules = field(default_factory=Rules)
    rules_folder: Path = Path()
    token: str | None = None
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


def data_folder(store: str) -> Path:
    """Return the folder that an SQLite store lies in; for PostgreSQL, the default one."""
    path = store.removeprefix("sqlite:///")
    return Path(path).parent if "://" not in path else Path("overflight-data")


def run(options: Options) -> None:
    """Run the ground until SIGINT or SIGTERM."""
    with _broker(options) as broker, _listening(options.http) as server_socket:
        store = Store.open(options.store)
        try:
            asyncio.run(_serve(options, broker, store, server_socket))
        except BaseExceptionGroup as group:
            ours, _ = group.split(OverflightError)
            if ours is None:
                raise
            raise _first(ours) from group
        finally:
            store.close()


def settle_interpreter() -> None:
    """Have the cycle collector run rarely, and threads take turns quickly.

    A batch makes thousands of tuples and no cycles. A thread that waits for its turn beside a busy
    one waits 5 ms otherwise, several times in a commit.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(SWITCH_S)


def _first(group: BaseExceptionGroup[OverflightError]) -> OverflightError:
    """Return one error of a group: a person gets one sentence."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


@contextlib.contextmanager
def _broker(options: Options) -> Iterator[EmbeddedBroker | None]:
    """Start the embedded broker where it is asked for."""
    kind, _, port = options.broker.partition(":")
    if kind != "embedded":
        yield None
        return
    if port and not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise InputError(f"{options.broker!r}: the embedded broker takes a port, as embedded:1883")
    broker = EmbeddedBroker(data_folder(options.store) / "broker", port=int(port or 1883))
    broker.start()
    log.info("embedded broker at %s", broker.url)
    try:
        yield broker
    finally:
        broker.stop()


@contextlib.contextmanager
def _listening(address: HostPort) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # Named as TCP, so that asyncio sets TCP_NODELAY: else each reply waits 40 ms for an ACK.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((address.host, address.port))
        except OSError as error:
            raise UnavailableError(f"can't listen on {address}: {error.strerror}") from error
        yield server


async def _serve(
    options: Options, broker: EmbeddedBroker | None, store: Store, server_socket: socket.socket
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    intake = Intake(store, clock=options.clock, simulated=options.simulated, now_ns=time.time_ns)
    peek = VaultPeek(options.vault_peek) if options.vault_peek else None
    station = Station(
        store,
        time.time_ns,
        clock=options.clock,
        simulated=options.simulated,
        kept=Kept(peek),
        started_at_ns=time.time_ns(),
    )
    pipeline = Pipeline(intake, station.on_outcome)
    station.alerts = AlertService(
        store,
        station.hub,
        options.rules,
        options.rules_folder,
        time.time_ns,
        pipeline.counters,
    )
    rows = intake.load()
    pipeline.load(rows)
    station.load(rows)
    station.counters = pipeline.counters
    station.store_trouble = lambda: pipeline.trouble
    subscriber = _subscriber(options, options.broker if broker is None else broker.url, pipeline)
    station.broker_state = lambda: subscriber.state
    extra = [] if broker is None else [_keep_broker(broker)]
    await _run_tasks(options, station, pipeline, subscriber, server_socket, stop, extra)


def _subscriber(options: Options, broker_url: str, pipeline: Pipeline) -> Subscriber:
    address = parse_broker(broker_url)
    wanted = Subscription(
        address,
        options.client_id,
        versions=VERSIONS[options.mqtt],
        filters=ALL_FILTERS if options.strays else UPWARD_FILTERS,
        tls=tls_context(options.tls_ca, options.tls_cert, options.tls_key) if address.tls else None,
    )
    return Subscriber(
        wanted,
        on_arrivals=pipeline.take,
        on_taken=pipeline.take_runs,
        on_connected=pipeline.connected,
        on_lost=pipeline.lost,
        now_ns=time.time_ns,
    )


async def _run_tasks(
    options: Options,
    station: Station,
    pipeline: Pipeline,
    subscriber: Subscriber,
    server_socket: socket.socket,
    stop: asyncio.Event,
    extra: Sequence[Coroutine[None, None, None]],
) -> None:
    token = options.token or keep_token(data_folder(options.store) / "ground.token")
    sessions = data_folder(options.store) / "sessions"
    shelf = Shelf(sessions, options.rules, options.rules_folder, time.time_ns)
    config = uvicorn.Config(
        create_app(station, token, shelf),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
        proxy_headers=False,
        server_header=False,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        background = [
            tasks.create_task(pipeline.run(), name="pipeline"),
            tasks.create_task(subscriber.run(), name="subscriber"),
            tasks.create_task(_tick(station), name="stream"),
            tasks.create_task(_alerts(station), name="alerts"),
            tasks.create_task(_notice_cuts(station), name="cuts"),
        ]
        if options.vault_peek is not None:
            background.append(tasks.create_task(_tell_kept(station), name="peek"))
        if options.tap is not None:
            background.append(tasks.create_task(_provider(options.tap, station), name="tap"))
        background += [tasks.create_task(task, name="broker") for task in extra]
        serving = tasks.create_task(server.serve([server_socket]), name="http")
        announce = tasks.create_task(_announce(server, server_socket, token), name="announce")
        settle_interpreter()
        await stop.wait()
        announce.cancel()
        if subscriber.link is not None:
            subscriber.link.pause()
        await pipeline.drain(5.0)
        pipeline.publish_all_receipts()
        background[1].cancel()
        station.hub.close()
        await shelf.close_all()
        server.should_exit = True
        await serving
        for task in background:
            task.cancel()


class _Server(uvicorn.Server):
    """A server that leaves the signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: the ground stops everything in order."""
        yield


async def _announce(server: uvicorn.Server, server_socket: socket.socket, token: str) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    host, port = server_socket.getsockname()[:2]
    url = f"http://{HostPort(host, port)}/"
    log.info("the page, with the right to change things: %s?token=%s", url, token)
    print(json.dumps({"event": "ready", "url": url}), file=sys.stdout, flush=True)


async def _alerts(station: Station) -> None:
    assert station.alerts is not None
    await station.alerts.run()


async def _keep_broker(broker: EmbeddedBroker) -> None:
    """Start the embedded broker again when it has ended."""
    while True:
        await asyncio.sleep(BROKER_CHECK_S)
        if broker.running():
            continue
        log.warning("the embedded broker has ended; starting it again")
        try:
            await asyncio.to_thread(_restart, broker)
        except UnavailableError as error:
            log.warning("%s", error)


def _restart(broker: EmbeddedBroker) -> None:
    broker.stop()
    broker.start()


async def _tick(station: Station) -> None:
    while True:
        await asyncio.sleep(INTERVAL_S)
        station.tick()


async def _notice_cuts(station: Station) -> None:
    """Retention is another process: its work is noticed in the store."""
    while True:
        await asyncio.sleep(CUT_S)
        with contextlib.suppress(StoreUnavailableError):
            await station.notice_cut()


async def _tell_kept(station: Station) -> None:
    told = None
    while True:
        await asyncio.sleep(KEPT_S)
        claim = await asyncio.to_thread(station.kept.claim)
        if claim != told:
            told = claim
            station.hub.send("kept", claim)


async def _provider(url: str, station: Station) -> None:
    def state(text: str) -> None:
        station.tap_state = text

    def event(name: str, data: object) -> None:
        if name == "packets":
            station.provider_packets(data)
        elif name == "missed":
            station.hub.send("provider-missed", data)

    await follow_tap(url, event, state)

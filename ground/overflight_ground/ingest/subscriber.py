"""Keeps a subscription to the broker: connects, picks the version, subscribes, connects again.

MQTT 5 first, 3.1.1 where that is refused (nats-server). The session is persistent in both, so a
broker that can hold messages for an absent subscriber does.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from overflight_contract.mqtt import Connect, Properties, SubAck, Version
from overflight_contract.topics import EVERYTHING_FILTER, NAVIGATION_FILTER, POSITION_FILTER
from overflight_ground.ingest.address import BrokerAddress
from overflight_ground.ingest.judge import Arrival
from overflight_ground.ingest.link import BrokerLink, LinkError, VersionRefusedError
from overflight_ground.ingest.run import Taken

log = logging.getLogger(__name__)

KEEP_ALIVE_S: Final = 30
CONNECT_S: Final = 10.0
BACK_OFF_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
SESSION_EXPIRY_S: Final = 0xFFFFFFFF
RECEIVE_MAXIMUM: Final = 20_000
UPWARD_FILTERS: Final = (POSITION_FILTER, NAVIGATION_FILTER)
ALL_FILTERS: Final = (EVERYTHING_FILTER,)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What to connect to, as whom, and for what."""

    address: BrokerAddress
    client_id: str
    versions: tuple[Version, ...] = (Version.V5, Version.V311)
    filters: tuple[str, ...] = ALL_FILTERS
    tls: ssl.SSLContext | None = None
    receive_maximum: int = RECEIVE_MAXIMUM
    rng: random.Random = field(default_factory=random.Random)


class Subscriber:
    """Runs until cancelled. `link` is the connection while there is one."""

    def __init__(
        self,
        wanted: Subscription,
        *,
        on_arrivals: Callable[[BrokerLink, list[Arrival]], None],
        on_taken: Callable[[BrokerLink, Taken], None],
        on_connected: Callable[[BrokerLink], None],
        on_lost: Callable[[], None],
        now_ns: Callable[[], int],
    ) -> None:
        self.link: BrokerLink | None = None
        self.state = "connecting"
        self._wanted = wanted
        self._on_arrivals = on_arrivals
        self._on_taken = on_taken
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._now_ns = now_ns
        self._version = wanted.versions[0]
        self._told = ""

    async def run(self) -> None:
        """Connect and stay connected."""
        failures = 0
        try:
            while True:
                try:
                    link = await self._open()
                except VersionRefusedError as error:
                    if not self._fall_back():
                        failures = await self._wait(str(error), failures)
                    continue
                except (LinkError, OSError, TimeoutError) as error:
                    failures = await self._wait(str(error) or type(error).__name__, failures)
                    continue
                failures = 0
                why = await self._serve(link)
                failures = await self._wait(why, failures)
        finally:
            if self.link is not None:
                self.link.end("the ground stops", politely=True)

    def _fall_back(self) -> bool:
        versions = self._wanted.versions
        place = versions.index(self._version) + 1
        if place >= len(versions):
            self._version = versions[0]
            return False
        self._version = versions[place]
        return True

    async def _wait(self, why: str, failures: int) -> int:
        self.state = f"not connected: {why}"
        if why != self._told:
            self._told = why
            log.warning("broker %s: %s; trying again", self._wanted.address, why)
        pause_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
        await asyncio.sleep(pause_s * self._wanted.rng.uniform(0.8, 1.2))
        return failures + 1

    async def _open(self) -> BrokerLink:
        """Connect, log in, subscribe."""
        wanted, address = self._wanted, self._wanted.address
        loop = asyncio.get_running_loop()
        connect = self._connect_packet()
        async with asyncio.timeout(CONNECT_S):
            _, link = await loop.create_connection(
                lambda: BrokerLink(connect, self._on_arrivals, self._on_taken, self._now_ns),
                address.host,
                address.port,
                ssl=wanted.tls if address.tls else None,
            )
            try:
                await self._greeted(link)
                answer = await link.subscribe(list(wanted.filters))
            except BaseException:
                link.end("the connection did not come about")
                raise
        _check_granted(answer, wanted.filters)
        return link

    async def _greeted(self, link: BrokerLink) -> None:
        try:
            await link.ready
        except VersionRefusedError:
            raise
        except LinkError as error:
            # Some brokers just hang up on a version that they don't know.
            if "closed the connection" in str(error) and link.version is Version.V5:
                raise VersionRefusedError(str(error)) from error
            raise

    async def _serve(self, link: BrokerLink) -> str:
        self.link, self.state, self._told = link, "connected", ""
        log.info("broker %s: connected with MQTT %s", self._wanted.address, link.version.name)
        self._on_connected(link)
        beat = asyncio.create_task(_keep_alive(link), name="keep-alive")
        try:
            return await link.closed
        finally:
            beat.cancel()
            if link.closed.done():
                self.link = None
                self._on_lost()

    def _connect_packet(self) -> Connect:
        address, version = self._wanted.address, self._version
        properties = None
        if version is Version.V5:
            properties = Properties(
                session_expiry_interval=SESSION_EXPIRY_S,
                receive_maximum=self._wanted.receive_maximum,
            )
        password = None if address.password is None else address.password.encode()
        return Connect(
            client_id=self._wanted.client_id,
            clean_start=False,
            keep_alive=KEEP_ALIVE_S,
            username=address.username,
            password=password,
            version=version,
            properties=properties,
        )


def _check_granted(answer: SubAck, filters: tuple[str, ...]) -> None:
    for code, name in zip(answer.reason_codes, filters, strict=True):
        if code >= 0x80:
            raise LinkError(f"the broker refused the subscription to {name} ({code:#04x})")


async def _keep_alive(link: BrokerLink) -> None:
    """Send pings; end a link on which nothing comes. A paused link can't hear the answer."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(KEEP_ALIVE_S / 2)
        link.ping()
        if not link.paused and loop.time() - link.last_read_s > KEEP_ALIVE_S * 1.5:
            link.end("nothing came for too long")

"""Replays as tests use them: play, then assert that all was played and nothing else crossed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol, Self

from overflight.recorded import Session
from overflight.replay import arguments
from overflight.replay.broker_side import BrokerSide
from overflight.replay.comparing import DEFAULT_IGNORED, ignoring
from overflight.replay.conversation import conversations, of_client
from overflight.replay.playing import play
from overflight.replay.report import Report
from overflight.replay.rewriting import Rewriter
from overflight.replay.serving import serve
from overflight.testing.background import Background, check_asyncio
from overflight.testing.broker import Ear, Heard, listening
from overflight_contract.commandline import HostPort
from overflight_contract.mqtt import matches
from overflight_contract.session import open_session
from overflight_contract.summaries import preview
from overflight_ground.ingest.address import parse_broker

PLAY_DEADLINE_S = 300.0


class Replayed(Protocol):
    """What the fixture `replayed` gives, in either role."""

    @property
    def url(self) -> str:
        """Where the code under test connects."""

    @property
    def host(self) -> str:
        """Host of `url`."""

    @property
    def port(self) -> int:
        """Port of `url`."""

    def play(self) -> object:
        """Play it all (as the clients), or wait until the payload has said it all."""

    async def play_async(self) -> object:
        """Do the same without blocking the event loop of the test."""

    def assert_all_played(self) -> None:
        """Fail the test unless everything recorded was played."""

    def assert_nothing_else_crossed(self, allow: Iterable[str] = ()) -> None:
        """Fail the test if anything that was not recorded crossed."""


class ReplayedToBroker:
    """Plays a session to a broker, as its clients did; the code under test listens there."""

    def __init__(
        self,
        path: Path,
        url: str,
        *,
        speed: float | str = "max",
        only: str = "",
        flat: bool = False,
        qos: int | None = None,
        count: int | None = None,
        gap_s: float | None = None,
        rename: dict[str, str] | None = None,
    ) -> None:
        self.path = path
        self.url = url
        self.report: Report | None = None
        self._speed = arguments.speed(str(speed))
        self._only, self._flat, self._qos = only, flat, qos
        self._count, self._gap_s, self._rename = count, gap_s, rename
        self._ear = Ear()
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        address = parse_broker(self.url)
        self._background = self._open.enter_context(Background())
        self._ear = self._open.enter_context(listening(address.host, address.port, "#"))
        return self

    def __exit__(self, *_exception: object) -> None:
        self._open.close()

    @property
    def host(self) -> str:
        """Host of `url`."""
        return parse_broker(self.url).host

    @property
    def port(self) -> int:
        """Port of `url`."""
        return parse_broker(self.url).port

    def play(self, to: str | None = None) -> Report:
        """Play it all, once; blocks, so in async tests take `play_async`.

        `to` is the URL of something before the broker, such as the fixture `relay`'s.
        """
        if self.report is None:
            self.report = self._start(to or self.url).result(PLAY_DEADLINE_S)
        return self.report

    async def play_async(self, to: str | None = None) -> Report:
        """Play it all, as `play`; on asyncio's event loop (pytest-asyncio, anyio)."""
        check_asyncio()
        if self.report is None:
            self.report = await asyncio.wrap_future(self._start(to or self.url))
        return self.report

    @property
    def heard(self) -> list[Heard]:
        """What the broker has published since the test began."""
        return self._ear.messages

    def assert_all_played(self) -> None:
        """Fail unless every chosen message was sent, and acknowledged where its QoS asks for it."""
        report = self.play()
        if not report.complete or not report.messages:
            said = "\n".join(report.lines())
            raise AssertionError(f"not all of {self.path.name} was played:\n{said}")

    def assert_nothing_else_crossed(self, allow: Iterable[str] = ()) -> None:
        """Fail if the broker published anything that the session does not hold.

        `allow` are topic filters of what the code under test may publish.
        """
        self.play()
        recorded = self._recorded()
        self._ear.wait_for(min(recorded.total(), 1))
        left = recorded.copy()
        others = []
        for message in self._ear.quiet():
            if left[message.topic, message.payload] > 0:
                left[message.topic, message.payload] -= 1
            elif not any(matches(each, message.topic) for each in allow):
                others.append(message)
        if others:
            raise AssertionError(_others(others, self.path.name))

    def _start(self, to: str) -> Future[Report]:
        return self._background.submit(
            play(
                self.path,
                to,
                speed=self._speed,
                only=self._only,
                flat=self._flat,
                qos=self._qos,
                count=self._count,
                gap_s=self._gap_s,
                rename=self._rename,
            )
        )

    def _recorded(self) -> Counter[tuple[str, bytes]]:
        rewriter = Rewriter(self._rename or {})
        with Session.open(self.path, only=self._only) as session:
            return Counter(
                (rewriter.topic(each.topic), each.data)
                for each in session.messages(direction="up", only="not verdict == refused")
            )


class ReplayedToPayload:
    """Plays the broker's side of a session to a payload under test."""

    def __init__(
        self,
        path: Path,
        *,
        client: str | None = None,
        ignore: str | None = None,
        rename: dict[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self.path = path
        self._timeout_s = timeout_s
        with open_session(path) as session:
            several = of_client(conversations(session), client)
        ignored = DEFAULT_IGNORED if ignore is None else ignoring(ignore)
        self.side = BrokerSide(several, ignored, Rewriter(rename or {}))
        self._open = contextlib.ExitStack()
        self._where: Future[HostPort] = Future()

    def __enter__(self) -> Self:
        background = self._open.enter_context(Background())
        self._served = background.submit(
            serve(self.side, HostPort("127.0.0.1", 0), self._timeout_s, self._where.set_result)
        )
        self._address = self._where.result(10)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._open.close()

    @property
    def url(self) -> str:
        """Where the payload under test connects."""
        return f"mqtt://{self._address}"

    @property
    def host(self) -> str:
        """Host of `url`."""
        return self._address.host

    @property
    def port(self) -> int:
        """Port of `url`."""
        return self._address.port

    def play(self) -> bool:
        """Wait until the payload has said everything, or something else."""
        return self._served.result(PLAY_DEADLINE_S)

    async def play_async(self) -> bool:
        """Wait without blocking the event loop, asyncio's."""
        check_asyncio()
        return await asyncio.wrap_future(self._served)

    def assert_all_played(self) -> None:
        """Fail unless the payload said everything that was recorded."""
        self.play()
        progress, divergence = self.side.progress, self.side.divergence
        if divergence is not None and divergence.recorded is not None:
            raise AssertionError("\n".join(divergence.lines()))
        if progress.matched < progress.recorded:
            raise AssertionError(
                f"the payload said {progress.matched} of {progress.recorded} packets of "
                f"{self.path.name}, then nothing for {self._timeout_s:g} s"
            )

    def assert_nothing_else_crossed(self, allow: Iterable[str] = ()) -> None:
        """Fail if the payload said anything that was not recorded."""
        self.play()
        divergence = self.side.divergence
        if divergence is None:
            return
        topic = divergence.sent.topic if divergence.sent is not None else None
        if topic is None or not any(matches(each, topic) for each in allow):
            raise AssertionError("\n".join(divergence.lines()))


def _others(others: list[Heard], name: str) -> str:
    lines = [f"{len(others)} messages crossed that {name} does not hold:"]
    lines += [
        f"  + {message.topic}  {len(message.payload)} bytes: {preview(message.payload)}"
        for message in others[:10]
    ]
    if len(others) > 10:
        lines.append(f"  … and {len(others) - 10} more")
    return "\n".join(lines)

"""Plays a timeline to a broker: the one place of a replay that waits and sends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from overflight.replay.clock import Clock
from overflight.replay.connections import FLAT, Connections, Manner, Target
from overflight.replay.report import Lateness, Report
from overflight.replay.scene import Scene
from overflight.replay.timeline import Cue, Raw, Timeline
from overflight_contract.dissect import PacketView
from overflight_contract.mqtt import Connect, Publish, Subscribe, Unsubscribe

_YIELD_EVERY: Final = 20


class Player:
    """Plays; `clock`, `seek`, `step` and `stop` are its controls while it runs."""

    def __init__(
        self,
        timeline: Timeline,
        target: Target,
        manner: Manner,
        clock: Clock,
        *,
        on_message: Callable[[Publish], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.report = Report()
        self.position_ns = 0
        self.at_ns: int | None = None
        """Recorded time of what was played last, or gone to."""
        self._timeline = timeline
        self._manner = manner
        self._now = now
        self._late = Lateness()
        self._connections = Connections(target, manner, self.report, on_message)
        self._wake = asyncio.Event()
        self._seek_ns: int | None = None
        self._steps = 0
        self._stopped = False

    # controls

    def seek(self, position_ns: int) -> None:
        """Go to a position; state is restored there, retained values as well."""
        self._seek_ns = max(0, position_ns)
        self._wake.set()

    def step(self) -> None:
        """Play one packet while paused."""
        self._steps += 1
        self._wake.set()

    def changed(self) -> None:
        """Say that the clock was changed."""
        self._wake.set()

    def stop(self) -> None:
        """End the replay early."""
        self._stopped = True
        self._wake.set()

    def interrupt(self) -> None:
        """End it early because somebody pressed Ctrl-C; the report says so."""
        self.report.interrupted = True
        self.stop()

    # running

    async def run(self) -> Report:
        """Play it all; return what was done. Raises `UnavailableError`."""
        started = self._now()
        try:
            while not self._stopped and self._goes_on():
                self.clock.seek(0)
                await self._once()
                await self._connections.end_all()
                self.report.loops += 1
        finally:
            self._connections.drop_all()
        self._finish(started)
        return self.report

    def _goes_on(self) -> bool:
        return self._manner.loops is None or self.report.loops < self._manner.loops

    async def _once(self) -> None:
        target_ns = 0
        while True:
            found = await self._from(target_ns)
            if found is None:
                return
            target_ns = found
            self.report.seeks += 1

    async def _from(self, start_ns: int) -> int | None:
        """Play from a position on; return where to seek to, or `None` at the end."""
        scene: Scene | None = Scene()
        self.clock.seek(start_ns)
        number = 0
        for cue in self._timeline.cues():
            if scene is not None:
                if cue.position_ns < start_ns:
                    scene.take(cue)
                    continue
                await self._connections.enter(scene)
                self.clock.seek(start_ns)
                self.position_ns = start_ns
                self.at_ns = cue.at_ns - (cue.position_ns - start_ns)
                scene = None
            number += 1
            self._timeline.burst = self.clock.speed is None and not self.clock.paused
            if not self._is_due(number) and not await self._wait_for(cue.position_ns, number):
                return self._taken_seek()
            await self._play(cue)
        if scene is not None:
            await self._connections.enter(scene)
        return None

    def _is_due(self, number: int) -> bool:
        """Tell, as fast as can be, whether nothing but speed counts right now."""
        clock = self.clock
        return (
            clock.speed is None
            and number % _YIELD_EVERY != 0
            and self._seek_ns is None
            and not clock.paused
            and not self._stopped
        )

    def _taken_seek(self) -> int | None:
        found, self._seek_ns = self._seek_ns, None
        return None if self._stopped else found

    async def _wait_for(self, position_ns: int, number: int) -> bool:
        """Wait until a position is due; `False` where a seek or the end comes first."""
        while True:
            if self._seek_ns is not None or self._stopped:
                return False
            due_s = self.clock.due_s(position_ns)
            if due_s is not None:
                late_s = self._now() - due_s
                if late_s >= 0:
                    if self.clock.speed is not None:
                        self._late.add(late_s)
                    elif number % _YIELD_EVERY == 0:
                        self._connections.flush()
                        await asyncio.sleep(0)
                    return True
            elif self._steps:
                self._steps -= 1
                self.clock.seek(position_ns)
                return True
            self._connections.flush()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due_s is None else -late_s):
                    await self._wake.wait()

    def _finish(self, started: float) -> None:
        report = self.report
        report.elapsed_s = self._now() - started
        report.late_p50_ms = self._late.quantile_ms(0.5)
        report.late_p99_ms = self._late.quantile_ms(0.99)
        report.late_last_ms = self._late.last_ms
        report.left_out = self._timeline.left_out

    # playing

    async def _play(self, cue: Cue) -> None:
        self.position_ns, self.at_ns = cue.position_ns, cue.at_ns
        view = cue.view
        if isinstance(view, Raw):
            await self._recorded(cue.connection, view)
        elif view is None or view.type == "disconnect":
            await self._connections.end(cue.connection, None if view is None else view.decoded)
        elif view.type == "publish":
            await self._publish(cue.connection, view)
        else:
            await self._converse(cue.connection, view)

    async def _converse(self, connection: int, view: PacketView) -> None:
        packet = view.decoded
        if self._manner.flat:
            return
        self.report.packets += 1
        if isinstance(packet, Connect):
            await self._connections.begin(connection, packet)
            return
        client = await self._connections.client(connection)
        rewriter = self._manner.rewriter
        if isinstance(packet, Subscribe):
            client.subscribe(rewriter.subscribe(packet, client.version))
        elif isinstance(packet, Unsubscribe):
            client.subscribe(rewriter.unsubscribe(packet, client.version))

    async def _publish(self, connection: int, view: PacketView) -> None:
        packet = view.decoded
        if not isinstance(packet, Publish) or view.topic is None:
            self._timeline.left_out.malformed += 1
            return
        client = await self._connections.client(FLAT if self._manner.flat else connection)
        if client.full:
            await client.wait()
        if client.lost is not None:
            self.report.not_sent += 1
            return
        self._connections.send(client, packet, view.topic)
        self.report.packets += 1
        self.report.messages += 1
        self.report.bytes += view.size

    async def _recorded(self, connection: int, raw: Raw) -> None:
        number = FLAT if self._manner.flat else connection
        client = self._connections.ready(number) or await self._connections.client(number)
        report = self.report
        for packet in raw.packets:
            if client.full:
                await client.wait()
            if client.lost is not None:
                report.not_sent += 1
                continue
            client.publish_recorded(packet, raw.version)
            report.packets += 1
            report.messages += 1
            report.bytes += len(packet)

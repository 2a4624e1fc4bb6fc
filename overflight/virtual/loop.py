"""An event loop whose clock jumps to the next timer whenever nothing else is to be done.

Connections that are made on it (`asyncio.open_connection`, `loop.create_connection`) go to servers
on the same loop (`asyncio.start_server`, `loop.create_server`) through memory, by port number; no
socket is opened, so nothing of the outside takes part and the order of events is the same each run.

Threads are outside of it: the clock does not wait for them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar
from unittest import mock

from overflight.virtual.transport import MemoryServer, connect
from overflight_contract.times import NS_PER_S, to_ns

_T = TypeVar("_T")
START: Final = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)
_STUCK_S: Final = 5.0


class DeadlockError(RuntimeError):
    """Everything waits, and there is no timer that could end it."""


class _JumpingSelector(selectors.BaseSelector):
    """Instead of waiting, tells how long it would have waited."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        self._real = selectors.DefaultSelector()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            ready = self._real.select(_STUCK_S)  # a thread may still have something to say
            if not ready:
                raise DeadlockError("everything waits, and no timer is set that could end it")
            return ready
        self._jump(timeout)
        return []

    def register(
        self,
        fileobj: Any,
        events: int,
        data: Any = None,
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; `now` and `time_ns` tell the wall clock that goes with its time."""

    def __init__(self, start: dt.datetime = START) -> None:
        self._elapsed_s = 0.0
        self._start_ns = to_ns(start)
        self.servers: dict[int, MemoryServer] = {}
        self._free_port = 49152
        super().__init__(_JumpingSelector(self._jump))

    def _jump(self, seconds: float) -> None:
        self._elapsed_s += seconds

    def time(self) -> float:
        """Return the seconds since the loop began."""
        return self._elapsed_s

    def time_ns(self) -> int:
        """Return the wall clock in nanoseconds since 1970."""
        return self._start_ns + int(self._elapsed_s * NS_PER_S)

    def now(self) -> dt.datetime:
        """Return the wall clock, UTC."""
        return dt.datetime.fromtimestamp(self.time_ns() / NS_PER_S, dt.UTC)

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **_options: object,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect to the server of this loop that has `port`, whatever the host is called."""
        server = self.servers.get(port or 0)
        if server is None:
            raise ConnectionRefusedError(111, f"no server on this loop has port {port}", host)
        await asyncio.sleep(0)
        return connect(self, protocol_factory, server, (host or "memory", port or 0))

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **_options: object,
    ) -> MemoryServer:
        """Serve on `port`; 0 takes a free one."""
        if not port:
            self._free_port += 1
            port = self._free_port
        if port in self.servers:
            raise OSError(98, f"port {port} is in use on this loop")
        server = MemoryServer(self, protocol_factory, (host or "memory", port))
        self.servers[port] = server
        return server


def run(
    main: Coroutine[Any, Any, _T], *, start: dt.datetime = START, patch_time: bool = True
) -> _T:
    """Run `main` in virtual time from `start` on (UTC); returns what it returns.

    With `patch_time`, `time.time` and `time.time_ns` go with the virtual clock meanwhile
    (`datetime.now` can't be changed; pass a clock in, or use `VirtualLoop.now`).
    """
    loop = VirtualLoop(start)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        if not patch_time:
            return runner.run(main)

        def seconds() -> float:
            return loop.time_ns() / NS_PER_S

        with (
            mock.patch.object(time, "time", seconds),
            mock.patch.object(time, "time_ns", loop.time_ns),
        ):
            return runner.run(main)

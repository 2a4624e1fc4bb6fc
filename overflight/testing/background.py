"""Running asyncio code beside a test, whatever event loop the test itself runs on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Self, TypeVar

_T = TypeVar("_T")


def check_asyncio() -> None:
    """Raise `RuntimeError`, with what to do, where `play_async` is awaited on another loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "play_async needs asyncio's event loop. With trio, let a thread wait: "
            "await anyio.to_thread.run_sync(replayed.play); or take asyncio: an anyio_backend "
            'fixture that returns "asyncio"'
        ) from None


class Background:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="overflight testing", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        async def stop() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.submit(stop()).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def submit(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Start `work`; the future has its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

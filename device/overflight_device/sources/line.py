"""What live sources share: they read, they say that they are alive, they open a lost line again."""

from __future__ import annotations

import abc
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from overflight_contract.errors import UnavailableError
from overflight_device.fix import Event, Fix, FlightPlan, SourceOptions
from overflight_device.sources.forward import Forward

_RETRY_S: Final = 0.5


class LiveSource(abc.ABC):
    """Fixes as they come, from a line that may be lost and is opened again.

    `on_event` hears (name, fields) of what people may want to know. `on_idle` is called several
    times a second, whether fixes come or not; it may close the source.
    """

    live = True
    simulated = False
    plan: FlightPlan | None = None

    def __init__(self, options: SourceOptions, *, reconnect: bool = True) -> None:
        self.on_event: Callable[[str, dict[str, Any]], None] = lambda _name, _fields: None
        self.on_idle: Callable[[], None] = lambda: None
        self._forward = Forward(options.start_after_ns)
        self._reconnect = reconnect
        self._closed = threading.Event()

    @abc.abstractmethod
    def open(self) -> None:
        """Open the line; `UnavailableError` says why it can't be."""

    @abc.abstractmethod
    def _step(self) -> list[Fix]:
        """Read what has come, waiting a little; raise one of `_lost` where the line is gone."""

    @abc.abstractmethod
    def _rest(self) -> list[Fix]:
        """Return what is still to come of a line that has ended, and forget it."""

    @abc.abstractmethod
    def _give_back(self) -> None:
        """Close the line. Safe to call twice."""

    _lost: tuple[type[Exception], ...] = (OSError,)

    def __iter__(self) -> Iterator[Event]:
        """Yield fixes as the receiver makes them."""
        while not self._closed.is_set():
            self.on_idle()
            try:
                fixes = self._step()
            except self._lost:
                yield from self._new(self._rest())
                if not self._reopen():
                    return
                continue
            yield from self._new(fixes)
        yield from self._new(self._rest())

    def _reopen(self) -> bool:
        """Wait until the line can be opened again; False where it is not to be."""
        self._give_back()
        if not self._reconnect or self._closed.is_set():
            return False
        self.on_event("receiver", {"line": "lost"})
        while not self._closed.wait(_RETRY_S):
            self.on_idle()
            try:
                self.open()
            except UnavailableError:
                continue
            self.on_event("receiver", {"line": "back"})
            return True
        return False

    def _new(self, fixes: list[Fix]) -> Iterator[Fix]:
        return (fix for fix in fixes if self._forward.admit(fix))

    def close(self) -> None:
        """Give the line back; ends an iteration that waits."""
        self._closed.set()
        self._give_back()

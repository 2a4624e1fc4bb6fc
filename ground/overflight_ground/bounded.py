"""A dict that forgets: what is remembered of flights must not grow for a year. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

FLIGHTS: Final = 4_096
"""So many entries are kept, about 10 MB in all watchers together."""


class Bounded(dict[K, V]):
    """Forgets its oldest entry when it has too many; `make` makes what is missing."""

    def __init__(self, make: Callable[[], V] | None = None, most: int = FLIGHTS) -> None:
        super().__init__()
        self._make = make
        self._most = most

    def __missing__(self, key: K) -> V:
        """Make what is missing; raises `KeyError` where nothing makes it."""
        if self._make is None:
            raise KeyError(key)
        value = self[key] = self._make()
        return value

    def __setitem__(self, key: K, value: V) -> None:
        """Set an entry."""
        super().__setitem__(key, value)
        if len(self) > self._most:
            del self[next(iter(self))]

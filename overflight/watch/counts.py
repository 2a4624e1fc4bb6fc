"""``overflight watch --count``: numbers in place of lines."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from overflight_contract.dissect import PacketView


class Counts:
    """Packets and bytes by client, direction, type and verdict."""

    def __init__(self) -> None:
        self._packets: collections.Counter[tuple[str, str, str, str]] = collections.Counter()
        self._bytes: collections.Counter[tuple[str, str, str, str]] = collections.Counter()
        self.missed = 0

    def add(self, view: PacketView) -> None:
        """Count one packet."""
        key = (view.client_id, view.direction, view.type, view.verdict)
        self._packets[key] += 1
        self._bytes[key] += len(view.data)

    @property
    def packets(self) -> int:
        """How many were counted."""
        return self._packets.total()

    def as_dict(self) -> dict[str, object]:
        """Return all counts, for JSON."""
        rows = [
            {
                "client_id": client_id,
                "direction": direction,
                "type": kind,
                "verdict": verdict,
                "packets": count,
                "bytes": self._bytes[(client_id, direction, kind, verdict)],
            }
            for (client_id, direction, kind, verdict), count in sorted(self._packets.items())
        ]
        return {"packets": self.packets, "missed": self.missed, "counts": rows}

    def table(self) -> Iterator[str]:
        """Yield the counts as lines."""
        yield f"{'client':16} {'way':4} {'type':11} {'verdict':8} {'packets':>10} {'bytes':>14}"
        for key, count in sorted(self._packets.items()):
            client_id, direction, kind, verdict = key
            yield (
                f"{client_id[:16]:16} {direction:4} {kind:11} {verdict:8} "
                f"{count:10,} {self._bytes[key]:14,}"
            )
        yield f"{self.packets:,} packets, {self._bytes.total():,} bytes"
        if self.missed:
            yield f"{self.missed:,} packets were missed: they came faster than they could be shown"

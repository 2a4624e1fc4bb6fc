"""What a replay did, counted, so that nothing goes missing without a word."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from overflight.replay.timeline import LeftOut


class Lateness:
    """How late packets were, in steps of 0.1 ms; keeps no list, so it stays small."""

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}
        self._count = 0
        self.last_ms = 0.0

    def add(self, late_s: float) -> None:
        """Count one packet that was `late_s` seconds late."""
        self.last_ms = late_s * 1000
        step = max(0, int(late_s * 10_000))
        self._steps[step] = self._steps.get(step, 0) + 1
        self._count += 1

    def quantile_ms(self, share: float) -> float:
        """Return the lateness that `share` of the packets stay under, in milliseconds."""
        seen = 0
        for step in sorted(self._steps):
            seen += self._steps[step]
            if seen >= share * self._count:
                return (step + 1) / 10
        return 0.0


@dataclass
class Report:
    """Counts of one replay."""

    connections: int = 0
    packets: int = 0
    messages: int = 0
    bytes: int = 0
    acknowledged: int = 0
    refused_by_broker: int = 0
    unacknowledged: int = 0
    lost_connections: int = 0
    not_sent: int = 0
    received: int = 0
    loops: int = 0
    restored: int = 0
    """Retained values published again after a seek or at --from."""
    seeks: int = 0
    interrupted: bool = False
    elapsed_s: float = 0.0
    late_p50_ms: float = 0.0
    late_p99_ms: float = 0.0
    late_last_ms: float = 0.0
    versions: dict[str, int] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=LeftOut)
    reasons: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Return what goes into JSON."""
        found = dataclasses.asdict(self)
        found["per_s"] = round(self.per_s, 1)
        return found

    @property
    def per_s(self) -> float:
        """Messages per second over the whole replay."""
        return self.messages / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def complete(self) -> bool:
        """Whether everything that was chosen was played and, where asked for, acknowledged."""
        return not (self.not_sent or self.unacknowledged or self.refused_by_broker)

    def lines(self) -> list[str]:
        """Put it into lines for people."""
        connections = f"{self.connections} connection{'' if self.connections == 1 else 's'}"
        messages = f"{self.messages} message{'' if self.messages == 1 else 's'}"
        lines = [
            (
                f"{messages} on {connections} in "
                f"{self.elapsed_s:.1f} s ({self.per_s:,.0f}/s), {self.acknowledged} acknowledged"
            )
        ]
        if self.late_p99_ms:
            lines.append(
                f"late by {self.late_p50_ms:.1f} ms (half), {self.late_p99_ms:.1f} ms (99 %)"
            )
        left = [
            (self.left_out.acknowledgements, "acknowledgements and pings, made live"),
            (self.left_out.from_broker, "packets from the broker"),
            (self.left_out.refused, "packets that the relay refused; --refused plays them"),
            (self.left_out.filtered, "packets that the filter leaves out"),
            (self.left_out.malformed, "malformed packets"),
            (self.left_out.unread, "packets under TLS, or of which pieces are missing"),
        ]
        lines += [f"not played: {count} {what}" for count, what in left if count]
        if self.refused_by_broker:
            why = ", ".join(dict.fromkeys(self.reasons))
            lines.append(f"refused by the broker: {self.refused_by_broker} ({why})")
        if self.unacknowledged:
            lines.append(f"never acknowledged: {self.unacknowledged}")
        if self.not_sent:
            lines.append(f"not sent, because their connection was lost: {self.not_sent}")
        return lines

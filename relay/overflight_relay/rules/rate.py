"""How many messages a payload may publish in a second; off unless a rule set says a number."""

from __future__ import annotations

from overflight_contract.mqtt import PacketType, Publish
from overflight_relay.known import Known
from overflight_relay.rule import QUOTA_EXCEEDED, Rule, Settings


class RateSettings(Settings):
    """A bucket of `burst` messages that fills with `per_second`; 0 is no limit."""

    per_second: float = 0.0
    burst: int = 100


def check(packet: Publish, known: Known, settings: RateSettings) -> str | None:
    """Refuse what comes faster than the bucket fills; `known.now_ns` is the clock."""
    if settings.per_second <= 0:
        return None
    now_s = known.now_ns / 1e9
    left, last_s = known.rate_window or (float(settings.burst), now_s)
    left = min(float(settings.burst), left + max(0.0, now_s - last_s) * settings.per_second)
    if left < 1:
        known.rate_window[:] = [left, now_s]
        return f"more than {settings.per_second:g} messages a second"
    known.rate_window[:] = [left - 1, now_s]
    return None


RULE = Rule(
    "rate",
    "messages a second, with a burst; off by default",
    check,
    upward=frozenset({PacketType.PUBLISH}),
    settings=RateSettings,
    reason_code=QUOTA_EXCEEDED,
    quick=lambda settings: settings.per_second <= 0,
)

"""The keep alive of CONNECT: sixteen bits of free choice, unless it is held to round values."""

from __future__ import annotations

from overflight_contract.mqtt import Connect, PacketType
from overflight_relay.known import Known
from overflight_relay.rule import Rule, Settings


class KeepAliveSettings(Settings):
    """Seconds; `step_s` 1 allows every value up to `max_s`."""

    step_s: int = 5
    max_s: int = 1200


def check(packet: Connect, known: Known, settings: KeepAliveSettings) -> str | None:
    """Refuse a keep alive that is no multiple of the step, or beyond the maximum."""
    if packet.keep_alive % settings.step_s or packet.keep_alive > settings.max_s:
        return (
            f"keep alive of {packet.keep_alive} s is not a multiple of {settings.step_s} s "
            f"up to {settings.max_s} s"
        )
    return None


RULE = Rule(
    "keep-alive",
    "keep alive is a multiple of 5 s, up to 1,200 s",
    check,
    upward=frozenset({PacketType.CONNECT}),
    settings=KeepAliveSettings,
)

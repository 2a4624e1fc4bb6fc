"""What a rule of the policy is: one small file in `overflight_relay.rules` each.

A rule looks at one packet and at what the relay knows of its connection, and returns `None` where
the packet may cross, else one sentence that says why not. Rules are pure: no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from overflight_contract.mqtt import Packet, PacketType
from overflight_relay.known import Known

NOT_AUTHORIZED: Final = 0x87
FORMAT_INVALID: Final = 0x99
QUOTA_EXCEEDED: Final = 0x97


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a rule set file may say of a rule; each rule adds its own keys."""

    enabled: bool = True


class Refusal(NamedTuple):
    """Why a packet may not cross."""

    rule: str
    detail: str
    reason_code: int = NOT_AUTHORIZED
    """What MQTT 5 answers with."""

    @property
    def reason(self) -> str:
        """The text that the session file and the watchers get."""
        return f"{self.rule}: {self.detail}"


def _never(settings: Any) -> bool:
    return False


class Rule(NamedTuple):
    """One rule: which packets it looks at, and how."""

    name: str
    summary: str
    check: Callable[[Any, Known, Any], str | None]
    """(packet, what is known, settings) → why not, or `None`."""
    upward: frozenset[PacketType] = frozenset()
    downward: frozenset[PacketType] = frozenset()
    settings: type[Settings] = Settings
    reason_code: int = NOT_AUTHORIZED
    quick: Callable[[Any], bool] = _never
    """Whether, with these settings, a PUBLISH that the quick check accepts passes for certain."""

    def refuse(self, packet: Packet, known: Known, settings: Settings) -> Refusal | None:
        """Return the refusal of `packet`, or `None`."""
        detail = self.check(packet, known, settings)
        return None if detail is None else Refusal(self.name, detail, self.reason_code)


def always(settings: Any) -> bool:
    """Say that the quick check covers a rule whatever its settings are."""
    return True

"""What went wrong on a connection, with the paragraph of the standard that says so."""

from __future__ import annotations

from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.vocabulary import Version


class ProtocolError(Exception):
    """A packet that the standard forbids.

    `rule` is our stable name of it, `paragraph` cites the standard in the version spoken
    (``[MQTT-3.1.2-3]``, or ``5.0 §2.1.4`` where no numbered statement says it), `reason_code` is
    the version 5 code that answers it.
    """

    def __init__(self, rule: Rule, version: Version | None, detail: str) -> None:
        self.rule = rule
        self.version = version
        self.detail = detail
        self.paragraph = rule.paragraph(version)
        self.reason_code: int | None = rule.clause.reason_code
        super().__init__(f"{detail} {self.paragraph}")

    def __reduce__(self) -> tuple[type[ProtocolError], tuple[Rule, Version | None, str]]:
        return type(self), (self.rule, self.version, self.detail)


class RemoteProtocolError(ProtocolError):
    """The peer sent what the standard forbids: end its connection.

    From `Framer.feed`, `framed` holds what was whole before the bad header in the same feed.
    """

    framed: tuple[object, ...] = ()


class LocalProtocolError(ProtocolError):
    """We were about to send what the standard forbids: a bug of ours."""

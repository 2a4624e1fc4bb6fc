"""Rules over an old session: the same judge, fed from a file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from overflight_contract.mqtt import Oversize, PacketType
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    SessionPacket,
    Verdict,
    open_session,
)
from overflight_contract.times import iso
from overflight_relay.effects import FIRST, MADE_HERE, WHOLE
from overflight_relay.judge import Judge, Ruling
from overflight_relay.known import Known
from overflight_relay.ruleset import RuleSet


class Change(NamedTuple):
    """One packet that the rules see otherwise than its relay did."""

    at: str
    connection: int
    client_id: str
    direction: str
    packet: str
    before: str
    after: str
    reason: str


class CheckResult(msgspec.Struct):
    """What the rules would have done."""

    packets: int = 0
    newly_refused: int = 0
    newly_allowed: int = 0
    still_refused: int = 0
    changes: list[Change] = msgspec.field(default_factory=list)


class _Connection:
    def __init__(self, rules: RuleSet) -> None:
        self.judge = Judge(rules, Known(), enforce=False)


def check_session(rules: RuleSet, path: Path) -> CheckResult:
    """Judge every packet of a session again; raises `InputError` for a file that is none.

    What the first relay refused is judged as if it had been the connection's next packet.
    Passwords that the session has masked count as the configured ones.
    """
    result = CheckResult()
    connections: dict[int, _Connection] = {}
    sealed: set[int] = set()
    with open_session(path) as session:
        for item in session:
            if isinstance(item, ConnectionOpened) and item.tls == "passthrough":
                sealed.add(item.connection)
            elif isinstance(item, ConnectionClosed):
                connections.pop(item.connection, None)
            elif isinstance(item, SessionPacket) and item.connection not in sealed:
                _judge(rules, connections, item, result)
    return result


def _judge(
    rules: RuleSet,
    connections: dict[int, _Connection],
    packet: SessionPacket,
    result: CheckResult,
) -> None:
    if packet.part not in (WHOLE, FIRST) or packet.reason == MADE_HERE:
        return
    connection = connections.get(packet.connection)
    if connection is None:
        connection = connections[packet.connection] = _Connection(rules)
    judge = connection.judge
    judge.known.now_ns = packet.crossed_at_ns
    upward = packet.direction == Direction.UP
    if packet.part == FIRST:
        ruling = judge.oversize(Oversize(packet.data, 0), upward=upward)
    elif packet.masked:
        judge.known.credential = "matched"
        ruling = judge.up(packet.data)
    else:
        ruling = (judge.up if upward else judge.down)(packet.data)
    _count(packet, ruling, judge.known.client_id, result)


def _count(packet: SessionPacket, ruling: Ruling, client_id: str, result: CheckResult) -> None:
    result.packets += 1
    before, after = packet.verdict is not Verdict.OK, ruling.verdict is not Verdict.OK
    if before and after:
        result.still_refused += 1
    if before == after:
        return
    result.newly_refused += after
    result.newly_allowed += before
    result.changes.append(
        Change(
            at=iso(packet.crossed_at_ns),
            connection=packet.connection,
            client_id=client_id,
            direction=packet.direction.name.lower(),
            packet=_name(packet.data),
            before=packet.verdict.name.lower(),
            after="refused" if after else "ok",
            reason=ruling.reason or packet.reason,
        )
    )


def _name(data: bytes) -> str:
    kind = data[0] >> 4 if data else 0
    return PacketType(kind).name if kind else "malformed"

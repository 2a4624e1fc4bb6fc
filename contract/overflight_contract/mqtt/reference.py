"""Writes docs/mqtt.md from the core's tables: ``python -m overflight_contract.mqtt.reference``.

A test holds the file current, so that the docs say what the code does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from overflight_contract.mqtt.properties import TABLE, WILL
from overflight_contract.mqtt.reasons import CLIENT_CODES, CODES, NAMES, SERVER_CODES
from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.state import FLOWS, PHASES
from overflight_contract.mqtt.vocabulary import (
    CLIENT_ONLY,
    FIXED_FLAGS,
    SERVER_ONLY,
    PacketType,
    Version,
)

HEAD = """\
# The MQTT core

Written by `python -m overflight_contract.mqtt.reference`; a test holds it current.

`overflight_contract.mqtt` reads and writes MQTT 3.1, 3.1.1 and 5 without any I/O. Relay, ground,
replay and tests are built on it.

- `Framer(max_packet)` cuts one direction of a connection into packets: `feed(data)` returns whole
  packets with their exact bytes. Incomplete is not an error. A packet over `max_packet` comes as
  `Oversize` and `Piece`s, so memory is bounded by `max_packet` and the last data fed.
- `decode(packet, version, from_client=…)` returns a typed packet; every field has the name that the
  standard gives it. `encode(packet, version)` returns its bytes. What is legal but not canonical
  (a reason code of success that is spelt out, an over-long remaining length before version 5) is
  encoded in its shortest form; all else comes out byte for byte, the order of properties too.
- `split_publish(packet, version)` is the fast path: topic, packet id and where the payload begins,
  without decoding the rest.
- `Protocol` in `overflight_contract.mqtt.state` walks through the tables below with the packets of
  a connection.
- `trace(packet, version)` in `overflight_contract.mqtt.tracing` names every field with its bytes.

Whatever the standard forbids is a `RemoteProtocolError` with the `rule` broken, the `paragraph` of
the standard in the version spoken and the `reason_code` that answers it in version 5. What we would
send wrongly is a `LocalProtocolError`.

Where the standard leaves a choice: strings with control characters or non-characters are refused,
as the common brokers do (a receiver may); an acknowledgement of what is not in flight is let pass;
in 3.1 the flags that CONNECT does not use may be anything, in its first byte and in its connect
flags, and credentials may be missing behind theirs.
"""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(head)
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _since(version: Version) -> str:
    return "" if version is Version.V31 else f"since {version.label}"


def _senders(kind: PacketType) -> str:
    if kind in CLIENT_ONLY:
        return "client"
    if kind is PacketType.DISCONNECT:
        return "client; in 5 both"
    return "server" if kind in SERVER_ONLY else "both"


def text() -> str:
    """Return the whole chapter as Markdown."""
    return "\n".join(
        (
            HEAD,
            *_phases(),
            *_flows(),
            *_limits(),
            *_types(),
            *_properties(),
            *_reasons(),
            *_rules(),
        )
    )


def _phases() -> Iterator[str]:
    yield "## Who may send what when\n"
    rows = (
        (
            step.phase,
            step.sender,
            ", ".join(kind.name for kind in step.types),
            step.then,
            "; ".join(filter(None, (_since(step.since), step.note))),
        )
        for step in PHASES
    )
    yield from _table(("phase", "sender", "packets", "then", ""), rows)
    yield (
        "What is not in the table is forbidden; what was under way when the other end closed is "
        "let pass.\n"
    )


def _flows() -> Iterator[str]:
    yield "## Packet ids in flight\n"
    yield "Each end has its own packet ids. Who began an exchange is its opener.\n"
    rows = (
        (turn.flow, turn.packet, "opener" if turn.by_opener else "other end", turn.then)
        for turn in FLOWS
    )
    yield from _table(("exchange", "packet", "sent by", "then"), rows)


def _limits() -> Iterator[str]:
    yield "## Limits\n"
    rows = (
        ("messages in flight", "receive maximum of the other end (5), else 65,535", "0x93"),
        ("topic alias", "topic alias maximum of the other end, else none", "0x94"),
        ("QoS of a PUBLISH", "maximum QoS of the server (5), else 2", "0x9b"),
        ("retain flag", "whether the server retains (5)", "0x9a"),
        ("packet size", "maximum packet size of the other end (5)", "0x95"),
        ("silence of a client", "1.5 times its keep-alive, or the server's", "0x8d"),
    )
    yield from _table(("what", "limit", "answered by"), rows)


def _types() -> Iterator[str]:
    yield "## Packet types\n"
    rows = (
        (
            str(kind.value),
            kind.name,
            _senders(kind),
            "DUP, QoS, RETAIN" if kind is PacketType.PUBLISH else f"{FIXED_FLAGS.get(kind, 0):04b}",
            "since 5" if kind is PacketType.AUTH else "",
        )
        for kind in PacketType
    )
    yield from _table(("number", "type", "sender", "flags", ""), rows)
    yield (
        "In 3.1, DUP may be set in PUBREL, SUBSCRIBE and UNSUBSCRIBE as well, and the flags of "
        "CONNECT may be anything.\n"
    )


def _properties() -> Iterator[str]:
    yield "## Properties of version 5\n"
    rows = []
    for number, row in TABLE.items():
        places = [PacketType(place).name for place in sorted(row.places - {WILL})]
        places += ["will"] if WILL in row.places else []
        limits = ""
        if row.lowest or row.highest != 0xFFFFFFFF:
            highest = "" if row.highest == 0xFFFFFFFF else str(row.highest)
            limits = f"{row.lowest} to {highest}" if highest else f"from {row.lowest}"
        rows.append((f"{number:#04x}", f"`{row.name}`", row.shape.value, limits, ", ".join(places)))
    yield from _table(("id", "name", "written as", "range", "stands in"), rows)


def _reasons() -> Iterator[str]:
    yield "## Reason codes of version 5\n"
    rows = []
    for code, name in NAMES.items():
        places = []
        for kind, codes in CODES.items():
            if code in codes:
                alone = ""
                if code in SERVER_CODES.get(kind, ()):
                    alone = " (server)"
                elif code in CLIENT_CODES.get(kind, ()):
                    alone = " (client)"
                places.append(kind.name + alone)
        rows.append((f"{code:#04x}", name, ", ".join(places)))
    yield from _table(("code", "name", "stands in"), rows)


def _rules() -> Iterator[str]:
    yield "## Rules\n"
    rows = (
        (
            f"`{rule.name}`",
            rule.clause.text,
            rule.clause.v31,
            rule.clause.v311,
            rule.clause.v5,
            f"{rule.clause.reason_code:#04x}",
        )
        for rule in Rule
    )
    yield from _table(("rule", "it says", "3.1", "3.1.1", "5", "answer in 5"), rows)


if __name__ == "__main__":
    sys.stdout.write(text())

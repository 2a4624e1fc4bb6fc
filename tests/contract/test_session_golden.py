"""Files of every version of the format stay readable for ever, to the byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Note,
    SessionPacket,
    SessionWriter,
    Verdict,
    open_session,
)
from overflight_contract.session.verify import verify_session

GOLDEN = Path(__file__).parent / "golden"
T0 = 1_675_252_800_000_000_000
CONNECT = bytes.fromhex("101600044d51545404c2003c0002483100017500032a2a2a")


def version_1():
    """What the files of version 1 hold; never to be changed."""
    yield Note(T0, "start", {"policy": "enforce", "seed": "7"})
    yield ConnectionOpened(1, T0 + 1, "192.0.2.1:50000", "192.0.2.2:1883", "mqtt://broker:1883",
                           "terminated", "relay.example")  # fmt: skip
    yield SessionPacket(T0 + 2, 1, Direction.UP, Verdict.OK, "", CONNECT, masked=True)
    yield SessionPacket(T0 + 3, 1, Direction.DOWN, Verdict.OK, "", bytes.fromhex("20020000"))
    for n in range(40):
        verdict = (Verdict.OK, Verdict.OK, Verdict.MARKED, Verdict.REFUSED)[n % 4]
        reason = "" if verdict is Verdict.OK else f"size: “{n}”"
        data = b"\x30\x04\x00\x01t" + bytes([n])
        yield SessionPacket(T0 + 10 + n, 1, Direction(n % 2), verdict, reason, data)
    for part, data in ((1, b"\x30\xff\xff\x03"), (2, b"a" * 50), (3, b"b" * 9)):
        yield SessionPacket(T0 + 100 + part, 1, Direction.UP, Verdict.MARKED, "size", data, part)
    yield ConnectionClosed(1, T0 + 200, "went away", "client")


def numbered(items):
    return [
        item._replace(sequence=n) if isinstance(item, SessionPacket) else item
        for n, item in enumerate(items)
    ]


@pytest.mark.parametrize("name", ["session-v1", "session-v1-open"])
def test_version_1_is_read(name):
    with open_session(GOLDEN / f"{name}.mcap") as session:
        assert list(session) == numbered(version_1())
        assert session.metadata == {"relay": "r1", "simulated": "true"}
        assert session.damage == []
        assert session.closed == (name == "session-v1")
        assert session.packet_count == 45
        assert verify_session(session).problems == []


@pytest.mark.parametrize("name", ["session-v1", "session-v1-open"])
def test_version_1_is_gone_on_with(name, tmp_path):
    for file in GOLDEN.glob(f"{name}.mcap*"):
        shutil.copy(file, tmp_path)
    with SessionWriter(tmp_path / f"{name}.mcap") as writer:
        assert writer.next_connection == 2
        writer.write([SessionPacket(T0 + 300, 2, Direction.UP, Verdict.OK, "", b"\xc0\x00")])
    with open_session(tmp_path / f"{name}.mcap") as session:
        found = list(session)
        assert found[:46] == numbered(version_1())[:46]
        assert found[-1].data == b"\xc0\x00"
        assert verify_session(session).problems == []

"""Session files: what was written is read, by us and by the mcap package, and theirs by us."""

from __future__ import annotations

import struct

import pytest
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader

from overflight_contract.errors import InputError, UnavailableError
from overflight_contract.session import (
    MASKED,
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

T0 = 1_675_252_800_000_000_000


def packet(n, *, connection=1, direction=Direction.UP, verdict=Verdict.OK, reason="", part=0):
    data = b"\x30\x05\x00\x01t" + struct.pack(">H", n % 65536)
    return (T0 + n * 1_000_000, connection, direction, verdict, reason, data, part)


def varied(count):
    found = []
    for n in range(count):
        verdict = (Verdict.OK, Verdict.OK, Verdict.MARKED, Verdict.REFUSED)[n % 4]
        reason = "" if verdict is Verdict.OK else f"topic: “{n}” is not of the contract"
        direction = Direction(n % 3 == 0)
        found.append(
            packet(
                n,
                connection=n % 5 + 1,
                direction=direction,
                verdict=verdict,
                reason=reason,
                part=n % 4,
            )
        )
    return found


def as_tuples(packets):
    return [tuple(p[:7]) for p in packets]


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_packets_come_back_as_written(tmp_path, batch):
    path = tmp_path / "a.mcap"
    written = varied(500) + [packet(n) for n in range(500, 1000)]
    with SessionWriter(path, chunk_bytes=4000) as writer:
        for at in range(0, len(written), batch):
            writer.write_packets(written[at : at + batch])
    with open_session(path) as session:
        found = list(session.packets())
        assert as_tuples(found) == written
        assert [p.sequence for p in found] == list(range(1000))
        assert session.packet_count == 1000
        assert session.closed
        assert session.damage == []
        assert (session.start_ns, session.end_ns) == (written[0][0], written[-1][0])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mcap"]


ITEMS = [
    Note(T0, "start", {"policy": "enforce", "seed": "7"}),
    ConnectionOpened(1, T0 + 1, "127.0.0.1:5000", "127.0.0.1:1883", "mqtt://b:1883", "none", None),
    SessionPacket(T0 + 2, 1, Direction.UP, Verdict.OK, "", b"\xc0\x00"),
    SessionPacket(T0 + 3, 1, Direction.DOWN, Verdict.MARKED, "size", b"\xd0\x00"),
    SessionPacket(T0 + 4, 1, Direction.UP, Verdict.OK, "", b"\x10\x00", masked=True),
    ConnectionClosed(1, T0 + 5, "went away", "client"),
    Note(T0 + 6, "stop"),
]


def test_items_of_every_kind_come_back_in_order(tmp_path):
    path = tmp_path / "a.mcap"
    with SessionWriter(path, metadata={"relay": "r1"}) as writer:
        writer.write(ITEMS)
        assert writer.next_connection == 2
    with open_session(path) as session:
        assert list(session) == [
            item._replace(sequence=n) if isinstance(item, SessionPacket) else item
            for n, item in enumerate(ITEMS)
        ]
        assert session.metadata == {"relay": "r1"}
        assert session.connections() == [(1, ITEMS[1], ITEMS[5])]
        assert session.notes() == [ITEMS[0], ITEMS[6]]
        assert session.packet_count == 3


def test_a_masked_packet_by_the_fast_path_says_so(tmp_path):
    path = tmp_path / "a.mcap"
    with SessionWriter(path) as writer:
        writer.write_packets([packet(0, part=MASKED), packet(1)])
    with open_session(path) as session:
        assert [(p.part, p.masked) for p in session.packets()] == [(0, True), (0, False)]


def test_the_mcap_package_reads_ours(tmp_path):
    path = tmp_path / "a.mcap"
    written = varied(300)
    with SessionWriter(path, chunk_bytes=2000, metadata={"who": "me"}) as writer:
        writer.write(ITEMS[:2])
        writer.write_packets(written)
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary.statistics.message_count == 302
        found = list(reader.iter_messages(log_time_order=False))
        assert [m.sequence for _, _, m in found] == list(range(302))
        schema, channel, message = found[5]
        assert (schema.encoding, channel.message_encoding) == ("ros1msg", "ros1")
        connection, part, _, reason_bytes = struct.unpack_from("<IBBI", message.data)
        reason = message.data[10 : 10 + reason_bytes].decode()
        data = message.data[14 + reason_bytes :]
        assert (message.log_time, connection, reason, data, part) == (
            written[3][0],
            written[3][1],
            written[3][4],
            written[3][5],
            written[3][6],
        )
        refused = list(reader.iter_messages(topics=["packets/up/refused"]))
        expected = [p for p in written if p[3] == Verdict.REFUSED and p[2] == Direction.UP]
        assert [m.log_time for _, _, m in refused] == [p[0] for p in expected]
        assert {m.name for m in reader.iter_metadata()} >= {"overflight", "overflight.session"}


def test_the_mcap_package_reads_ours_while_it_is_written(tmp_path):
    path = tmp_path / "a.mcap"
    writer = SessionWriter(path, background=False)
    writer.write_packets([packet(n) for n in range(10)])
    writer.tick(T0)
    with path.open("rb") as file:
        records = _whole(file)
    assert sum(type(r).__name__ == "Message" for r in records) == 10
    writer.close()


def _whole(file):
    found = []
    try:
        for record in StreamReader(file).records:
            found.append(record)
    except Exception:  # it ends where the file does, with an error of its own
        pass
    return found


def test_going_on_with_a_closed_file(tmp_path):
    path = tmp_path / "a.mcap"
    with SessionWriter(path, chunk_bytes=1000, metadata={"a": "b"}) as writer:
        writer.write_packets(varied(100))
    with SessionWriter(path) as writer:
        assert writer.sequence == 100
        assert writer.next_connection == 6
        writer.write_packets([packet(100, connection=6)])
    with open_session(path) as session:
        assert [p.sequence for p in session.packets()] == list(range(101))
        assert session.metadata == {"a": "b"}
        assert session.damage == []
    with path.open("rb") as file:
        assert len(list(make_reader(file).iter_messages())) == 101


def test_going_on_after_a_kill(tmp_path):
    path = tmp_path / "a.mcap"
    writer = SessionWriter(path, chunk_bytes=1000)
    writer.write_packets(varied(90))
    writer.write_packets(varied(5))
    writer.abandon()
    with open_session(path) as session:
        assert session.packet_count == 95
        assert as_tuples(session.packets()) == varied(90) + varied(5)
        assert not session.closed
        assert session.damage == []
    with SessionWriter(path) as writer:
        assert writer.next_connection == 6
        writer.write_packets([packet(100, connection=6)])
    with open_session(path) as session:
        assert as_tuples(session.packets()) == varied(90) + varied(5) + [packet(100, connection=6)]
        assert [note.kind for note in session.notes()] == ["resumed"]
        assert session.notes()[0].detail["lost"] == "nothing"


def test_two_writers_are_refused(tmp_path):
    path = tmp_path / "a.mcap"
    with SessionWriter(path), pytest.raises(UnavailableError, match="another program"):
        SessionWriter(path)


@pytest.mark.parametrize("content", [b"hello", b"\x89MCAP0\r\n"])
def test_a_file_that_is_no_session_is_left_alone(tmp_path, content):
    path = tmp_path / "a.mcap"
    path.write_bytes(content)
    with pytest.raises(InputError):
        SessionWriter(path)
    with pytest.raises(InputError):
        open_session(path)
    assert path.read_bytes() == content


def test_a_folder_rotates_and_reads_as_one(tmp_path):
    path = tmp_path / "session"
    written = varied(1000)
    with SessionWriter(path, chunk_bytes=1000, rotate_bytes=3000, background=False) as writer:
        for at in range(0, 1000, 10):
            writer.write_packets(written[at : at + 10])
    assert len(list(path.iterdir())) > 3
    with open_session(path) as session:
        assert as_tuples(session.packets()) == written
        assert [p.sequence for p in session.packets()] == list(range(1000))
        assert session.packet_count == 1000
        assert session.damage == []
    with SessionWriter(path) as writer:
        assert writer.sequence == 1000


def test_rotation_by_time(tmp_path):
    path = tmp_path / "session"
    with SessionWriter(path, rotate_s=0.1) as writer:
        for n in range(300):
            writer.write_packets([packet(n)])
    assert [p.name for p in sorted(path.iterdir())] == ["000001.mcap", "000002.mcap", "000003.mcap"]
    with open_session(path) as session:
        assert session.packet_count == 300


def test_one_file_does_not_rotate(tmp_path):
    with pytest.raises(InputError, match="folder"):
        SessionWriter(tmp_path / "a.mcap", rotate_bytes=10)


def test_packets_by_time(tmp_path):
    path = tmp_path / "a.mcap"
    with SessionWriter(path, chunk_bytes=1000) as writer:
        writer.write_packets([packet(n) for n in range(1000)])
    with open_session(path) as session:
        found = list(session.packets(T0 + 100_000_000, T0 + 200_000_000))
        assert [p.sequence for p in found] == list(range(100, 200))
        assert [p.sequence for p in session.packets(end_ns=T0 + 3_000_000)] == [0, 1, 2]
        assert [p.sequence for p in session.packets(start_ns=T0 + 998_000_000)] == [998, 999]


def test_an_empty_session(tmp_path):
    path = tmp_path / "a.mcap"
    SessionWriter(path).close()
    with open_session(path) as session:
        assert list(session) == []
        assert (session.start_ns, session.packet_count, session.closed) == (None, 0, True)
    with SessionWriter(path) as writer:
        writer.write_packets([packet(0)])
    with open_session(path) as session:
        assert session.packet_count == 1


def test_nothing_there(tmp_path):
    with pytest.raises(InputError):
        open_session(tmp_path / "none.mcap")
    with pytest.raises(InputError):
        open_session(tmp_path)


def test_a_missing_file_of_a_folder_is_named(tmp_path):
    path = tmp_path / "session"
    with SessionWriter(path, chunk_bytes=500, rotate_bytes=1000, background=False) as writer:
        for n in range(300):
            writer.write_packets([packet(n)])
    files = sorted(path.iterdir())
    assert len(files) > 3
    files[1].unlink()
    with open_session(path) as session:
        assert "a file is missing" in session.damage[0]
        assert [problem.kind for problem in verify_session(session).problems] == ["gap"]


def test_a_slow_session_makes_few_chunks_and_is_always_readable_by_others(tmp_path):
    path = tmp_path / "a.mcap"
    writer = SessionWriter(path, background=False)
    chunks = set()
    for n in range(100):
        writer.write_packets([packet(n)])
        writer.tick(T0 + n * 1_000_000_000)
        with path.open("rb") as file:
            records = _whole(file)
        assert sum(type(record).__name__ == "Message" for record in records) == n + 1
        with open_session(path) as session:
            chunks.add(len(session.files[0].catalogue.entries))
    assert max(chunks) <= 33
    writer.close()
    with open_session(path) as session:
        assert len(session.files[0].catalogue.entries) == 1
        assert session.packet_count == 100

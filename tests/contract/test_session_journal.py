"""Files of the journal are used again; what stands in them from before is never read."""

from __future__ import annotations

import shutil

import pytest

from overflight_contract.session import SessionWriter, journal, open_session
from overflight_contract.session.follow import Follower
from overflight_contract.session.verify import verify_session

T0 = 1_675_252_800_000_000_000
SECOND = 1_000_000_000


def packets(first, count, size=20):
    return [
        (T0 + n, 1, n % 2, 0, "", b"%08d" % n + bytes(size), 0) for n in range(first, first + count)
    ]


def numbers(path):
    with open_session(path) as session:
        assert session.damage == []
        assert verify_session(session).problems == []
        return [int(packet.data[:8]) for packet in session.packets()]


def used_again(path):
    """Write until a file of the journal is used again; return the writer and what it wrote."""
    writer = SessionWriter(path, chunk_bytes=500, background=False)
    writer.write_packets(packets(0, 20))
    writer.tick(T0)
    assert len(journal.free_segments(path)) == 1
    writer.write_packets(packets(20, 7, size=1))
    writer.write_packets(packets(27, 20))
    assert journal.free_segments(path) == []
    writer.write_packets(packets(47, 2, size=0))
    return writer, 49


def test_a_file_of_the_journal_is_used_again(tmp_path):
    path = tmp_path / "a.mcap"
    writer, total = used_again(path)
    current = journal.read(journal.current(path))
    header = journal.parse_header(current)
    batches = list(journal.parse_batches(current))
    assert header.first_sequence == batches[0].first_sequence
    assert len(current) > batches[0].end, "it is longer than what was written into it since"
    assert numbers(path) == list(range(total))
    writer.close()
    assert numbers(path) == list(range(total))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mcap"]


def test_what_a_file_of_the_journal_held_before_is_not_read(tmp_path):
    """Batches of old that begin just where the new ones end are whole, and still no part of it."""
    path = tmp_path / "a.mcap"
    writer = SessionWriter(path, chunk_bytes=500, background=False)
    for first in range(0, 12, 4):  # batches of one size, so that old ones stand in line
        writer.write_packets(packets(first, 4))
    writer.tick(T0)
    while journal.free_segments(path) or writer.sequence < 16:
        writer.write_packets(packets(writer.sequence, 4))
    total = writer.sequence
    found = list(journal.parse_batches(journal.read(journal.current(path))))
    assert any(batch.first_sequence < total - 8 for batch in found), "old ones are there"
    assert numbers(path) == list(range(total))
    follower = Follower(path)
    followed = []
    while items := follower.poll():
        followed += [int(item.data[:8]) for item in items]
    assert followed == list(range(total))
    writer.abandon()
    assert numbers(path) == list(range(total))


def test_after_a_kill_free_files_go(tmp_path):
    path = tmp_path / "a.mcap"
    writer = SessionWriter(path, chunk_bytes=500, background=False)
    writer.write_packets(packets(0, 20))
    writer.tick(T0)
    writer.abandon()
    assert journal.free_segments(path)
    with SessionWriter(path, chunk_bytes=500, background=False) as again:
        assert journal.free_segments(path) == []
        again.write_packets(packets(20, 5))
    assert numbers(path) == list(range(25))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mcap"]


def test_a_segment_that_was_taken_away_meanwhile_is_gone(tmp_path):
    """A reader lists a full segment; before it reads it, its file is in use again."""
    path = tmp_path / "a.mcap"
    writer, total = used_again(path)
    shutil.copy(journal.current(path), journal.sealed(path, 1))
    assert numbers(path) == list(range(total))
    writer.abandon()
    assert journal.read(tmp_path / "nothing") is None


@pytest.mark.parametrize("keep", [0, 10, journal.HEADER_BYTES])
def test_a_power_cut_while_a_file_is_used_again_leaves_what_is_on_disk(tmp_path, keep):
    """Of what was written over it only the first bytes came to the disk."""
    path = tmp_path / "a.mcap"
    writer = SessionWriter(path, chunk_bytes=500, background=False)
    writer.write_packets(packets(0, 20))
    writer.tick(T0)
    before = journal.free_segments(path)[0].read_bytes()
    writer.write_packets(packets(20, 20))
    current = journal.current(path)
    assert journal.free_segments(path) == []
    writer.abandon()
    now = current.read_bytes()
    current.write_bytes(now[:keep] + before[keep:])
    with open_session(path) as session:
        found = [int(packet.data[:8]) for packet in session.packets()]
    assert found == list(range(len(found)))
    assert len(found) >= 20
    with SessionWriter(path, chunk_bytes=500, background=False) as again:
        assert again.sequence >= len(found)

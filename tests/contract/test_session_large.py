"""Large sessions: what stands in the index is had without reading the rest."""

from __future__ import annotations

import errno

import pytest

from overflight_contract.session import Note, SessionWriter, chunkfile, mcap, open_session, writer
from overflight_contract.session.catalogue import Catalogue
from overflight_contract.session.chunktable import ChunkTable
from overflight_contract.session.verify import verify_session

T0 = 1_675_252_800_000_000_000


def packets(first, count):
    return [(T0 + n, 1, 0, 0, "", b"%08d" % n, 0) for n in range(first, first + count)]


def test_counts_times_and_seek_read_no_more_than_they_need(tmp_path, monkeypatch):
    path = tmp_path / "a.mcap"
    with SessionWriter(path, chunk_bytes=500, background=False) as session:
        for at in range(0, 2000, 10):
            session.write_packets(packets(at, 10))
    read = []
    content = Catalogue.content
    monkeypatch.setattr(
        Catalogue, "content", lambda self, entry: read.append(entry) or content(self, entry)
    )
    with open_session(path) as session:
        assert session.packet_count == 2000
        assert (session.start_ns, session.end_ns) == (T0, T0 + 1999)
        assert session.connections() == []
        assert session.notes() == []
        assert read == []
        assert next(session.packets(start_ns=T0 + 1500)).sequence == 1500
        assert len(read) <= 5


def test_a_chunk_index_is_parsed_as_it_was_written():
    for indexes in ({}, {1: 500}, {n: 500 + n for n in range(1, 10)}):
        entry = mcap.ChunkEntry(1, 2, 3, 4, indexes, 5, 6, 7)
        record = mcap.chunk_index(entry)
        content = record[mcap.RECORD_HEADER.size :]
        assert mcap.parse_chunk_index(content) == entry
        for size in range(len(content)):
            with pytest.raises(mcap.McapError):
                mcap.parse_chunk_index(content[:size])


def test_a_table_of_chunks_gives_them_back():
    entries = [
        mcap.ChunkEntry(100 * n, 100 * n + 150, 1000 * n, 900, dict.fromkeys(channels, 5), 80, 7, 9)
        for n, channels in enumerate([(1,), (), (1, 2, 9), (7, 300), (9,)])
    ]
    table = ChunkTable()
    for entry in entries:
        table.append(entry)
    assert list(table) == entries
    assert (len(table), table[-1], table[1:3]) == (5, entries[4], entries[1:3])
    assert table.times == (0, 550)
    assert table.data_end == 4000 + 900 + 80
    assert list(table.overlapping(0, 100)) == entries[:1]
    assert list(table.overlapping(250, 301)) == entries[1:4]
    assert list(table.overlapping(551, 1 << 64)) == []
    assert list(table.having(9)) == [entries[1], entries[2], entries[4]]
    assert list(table.having(7, 8)) == [entries[1], entries[3]]
    with pytest.raises(IndexError):
        table[5]
    content = mcap.chunk_index(entries[2])[mcap.RECORD_HEADER.size :]
    for size in range(len(content) - 4):
        with pytest.raises(mcap.McapError):
            ChunkTable().append_record(content[:size])
    assert ChunkTable().times is None


def test_only_so_many_notes_are_read_as_were_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "a.mcap"
    with SessionWriter(path, chunk_bytes=300, background=False) as session:
        for at in range(0, 200, 10):
            session.write([Note(T0 + at, "link", {"n": str(at)})])
            session.write_packets(packets(at, 10))
    read = []
    content = Catalogue.content
    monkeypatch.setattr(
        Catalogue, "content", lambda self, entry: read.append(entry) or content(self, entry)
    )
    with open_session(path) as session:
        assert [note.detail["n"] for note in session.notes(3)] == ["0", "10", "20"]
        assert len(read) <= 4
        assert len(session.notes()) == 20


def test_numbers_beyond_32_bits_go_on(tmp_path):
    first = 2**32 - 5
    path = tmp_path / "a.mcap"
    identity = {"format_version": "1", "session_id": "00" * 16, "first_sequence": str(first)}
    chunkfile.create(path, identity, {})
    with SessionWriter(path, background=False) as session:
        session.write_packets(packets(0, 3))
        session.write_packets(packets(3, 10))
    expected = list(range(first, first + 13))
    with open_session(path) as session:
        assert [packet.sequence for packet in session.packets()] == expected
        assert [packet.sequence for packet in session.packets(T0 + 7)] == expected[7:]
        assert verify_session(session).problems == []


def test_a_file_takes_no_more_items_than_its_numbers_tell_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MAX_ITEMS", 100)
    path = tmp_path / "a.mcap"
    session = SessionWriter(path, background=False)
    session.write_packets(packets(0, 95))
    with pytest.raises(OSError, match="no more items") as caught:
        session.write_packets(packets(95, 6))
    assert caught.value.errno == errno.EFBIG
    session.abandon()
    with open_session(path) as session:
        assert session.packet_count == 95

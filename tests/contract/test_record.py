"""The payload's record: appended, chained, and honest about damage."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_contract.errors import InputError
from overflight_contract.record import RecordDamage, RecordEntry, RecordWriter, read_record
from overflight_contract.topics import Kind

FLIGHT = "20230128T060000Z-7f3a"


def written(path, count, start=1):
    writer = RecordWriter(path)
    writer.append(
        (FLIGHT, Kind.POSITION, seq, b'{"seq":%d}' % seq) for seq in range(start, start + count)
    )
    writer.close()
    return path


def test_goes_on_where_it_ended(tmp_path):
    path = written(tmp_path / "record.jsonl", 3)
    written(path, 2, start=4)
    entries = list(read_record(path))
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.n for entry in entries] == [1, 2, 3, 4, 5]
    assert entries[3].payload == b'{"seq":4}'


@pytest.mark.parametrize("cut", [1, 30, 100, 200])
def test_a_torn_last_line_is_cut_off_and_the_rest_kept(tmp_path, cut):
    path = written(tmp_path / "record.jsonl", 3)
    os.truncate(path, path.stat().st_size - cut)
    written(path, 1, start=9)
    entries = list(read_record(path))
    assert all(isinstance(entry, RecordEntry) for entry in entries)
    assert entries[-1].seq == 9


def test_a_line_taken_out_is_noticed(tmp_path):
    path = written(tmp_path / "record.jsonl", 4)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    damage = [entry for entry in read_record(path) if isinstance(entry, RecordDamage)]
    assert [entry.line for entry in damage] == [2]


@given(data=st.data())
def test_any_byte_changed_is_noticed(data, tmp_path_factory):
    path = written(tmp_path_factory.mktemp("record") / "record.jsonl", 5)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert any(isinstance(entry, RecordDamage) for entry in read_record(path))


def test_a_record_that_ends_in_garbage_is_not_written_to(tmp_path):
    path = tmp_path / "record.jsonl"
    path.write_bytes(b"garbage\n")
    with pytest.raises(InputError, match="damaged line"):
        RecordWriter(path)
    assert path.read_bytes() == b"garbage\n"


def test_a_failed_write_leaves_the_record_as_it_was(tmp_path, monkeypatch):
    path = written(tmp_path / "record.jsonl", 2)
    writer = RecordWriter(path)
    whole = os.write

    def half(fd, data):
        return whole(fd, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="no space"):
            writer.append([(FLIGHT, Kind.POSITION, 3, b"{}")])
    writer.append([(FLIGHT, Kind.POSITION, 3, b"{}")])
    writer.close()
    assert [entry.n for entry in read_record(path)] == [1, 2, 3]


def test_a_missing_record_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="can't read the record"):
        list(read_record(tmp_path / "nowhere"))

"""Packing and unpacking of records, in the lists that they come in."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_contract.session import (
    MASKED,
    ConnectionClosed,
    Direction,
    Note,
    SessionPacket,
    Verdict,
)
from overflight_contract.session.mcap import McapError, record
from overflight_contract.session.packing import (
    moved,
    pack_items,
    pack_packet,
    pack_packets,
    pack_run,
)
from overflight_contract.session.unpacking import AT_ONCE, unpack, unpack_all

T0 = 1_675_252_800_000_000_000


def packets(count, size=8):
    return [
        (T0 + n, n % 3 + 1, n % 2, 0, "", struct.pack(">Q", n) + bytes(n % size), 0)
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
def test_all_come_back_at_most_so_many_at_once(count):
    block = pack_packets(packets(count), 5)
    lists = list(unpack(block.records, 5))
    assert all(0 < len(items) <= AT_ONCE for items in lists)
    found = [packet for items in lists for packet in items]
    assert [tuple(packet[:7]) for packet in found] == packets(count)
    assert [packet.sequence for packet in found] == list(range(5, 5 + count))


PACKETS = st.tuples(
    st.integers(0, 2**63),
    st.integers(0, 2**32 - 1),
    st.sampled_from(Direction),
    st.sampled_from(Verdict),
    st.sampled_from(["", "size", "“é”"]),
    st.binary(max_size=40),
    st.integers(0, 3),
)


@given(st.lists(PACKETS, min_size=1, max_size=20), st.integers(0, 2**40), st.integers(0, 10**6))
def test_packed_at_once_or_one_by_one_is_the_same(found, first, at):
    whole = pack_packets(found, first, at)
    assert whole.total == len(found)
    assert [tuple(packet[:7]) for packet in unpack_all(whole.records, first)] == found
    position, pairs = at, {}
    for number, packet in enumerate(found):
        one = pack_packets([packet], first + number, position)
        ((channel, pair),) = one.pairs
        pairs.setdefault(channel, []).append(pair)
        assert struct.unpack("<QQ", pair) == (packet[0], position)
        position += len(one.records)
    assert {channel: b"".join(some) for channel, some in pairs.items()} == dict(whole.pairs)
    assert position == at + len(whole.records)
    assert (whole.start_ns, whole.end_ns) == (
        min(packet[0] for packet in found),
        max(packet[0] for packet in found),
    )
    elsewhere = pack_packets(found, first, at + 77)
    assert [(c, moved(some, 77)) for c, some in elsewhere.pairs] == list(whole.pairs)


@given(st.lists(PACKETS, min_size=1, max_size=5))
def test_items_are_packed_as_packets_are(found):
    items = [SessionPacket(*packet) for packet in found]
    assert pack_items(items, 3, 10) == pack_packets(found, 3, 10)
    masked = [item._replace(masked=True) for item in items]
    marked = [(*packet[:6], packet[6] | MASKED) for packet in found]
    assert pack_items(masked, 3, 10) == pack_packets(marked, 3, 10)


def test_what_stands_before_a_malformed_record_is_there():
    block = pack_packets(packets(AT_ONCE + 10), 0)
    for damage in (
        b"\x05",
        record(5, b"short"),
        record(5, struct.pack("<HIQQ", 1, 9, 1, 1)),
        b"\x05" * 50,
    ):
        found: list[int] = []
        lists = unpack(block.records + damage, 0)
        with pytest.raises(McapError):
            found.extend(map(len, lists))
        assert sum(found) == AT_ONCE + 10


def test_records_of_other_kinds_are_passed_over():
    events = pack_items([Note(T0, "start"), ConnectionClosed(1, T0, "gone", "client")], 0)
    block = pack_packets(packets(3), 2)
    records = record(0x42, b"a" * 100) + events.records + block.records + record(0x42, b"")
    found = unpack_all(records, 0)
    assert found[:2] == [Note(T0, "start"), ConnectionClosed(1, T0, "gone", "client")]
    assert [tuple(packet[:7]) for packet in found[2:]] == packets(3)


@given(st.binary(max_size=200))
def test_any_bytes_are_items_or_an_error(data):
    with contextlib.suppress(McapError):
        unpack_all(data, 0)


@given(st.data())
def test_a_changed_byte_is_items_or_an_error(data):
    records = bytearray(pack_packets(packets(5), 0).records)
    at = data.draw(st.integers(0, len(records) - 1))
    records[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(McapError):
        unpack_all(bytes(records), 0)


@given(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=20),
    st.sampled_from(Direction),
    st.integers(0, 2**40),
    st.integers(0, 10**6),
)
def test_a_run_is_packed_as_its_packets_are(datas, direction, first, at):
    run = pack_run(datas, T0, 7, direction, first, at)
    whole = [(T0, 7, direction, 0, "", data, 0) for data in datas]
    assert run == pack_packets(whole, first, at)
    alone = pack_packet(datas[0], T0, 7, direction, first, at)
    assert (
        alone
        == pack_packets(whole[:1], first, at)
        == pack_run(datas[:1], T0, 7, direction, first, at)
    )

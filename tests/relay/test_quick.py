"""The fast path gives the verdicts of the slow one, and the same bytes."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflight_contract.mqtt import (
    PingResp,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    SubAck,
    Version,
    encode,
)
from overflight_contract.session import Verdict
from overflight_relay.quick import lone_check, puback_run, publish_check
from overflight_relay.ruleset import RuleSet

TOPIC = "overflight/1/HAB-01/position"


def packets(make_position, version, count, qos=1, first=1):
    return [
        encode(
            Publish(
                topic=TOPIC,
                payload=make_position(seq),
                qos=qos,
                packet_id=(seq % 65535) + 1 if qos else None,
            ),
            version,
        )
        for seq in range(first, first + count)
    ]


@pytest.mark.parametrize("version", [Version.V31, Version.V311, Version.V5])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_run_is_taken_whole(make_position, version, qos):
    sent = packets(make_position, version, 50, qos)
    run = publish_check("HAB-01", version, qos)(b"".join(sent))
    assert list(run.packets) == sent
    assert len(run.packet_ids) == (50 if qos else 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b"HAB-01", b"HAB-02"),
        lambda data: data.replace(b'"seq":7,"held_from":1', b'"seq":7,"held_from":9'),
        lambda data: data.replace(b"47.12345", b"97.12345", 1),
        lambda data: b"\x33" + data[1:],
        lambda data: data[:1] + bytes((data[1] ^ 1,)) + data[2:],
        lambda data: b"\xc0\x00" + data,
    ],
)
def test_what_is_not_all_good_is_not_taken_whole(make_position, spoil):
    data = b"".join(packets(make_position, Version.V311, 20))
    assert spoil(data) != data
    run = publish_check("HAB-01", Version.V311, 1)(spoil(data))
    assert run is None or run.used < len(data)


@pytest.mark.parametrize(
    ("seq", "held", "good"),
    [(99, 100, False), (100, 99, True), (100, 100, True), (1000, 999, True), (999, 1000, False)],
)
def test_numbers_are_compared_as_numbers(make_position, seq, held, good):
    sent = [
        packet.replace(b'"held_from":1,', b'"held_from":%d,' % held)
        for packet in packets(make_position, Version.V311, 3, first=seq)
    ]
    sent = [packet[:1] + _length(packet) + packet[3:] for packet in sent]
    run = publish_check("HAB-01", Version.V311, 1)(b"".join(sent))
    assert (run is not None) == good
    assert (lone_check("HAB-01", Version.V311, 1)(sent[0]) is not None) == good


def _length(packet):
    size = len(packet) - 3
    return bytes((size & 127 | 128, size >> 7))


@pytest.mark.parametrize("version", [Version.V31, Version.V311, Version.V5])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_one_alone_is_taken(make_position, version, qos):
    (sent,) = packets(make_position, version, 1, qos)
    check = lone_check("HAB-01", version, qos)
    assert check(sent) == (b"\x00\x02" if qos else b"")
    again = bytes((sent[0] | 8,)) + sent[1:]
    assert (check(again) is not None) == (qos > 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b"HAB-01", b"HAB-02"),
        lambda data: data.replace(b'"seq":7,"held_from":1', b'"seq":7,"held_from":9'),
        lambda data: data.replace(b"47.12345", b"97.12345"),
        lambda data: bytes((data[0] | 1,)) + data[1:],
        lambda data: data[:1] + bytes((data[1] ^ 1,)) + data[2:],
        lambda data: data + b"\xc0\x00",
        lambda data: data + data,
        lambda data: data[:-1],
    ],
)
def test_one_alone_that_is_not_good_is_not_taken(make_position, spoil):
    (data,) = packets(make_position, Version.V311, 1, first=7)
    assert lone_check("HAB-01", Version.V311, 1)(data) is not None
    assert lone_check("HAB-01", Version.V311, 1)(spoil(data)) is None


def test_a_small_limit_is_kept_by_all_packets():
    assert RuleSet().quick
    assert not RuleSet(max_packet=200).quick


def test_what_comes_in_the_middle_of_a_packet_is_never_one_alone(wire, make_position):
    talk = wire(Version.V311).connected()
    sent = packets(make_position, Version.V311, 60)
    talk.raw_up(b"".join(sent))
    talk.raw_up(sent[0])  # the check is made now that it is worth it
    assert talk.conversation.passes_up(sent[0])
    assert talk.raw_up(sent[1][:100]).forward == []
    assert not talk.conversation.passes_up(sent[2])
    assert not talk.conversation.passes_down(b"@\x02\x00\x00")
    assert talk.conversation.passes_down(b"@\x02\x00\x02")
    assert talk.raw_down(b"@\x02\x00").forward == []
    assert not talk.conversation.passes_down(b"@\x02\x00\x03")


def test_only_the_good_start_is_taken(make_position):
    sent = packets(make_position, Version.V311, 20)
    tail = sent[3].replace(b"47.12345", b"47.1234567")
    run = publish_check("HAB-01", Version.V311, 1)(b"".join(sent) + tail)
    assert run.used == sum(map(len, sent))


def test_a_run_of_acknowledgements():
    data = b"".join(encode(PubAck(packet_id=number), Version.V311) for number in range(1, 500))
    run = puback_run(data)
    assert b"".join(run.packets) == data
    assert len(run.packet_ids) == 499
    assert puback_run(data + b"\xd0\x00").used == len(data)
    assert puback_run(data + b"@\x02\x00\x00").used == len(data)
    assert puback_run(data[1:]) is None


def test_acknowledgements_may_come_in_any_pieces(wire, make_position):
    talk = wire(Version.V311).connected()
    talk.raw_up(b"".join(packets(make_position, Version.V311, 300)))
    assert len(talk.known.sent) == 300
    data = b"".join(encode(PubAck(packet_id=number + 1), Version.V311) for number in range(1, 301))
    out = [
        piece
        for start in range(0, len(data), 7)
        for piece in talk.raw_down(data[start : start + 7]).forward
    ]
    assert b"".join(out) == data
    assert {len(piece) for piece in out} == {4}
    assert talk.known.sent == set()


WORDS_DOWN = (
    PubAck(packet_id=7),
    PingResp(),
    PubRec(packet_id=8),
    PubComp(packet_id=9),
    SubAck(packet_id=10, reason_codes=(0,)),
    Publish(topic="t", payload=b"@\x02"),
)


@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(st.sampled_from(WORDS_DOWN), min_size=1, max_size=12),
    cuts=st.lists(st.integers(0, 90), max_size=8),
    version=st.sampled_from([Version.V31, Version.V311, Version.V5]),
)
def test_what_is_whole_is_never_held_back(wire, words, cuts, version):
    sent = [encode(word, version) for word in words]
    data, ends = b"".join(sent), list(itertools.accumulate(map(len, sent)))
    talk = wire(version, enforce=False).connected()
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    came = b""
    for start, end in itertools.pairwise(edges):
        came += b"".join(talk.raw_down(data[start:end]).forward)
        assert len(came) == max([whole for whole in ends if whole <= end], default=0)
    assert came == data


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 40_000), max_size=12),
    bad=st.sets(st.integers(0, 119), max_size=5),
    version=st.sampled_from([Version.V31, Version.V311, Version.V5]),
    enforce=st.booleans(),
)
def test_however_the_bytes_come_each_packet_gets_its_verdict(
    wire, make_position, cuts, bad, version, enforce
):
    sent = packets(make_position, version, 120)
    if enforce and version is not Version.V5:
        bad = set()  # each would end the connection
    for at in bad:
        sent[at] = sent[at].replace(b"47.12345", b"47.1234x")
    data = b"".join(sent)
    talk = wire(version, enforce=enforce).connected()
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    effects = [talk.raw_up(data[start:end]) for start, end in itertools.pairwise(edges)]
    records = [record for effect in effects for record in effect.records if record[2] == 0]
    assert [record[5] for record in records] == sent
    off = Verdict.REFUSED if enforce else Verdict.MARKED
    assert [record[3] for record in records] == [
        off if at in bad else Verdict.OK for at in range(len(sent))
    ]
    forwarded = b"".join(piece for effect in effects for piece in effect.forward)
    kept = [packet for at, packet in enumerate(sent) if not enforce or at not in bad]
    assert forwarded == b"".join(kept)


def test_every_split_of_a_stream_gives_the_same(wire, make_position):
    sent = packets(make_position, Version.V5, 60)
    data = b"".join(sent)
    rng = random.Random(5)
    for _ in range(40):
        talk = wire(Version.V5).connected()
        out, start = [], 0
        while start < len(data):
            end = start + rng.choice((1, 2, 3, 100, 270, 271, 5000))
            out += talk.raw_up(data[start:end]).forward
            start = end
        assert out == sent

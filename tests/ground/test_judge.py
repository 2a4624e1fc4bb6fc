"""What is accepted, what goes to quarantine and under which identity."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overflight_contract.messages import Fix
from overflight_ground.ingest.judge import Accepted, Arrival, Rejected, judge, judge_all

FLIGHT = b"20230128T060000Z-7f3a"


def arrived(topic: bytes, raw: bytes, size: int = -1) -> Arrival:
    return Arrival(topic, raw, 1, False, False, 1, size=size)


def test_a_message_of_the_contract_is_accepted(arrival, position, navigation) -> None:
    for message in (position(1), navigation(2)):
        judged = judge(arrival(message))
        assert isinstance(judged, Accepted)
        assert judged.message == message
        assert judged.payload == "HAB-01"


@pytest.mark.parametrize(
    ("topic", "raw", "reason", "identity"),
    [
        (b"overflight/1/HAB-01/image", b"\xff\xd8", "topic", ("HAB-01", None, None)),
        (b"overflight/2/HAB-01/position", b"{}", "topic", ("HAB-01", None, None)),
        (b"overflight/1/hab/position", b"{}", "topic", (None, None, None)),
        (b"elsewhere", b"", "topic", (None, None, None)),
        (b"overflight/1/\xff/position", b"", "topic", (None, None, None)),
        (b"overflight/1/A/position", b"not json", "schema", ("A", None, None)),
        (
            b"overflight/1/A/position",
            b'{"flight":"' + FLIGHT + b'","seq":7}',
            "schema",
            ("A", FLIGHT.decode(), 7),
        ),
        (b"overflight/1/A/position", b'{"flight":"x","seq":7}', "schema", ("A", None, None)),
        (
            b"overflight/1/A/navigation",
            b'{"flight":"' + FLIGHT + b'","seq":0}',
            "schema",
            ("A", None, None),
        ),
        (b"overflight/1/A/position", b" " * 600, "size", ("A", None, None)),
        (b"overflight/1/A/receipt", b"{}", "schema", ("A", None, None)),
    ],
)
def test_what_does_not_fit_is_rejected_with_a_reason(topic, raw, reason, identity) -> None:
    judged = judge(arrived(topic, raw))
    assert isinstance(judged, Rejected)
    assert judged.reason == reason
    assert (judged.payload, judged.flight, judged.seq) == identity


def test_bytes_that_are_not_canonical_still_have_an_identity(arrival, position) -> None:
    good = arrival(position(9))
    judged = judge(good._replace(raw=good.raw.replace(b":", b": ", 1)))
    assert isinstance(judged, Rejected)
    assert (judged.reason, judged.seq) == ("canonical", 9)


def test_the_grounds_own_receipt_is_none_of_its_business() -> None:
    raw = b'{"flight":"' + FLIGHT + b'","through":7}'
    assert judge(arrived(b"overflight/1/A/receipt", raw)) is None


def test_a_message_cut_short_is_rejected_for_its_size() -> None:
    judged = judge(arrived(b"overflight/1/A/position", b"\xff" * 10, size=20_000_000))
    assert isinstance(judged, Rejected)
    assert judged.reason == "size"


@given(st.binary(max_size=80), st.binary(max_size=200))
def test_never_raises(topic: bytes, raw: bytes) -> None:
    judge(arrived(topic, raw))
    judge(arrived(b"overflight/1/A/position", raw))


def same(short, long) -> bool:
    """Whether the short way found what the long way found."""
    if not isinstance(long, Accepted):
        return short == long
    fields = long.message.__struct_fields__
    return short._replace(message=None) == long._replace(message=None) and all(
        getattr(short.message, name) == getattr(long.message, name) for name in fields
    )


def test_a_batch_is_judged_as_each_of_it(arrival, position, navigation) -> None:
    good = [arrival(position(1)), arrival(navigation(2)), arrival(position(3, held_from=3))]
    no_fix = arrival(position(4, lat_deg=None, lon_deg=None, fix=Fix.NONE))
    held = good[0]._replace(raw=good[0].raw.replace(b'"held_from":1', b'"held_from":2'))
    spaced = good[0]._replace(raw=good[0].raw.replace(b":", b": ", 1))
    cut = good[0]._replace(size=900)
    swapped = good[0]._replace(topic=good[1].topic)
    receipt = arrived(b"overflight/1/A/receipt", b'{"flight":"' + FLIGHT + b'","through":7}')
    strays = [arrived(b"x", b""), arrived(b"overflight/1/\xff/position", b"")]
    batch = [*good, no_fix, held, spaced, cut, swapped, receipt, *strays]
    judged = judge_all(batch)
    assert [type(one) for one in judged[:4]] == [Accepted] * 4
    assert all(same(short, judge(one)) for short, one in zip(judged, batch, strict=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 400), byte=st.integers(0, 255))
def test_with_any_byte_changed_both_ways_agree(arrival, position, at, byte) -> None:
    good = arrival(position(1))
    raw = bytearray(good.raw)
    raw[at % len(raw)] = byte
    changed = good._replace(raw=bytes(raw))
    assert same(judge_all([changed])[0], judge(changed))

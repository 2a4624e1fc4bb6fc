"""What is accepted, what goes to quarantine and under which identity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_ground.ingest.judge import Accepted, Arrival, Rejected, judge

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

"""The quick check accepts nothing that `messages.decode` refuses."""

import datetime as dt
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflight_contract import fastpath, messages
from overflight_contract.errors import ContractError
from overflight_contract.topics import Kind

POSITION = messages.encode(
    messages.Position(
        flight="20230128T060000Z-7f3a",
        seq=12345,
        held_from=11000,
        measured_at=dt.datetime(2023, 2, 1, 12, 0, 0, 123000, tzinfo=dt.UTC),
        lat_deg=47.12345,
        lon_deg=-122.54321,
        alt_msl_m=18123.4,
        alt_hae_m=18100.1,
        fix=messages.Fix.THREE_D,
        sats=11,
        hdop=0.9,
    )
)
NAVIGATION = messages.encode(
    messages.Navigation(
        flight="20230128T060000Z-7f3a",
        seq=12345,
        held_from=11000,
        measured_at=dt.datetime(2023, 2, 1, 12, 0, tzinfo=dt.UTC),
        track_deg=93.1,
        speed_mps=12.2,
        climb_mps=-0.1,
        phase=messages.Phase.FLOAT,
        waypoint=messages.Waypoint(number=3, distance_m=12000, bearing_deg=92.1),
        cross_track_m=-1200,
    )
)
SAMPLES = {Kind.POSITION: POSITION, Kind.NAVIGATION: NAVIGATION}


@st.composite
def edited_messages(draw: st.DrawFn) -> tuple[Kind, bytes]:
    """A good message with some bytes cut out and others put in."""
    kind = draw(st.sampled_from(list(SAMPLES)))
    sample = SAMPLES[kind]
    at, cut = min(draw(st.integers(0, 300)), len(sample)), draw(st.integers(0, 3))
    common = st.sampled_from([b"0", b"9", b"-", b".0", b" ", b"null", b"1e5"])
    put = draw(st.binary(max_size=3) | common)
    return kind, sample[:at] + put + sample[at + cut :]


def decodes(kind: Kind, payload: bytes) -> bool:
    try:
        messages.decode(kind, payload)
    except ContractError:
        return False
    return True


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_usual_message_is_accepted(kind):
    assert fastpath.looks_valid(kind, SAMPLES[kind])


@pytest.mark.parametrize(
    "edit",
    [
        (b"47.12345", b"0.1"),
        (b"47.12345", b"-0.1"),
        (b"47.12345", b"5.0"),
        (b"47.12345", b"-89.99999"),
        (b"47.12345", b"90.0"),
        (b"-122.54321", b"179.99999"),
        (b"-122.54321", b"18.5"),
        (b"-122.54321", b"-180.0"),
        (b"18123.4", b"0.0"),
        (b"18123.4", b"-0.5"),
        (b"18123.4", b"-999.9"),
        (b"18123.4", b"null"),
        (b"2023-02-01", b"2023-12-31"),
        (b"2023-02-01", b"2024-02-28"),
        (b"2023-02-01", b"2023-11-30"),
        (b"2023-02-01", b"1999-10-29"),
        (b'"sats":11', b'"sats":0'),
        (b'"sats":11', b'"sats":7'),
        (b'"hdop":0.9', b'"hdop":10.5'),
    ],
)
def test_values_at_the_edges_are_valid(edit):
    payload = POSITION.replace(*edit)
    assert payload != POSITION
    assert fastpath.is_valid(Kind.POSITION, payload)
    rare = edit[1] in (b"90.0", b"-180.0", b"1999-10-29")
    assert fastpath.looks_valid(Kind.POSITION, payload) != rare


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [(Kind.POSITION, fastpath.POSITION), (Kind.NAVIGATION, fastpath.NAVIGATION)],
)
def test_whatever_fits_the_pattern_decodes(kind, pattern):
    @settings(max_examples=400, deadline=None)
    @given(st.from_regex(re.compile(pattern), fullmatch=True))
    def check(payload):
        if fastpath.looks_valid(kind, payload):
            messages.decode(kind, payload)

    check()


@settings(max_examples=400, deadline=None)
@given(edited_messages())
def test_it_agrees_with_decode_on_edited_messages(edited):
    kind, payload = edited
    if fastpath.looks_valid(kind, payload):
        assert decodes(kind, payload)
    assert fastpath.is_valid(kind, payload) == decodes(kind, payload)


@pytest.mark.parametrize(
    "edit",
    [
        (b'"seq":12345', b'"seq":10999'),  # held_from beyond seq
        (b'"seq":12345', b'"seq":012345'),
        (b"47.12345", b"47.123450"),
        (b"47.12345", b"90.00001"),
        (b"47.12345", b"-0.0"),
        (b"-122.54321", b"180.0"),
        (b"47.12345", b"-0.00"),
        (b"47.12345", b"1.00"),
        (b"47.12345", b"1.123456"),
        (b"47.12345", b"91.5"),
        (b"47.12345", b"01.5"),
        (b"-122.54321", b"-00.5"),
        (b"-122.54321", b"-0.0"),
        (b"-122.54321", b"181.5"),
        (b"18123.4", b"-0.0"),
        (b"18123.4", b"18123.45"),
        (b"2023-02-01", b"2023-04-31"),
        (b"2023-02-01", b"2023-02-30"),
        (b'"sats":11', b'"sats":011'),
        (b'"hdop":0.9', b'"hdop":00.9'),
        (b"18123.4", b"60000.1"),
        (b"2023-02-01", b"2023-02-29"),
        (b".123000Z", b".123001Z"),
        (b".123000Z", b".000000Z"),
        (b"{", b"{ "),
        (b"}", b"}\n"),
    ],
)
def test_room_to_hide_data_in_is_refused(edit):
    payload = POSITION.replace(*edit)
    assert payload != POSITION
    assert not fastpath.looks_valid(Kind.POSITION, payload)
    assert not fastpath.is_valid(Kind.POSITION, payload)


def test_what_the_pattern_leaves_out_is_decoded():
    payload = POSITION.replace(b"47.12345", b"null").replace(b"-122.54321", b"null")
    payload = payload.replace(b'"3d"', b'"none"')
    assert not fastpath.looks_valid(Kind.POSITION, payload)
    assert fastpath.is_valid(Kind.POSITION, payload)
    assert fastpath.is_valid(Kind.RECEIPT, b'{"flight":"20230128T060000Z-7f3a","through":0}')


COLUMNS = re.compile(rb"(?:p()|n)" + fastpath.columns(1))


def values(kind: Kind, payload: bytes) -> list[bytes | None] | None:
    match = COLUMNS.fullmatch((b"p" if kind is Kind.POSITION else b"n") + payload)
    return None if match is None else list(match.groups())[1:]


def test_columns_are_the_values_as_they_stand():
    flight, time = b"20230128T060000Z-7f3a", b"2023-02-01T12:00:00.123000Z"
    head = [flight, b"12345", b"11000"]
    place = [b"47.12345", b"-122.54321", b"18123.4", b"18100.1", b'"3d"', b"11", b"0.9", b""]
    assert values(Kind.POSITION, POSITION) == [*head, time, *place]
    motion = [b"93.1", b"12.2", b"-0.1", b'"float"', b"3", b"12000", b"92.1", b"-1200"]
    assert values(Kind.NAVIGATION, NAVIGATION) == [*head, b"2023-02-01T12:00:00Z", *motion]
    assert len(place) == len(motion) == fastpath.PLACES
    nowhere = re.sub(rb'"waypoint":\{.*?\}', b'"waypoint":null', NAVIGATION)
    assert values(Kind.NAVIGATION, nowhere)[4:] == [*motion[:4], None, None, None, motion[7]]
    assert values(Kind.NAVIGATION, POSITION) is values(Kind.POSITION, NAVIGATION) is None


@settings(max_examples=400, deadline=None)
@given(edited_messages())
def test_columns_fit_what_the_patterns_fit(edited):
    kind, payload = edited
    pattern = fastpath.POSITION if kind is Kind.POSITION else fastpath.NAVIGATION
    fits = re.fullmatch(pattern, payload) is not None
    assert (values(kind, payload) is not None) == fits

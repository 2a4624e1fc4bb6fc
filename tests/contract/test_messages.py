"""Messages: one canonical spelling, and everything else refused with a reason."""

import datetime as dt
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_contract import messages as m
from overflight_contract.errors import ContractError
from overflight_contract.topics import Kind

FLIGHT = "20230128T060000Z-7f3a"
AT = dt.datetime(2023, 1, 28, 6, 0, 0, 123000, tzinfo=dt.UTC)


def position(**changes):
    fields = {
        "flight": FLIGHT, "seq": 12, "held_from": 1, "measured_at": AT, "lat_deg": 53.1045,
        "lon_deg": -119.20011, "alt_msl_m": 18612.0, "alt_hae_m": None, "fix": m.Fix.THREE_D,
        "sats": 9, "hdop": 0.9,
    }  # fmt: skip
    return m.Position(**{**fields, **changes})


def navigation(**changes):
    fields = {
        "flight": FLIGHT, "seq": 13, "held_from": 1, "measured_at": AT, "track_deg": 81.5,
        "speed_mps": 31.0, "climb_mps": -0.1, "phase": m.Phase.FLOAT,
        "waypoint": m.Waypoint(number=3, distance_m=41000, bearing_deg=90.0), "cross_track_m": -12,
    }  # fmt: skip
    return m.Navigation(**{**fields, **changes})


def test_a_position_as_it_stands_on_the_wire():
    assert m.encode(position()) == (
        b'{"flight":"20230128T060000Z-7f3a","seq":12,"held_from":1,'
        b'"measured_at":"2023-01-28T06:00:00.123000Z","lat_deg":53.1045,"lon_deg":-119.20011,'
        b'"alt_msl_m":18612.0,"alt_hae_m":null,"fix":"3d","sats":9,"hdop":0.9}'
    )


@pytest.mark.parametrize("message", [position(), navigation(), m.Receipt(flight=FLIGHT, through=0)])
def test_there_and_back(message):
    payload = m.encode(message)
    assert m.decode(m.kind_of(message), payload) == message
    assert len(payload) < m.MAX_PAYLOAD_BYTES


def test_no_message_is_longer_than_the_limit():
    longest = navigation(
        seq=m.MAX_SEQ, held_from=m.MAX_SEQ, track_deg=359.9, speed_mps=499.9, climb_mps=-299.9,
        phase=m.Phase.PRELAUNCH, cross_track_m=-20_100_000,
        waypoint=m.Waypoint(number=999, distance_m=20_100_000, bearing_deg=359.9),
    )  # fmt: skip
    assert len(m.encode(longest)) < m.MAX_PAYLOAD_BYTES


GOOD = m.encode(position())
HIDING_PLACES = {
    "a space": GOOD.replace(b",", b", ", 1),
    "a newline at the end": GOOD + b"\n",
    "another order": b'{"seq":12,' + GOOD.replace(b'"seq":12,', b"", 1)[1:],
    "a doubled key": GOOD.replace(b'"seq":12', b'"seq":11,"seq":12'),
    "an exponent": GOOD.replace(b"18612.0", b"1.8612e4"),
    "a trailing zero": GOOD.replace(b"53.1045", b"53.10450"),
    "an integer for a float": GOOD.replace(b"18612.0", b"18612"),
    "a plus": GOOD.replace(b"18612.0", b"+18612.0"),
    "an escape": GOOD.replace(b'"3d"', b'"\\u0033d"'),
    "an escaped key": GOOD.replace(b'"seq"', b'"s\\u0065q"'),
    "negative zero": GOOD.replace(b"-119.20011", b"-0.0"),
    "another offset": GOOD.replace(b"06:00:00.123000Z", b"07:00:00.123000+01:00"),
    "a zero offset": GOOD.replace(b".123000Z", b".123000+00:00"),
    "a lower-case z": GOOD.replace(b".123000Z", b".123000z"),
    "a space for T": GOOD.replace(b"28T06", b"28 06"),
    "microseconds": GOOD.replace(b".123000Z", b".123001Z"),
    "an unknown key": GOOD[:-1] + b',"note":1}',
    "a missing key": GOOD.replace(b',"hdop":0.9', b""),
    "a finer latitude": GOOD.replace(b"53.1045", b"53.1045001"),
    "a finer altitude": GOOD.replace(b"18612.0", b"18612.01"),
    "a latitude off the globe": GOOD.replace(b"53.1045", b"90.1"),
    "a longitude of 180": GOOD.replace(b"-119.20011", b"180.0"),
    "a position without a fix": GOOD.replace(b'"3d"', b'"none"'),
    "a fix without a position": GOOD.replace(b"53.1045", b"null"),
    "seq 0": GOOD.replace(b'"seq":12', b'"seq":0'),
    "a seq past 2**53": GOOD.replace(b'"seq":12', b'"seq":9007199254740992'),
    "held_from beyond seq": GOOD.replace(b'"held_from":1', b'"held_from":13'),
    "another flight pattern": GOOD.replace(b"-7f3a", b"-7F3A"),
    "a newline in the flight": GOOD.replace(b"-7f3a", b"-7f3a\\n"),
    "not a number": GOOD.replace(b"18612.0", b"NaN"),
    "bytes that are not UTF-8": GOOD.replace(b'"3d"', b'"\xff"'),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "nothing": b"",
    "too much": GOOD + b" " * 600,
    "deep nesting": b"[" * 500,
}


@pytest.mark.parametrize("payload", HIDING_PLACES.values(), ids=HIDING_PLACES.keys())
def test_every_other_spelling_is_refused(payload):
    with pytest.raises(ContractError) as error:
        m.decode(Kind.POSITION, payload)
    assert error.value.reason in {"schema", "canonical", "range", "size"}


def test_a_position_is_no_navigation_message():
    with pytest.raises(ContractError):
        m.decode(Kind.NAVIGATION, GOOD)


@given(st.binary(max_size=300))
def test_bytes_are_a_message_or_a_contract_error(payload):
    for kind in Kind:
        try:
            message = m.decode(kind, payload)
        except ContractError:
            continue
        assert m.encode(message) == payload


coordinates = st.floats(min_value=-180, max_value=179.99999)
altitudes = st.none() | st.floats(min_value=-999, max_value=59_999)


@given(lat=st.floats(min_value=-90, max_value=90), lon=coordinates, alt=altitudes)
def test_what_is_quantised_can_be_sent(lat, lon, alt):
    message = position(
        lat_deg=m.quantise(lat, "lat_deg"),
        lon_deg=m.quantise_longitude(lon),
        alt_msl_m=m.quantise(alt, "alt_msl_m"),
    )
    again = m.decode(Kind.POSITION, m.encode(message))
    assert abs(again.lat_deg - lat) <= 0.5e-5 + 1e-12
    assert abs((again.lon_deg - lon + 180) % 360 - 180) <= 0.5e-5 + 1e-9


@given(st.floats(allow_nan=True, allow_infinity=True, width=64))
def test_angles_are_in_their_circle(value):
    angle = m.quantise_angle(value)
    assert angle is None or 0 <= angle < 360
    assert math.isfinite(value) or angle is None


@pytest.mark.parametrize("lon", [180.0, -180.0, 179.999996, -179.999996, 540.0, 359.999999])
def test_longitudes_wrap_at_the_antimeridian(lon):
    assert -180 <= m.quantise_longitude(lon) < 180


def test_the_time_is_whole_milliseconds_utc():
    east = dt.timezone(dt.timedelta(hours=8))
    moment = m.whole_milliseconds(dt.datetime(2023, 1, 28, 14, 0, 0, 123999, tzinfo=east))
    assert moment == AT
    assert moment.tzinfo is dt.UTC


def test_payloads_are_json_that_others_read():
    assert json.loads(m.encode(navigation()))["waypoint"] == {
        "number": 3, "distance_m": 41000, "bearing_deg": 90.0,
    }  # fmt: skip

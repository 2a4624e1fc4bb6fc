"""The first bytes of a packet: what they already show, and that they never show too much."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from overflight_contract.mqtt import Framer, RemoteProtocolError, Rule, Version, decode
from overflight_contract.mqtt.begun import check_begun
from overflight_contract.mqtt.connect_packet import peek_connect
from overflight_contract.mqtt.framing import body_offset

ALL, OLD, FIVE, NONE = (3, 4, 5), (3, 4), (5,), (None,)


def case(hexed, rule, v=ALL):
    return [
        pytest.param(bytes.fromhex(hexed), each and Version(each), rule, id=f"{hexed}-{each}")
        for each in v
    ]


@pytest.mark.parametrize(
    ("data", "version", "rule"),
    [
        *case("30", Rule.CONNECT_FIRST, NONE),
        *case("c0", Rule.CONNECT_FIRST, NONE),
        *case("20", Rule.CONNECT_FIRST, NONE),
        *case("00", Rule.TYPE, (None, *ALL)),
        *case("c1", Rule.FLAGS, (None, *ALL)),
        *case("10", Rule.CONNECT_TWICE),
        *case("20", Rule.SENDER),
        *case("d0", Rule.SENDER),
        *case("f0", Rule.TYPE, OLD),
        *case("c001", Rule.TRAILING),
        *case("c08001", Rule.TRAILING),
        *case("e0ff7f", Rule.TRAILING, OLD),
        *case("4003", Rule.TRAILING, OLD),
        *case("62ffffff7f", Rule.TRAILING, OLD),
    ],
)
def test_what_is_wrong_already(data, version, rule):
    with pytest.raises(RemoteProtocolError) as caught:
        check_begun(data, version)
    assert caught.value.rule is rule
    assert caught.value.paragraph


@pytest.mark.parametrize(
    ("hexed", "version"),
    [
        ("10", None),
        ("14", None),
        ("30", 4),
        ("3d7f", 5),
        ("c080", 4),
        ("4080", 4),
        ("407f", 5),
        ("e07f", 5),
        ("f0", 5),
        ("82ffffff7f", 5),
    ],
)
def test_what_may_still_be_good(hexed, version):
    check_begun(bytes.fromhex(hexed), version and Version(version))


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=2, max_size=40), st.sampled_from([None, *Version]))
@example(b"\x6a\x02\x00\x01", Version.V31)
@example(b"\xc0\x80\x00", Version.V311)
def test_no_start_of_a_good_packet_is_refused(data, version):
    try:
        packets = [each for each in Framer().feed(data) if isinstance(each, bytes)]
        packet = packets[0]
        decode(packet, version, from_client=True)
    except (RemoteProtocolError, IndexError):
        return
    if version is not None and packet[0] >> 4 == 1:
        return  # a second CONNECT is out of place, not malformed
    for cut in range(1, len(packet)):
        check_begun(packet[:cut], version)


@pytest.mark.parametrize(
    ("hexed", "expected"),
    [
        ("", None),
        ("0004 4d515454", None),
        ("0004 4d515454 06", None),
        ("0004 4d515454 04", (Version.V311, "")),
        ("0004 4d515454 84 02 003c 0001 61", (Version.V311, "a")),
        ("0006 4d5149736470 83 02 003c 0001 61", (Version.V31, "a")),
        ("0006 4d5149736470 84 02 003c 0001 61", None),
        ("0004 4d515454 04 02 003c 0003 6162", (Version.V311, "")),
        ("0004 4d515454 04 02 003c 0003 616263 ff", (Version.V311, "abc")),
        ("0004 4d515454 05 02 003c 03 210001 0001 61", (Version.V5, "a")),
        ("0004 4d515454 05 02 003c 7f 0001 61", (Version.V5, "")),
        ("0006 4d5149736470 03 ff 0000 0002 ff01", (Version.V31, "\\xff\x01")),
    ],
)
def test_what_the_start_of_a_connect_claims(hexed, expected):
    assert peek_connect(bytes.fromhex(hexed)) == expected


@pytest.mark.parametrize(
    ("hexed", "offset"), [("30", 1), ("3000", 2), ("30ff", 2), ("308001", 3), ("30ffffff7f00", 5)]
)
def test_where_the_body_begins(hexed, offset):
    assert body_offset(bytes.fromhex(hexed)) == offset

"""Legal packets at the bounds of the standard, in hex; each is encoded to the same bytes again."""

import pytest

from overflight_contract.mqtt import Framer, RemoteProtocolError, Version, decode, encode
from overflight_contract.mqtt.tracing import trace

ALL, OLD, FIVE = (3, 4, 5), (3, 4), (5,)


def case(name, hexed, v=ALL):
    packet = bytes.fromhex(hexed)
    return [pytest.param(packet, Version(each), id=f"{name}-v{each}") for each in v]


LEGAL = [
    *case("connect-3.1", "100f 0006 4d5149736470 03 02 003c 0001 61", (3,)),
    *case("connect-3.1.1", "100d 0004 4d515454 04 02 0000 0001 61", (4,)),
    *case("connect-no-id", "100c 0004 4d515454 04 02 ffff 0000", (4,)),
    *case("connect-5", "100e 0004 4d515454 05 00 0000 00 0001 61", FIVE),
    *case("connect-5-no-id", "100d 0004 4d515454 05 00 0000 00 0000", FIVE),
    *case("connect-5-password-alone", "100f 0004 4d515454 05 42 0000 00 0000 0000", FIVE),
    *case("connect-will", "1014 0004 4d515454 04 36 0000 0001 61 0001 62 0002 00ff", (4,)),
    *case("connect-all", "1016 0004 4d515454 04 ee 0000 0000 0001 62 0000 0001 75 0000", (4,)),
    *case(
        "connect-5-properties",
        "103d 0004 4d515454 05 02 0000"
        "30 11ffffffff 21ffff 2700000001 220000 1901 1700 26 0001 61 0001 62 26 0001 61 0001 62"
        "15 0001 6d 16 0002 0000 26 0000 0000 0000",
        FIVE,
    ),
    *case(
        "connect-will-format-144",
        "1016 0004 4d515454 05 06 0000 00 0001 63 02 0190 0001 61 0000",
        FIVE,
    ),
    *case("connack", "20020000", OLD),
    *case("connack-session", "20020100", OLD),
    *case("connack-refused", "20020005", OLD),
    *case("connack-5", "2003000000", FIVE),
    *case("connack-5-refused", "2003008400", FIVE),
    *case("connack-5-all", "2010 00 00 0d 2400 2500 130000 2800 2900 2a00", FIVE),
    *case("publish", "3003 0001 61", OLD),
    *case("publish-5", "3004 0001 61 00", FIVE),
    *case("publish-alias-alone", "3006 0000 03 230001", FIVE),
    *case("publish-qos-1", "3307 0001 61 ffff 0000", OLD),
    *case("publish-qos-2-dup", "3d05 0001 61 0001", OLD),
    *case("publish-ids", "3009 0001 61 05 0bffffff7f", FIVE),
    *case("publish-two-ids", "3008 0001 61 04 0b01 0b02", FIVE),
    *case("publish-order", "300c 0001 61 08 0b01 0101 0b02 0b03", FIVE),
    *case("publish-bom", "3006 0004 efbbbf61", OLD),
    *case("publish-emoji", "3006 0004 f09f9bb0", OLD),
    *case("publish-space", "3003 0001 20", OLD),
    *case("publish-slashes", "3005 0003 2f2f2f", OLD),
    *case("publish-dollar", "3006 0004 24535953", OLD),
    *case("puback", "40020001"),
    *case("puback-code", "4003000110", FIVE),
    *case("puback-reason", "4008 0001 00 04 1f000161", FIVE),
    *case("puback-empty-properties", "4004 0001 00 00", FIVE),
    *case("pubrec", "5002ffff"),
    *case("pubrel", "62020001"),
    *case("pubrel-dup", "6a020001", (3,)),
    *case("pubrel-code", "6203000192", FIVE),
    *case("pubcomp", "70020001"),
    *case("subscribe", "8206 0001 0001 61 00", OLD),
    *case("subscribe-dup", "8a06 0001 0001 61 00", (3,)),
    *case("subscribe-two", "820a 0001 0001 23 01 0001 2b 02", OLD),
    *case("subscribe-forms", "8213 0001 0001 2f 00 0003 2b2f2b 00 0004 612f2f23 00", OLD),
    *case("subscribe-5", "8207 0001 00 0001 61 2e", FIVE),
    *case("subscribe-id", "820c 0001 05 0bffffff7f 0001 61 00", FIVE),
    *case("subscribe-share", "8210 0001 00 000a 2473686172652f672f61 00", FIVE),
    *case("subscribe-share-3", "820e 0001 0009 2473686172652f2f61 00", OLD),
    *case("suback", "9005 0001 00 01 02", OLD),
    *case("suback-refused", "9003 0001 80", (4,)),
    *case("suback-5", "9005 0001 00 02 a2", FIVE),
    *case("unsubscribe", "a205 0001 0001 61", OLD),
    *case("unsubscribe-5", "a206 0001 00 0001 61", FIVE),
    *case("unsuback", "b002 0001", OLD),
    *case("unsuback-5", "b004 0001 00 11", FIVE),
    *case("pingreq", "c000"),
    *case("pingresp", "d000"),
    *case("disconnect", "e000"),
    *case("disconnect-5", "e00104", FIVE),
    *case("disconnect-reference", "e00600041c000161", FIVE),
    *case("disconnect-expiry", "e007 00 05 1100000000", FIVE),
    *case("auth-success", "f000", FIVE),
    *case("auth", "f00618041500 0161", FIVE),
]


@pytest.mark.parametrize(("packet", "version"), LEGAL)
def test_is_decoded_and_encoded_to_the_same_bytes(packet, version):
    assert encode(decode(packet, version), version) == packet


@pytest.mark.parametrize(("packet", "version"), LEGAL)
def test_every_prefix_is_incomplete_for_the_framer_and_an_error_for_decode(packet, version):
    for cut in range(len(packet)):
        framer = Framer()
        assert framer.feed(packet[:cut]) == []
        assert framer.pending == cut
        assert framer.feed(packet[cut:]) == [packet]
        with pytest.raises(RemoteProtocolError):
            decode(packet[:cut], version)


@pytest.mark.parametrize(("packet", "version"), LEGAL)
def test_a_trailing_byte_is_refused(packet, version):
    with pytest.raises(RemoteProtocolError):
        decode(packet + b"\0", version)


@pytest.mark.parametrize(("packet", "version"), LEGAL)
def test_fields_cover_every_byte_once(packet, version):
    at = 0
    for field in trace(packet, version):
        assert field.offset == at
        at += field.length
    assert at == len(packet)


@pytest.mark.parametrize(
    ("written", "canonical", "version"),
    [
        pytest.param("c08000", "c000", 4, id="over-long length, legal before 5"),
        pytest.param("4003000100", "40020001", 5, id="a success that is spelt out"),
        pytest.param("e00100", "e000", 5, id="a normal disconnection that is spelt out"),
        pytest.param(
            "1f0f 0006 4d5149736470 03 02 0000 0001 61",
            "100f 0006 4d5149736470 03 02 0000 0001 61",
            3,
            id="flags of 3.1 that CONNECT does not use",
        ),
        pytest.param(
            "100f 0006 4d5149736470 03 29 0000 0001 61",
            "100f 0006 4d5149736470 03 00 0000 0001 61",
            3,
            id="unused flags of 3.1",
        ),
        pytest.param(
            "100f 0006 4d5149736470 03 c2 0000 0001 61",
            "100f 0006 4d5149736470 03 02 0000 0001 61",
            3,
            id="missing credentials of 3.1",
        ),
    ],
)
def test_what_is_legal_but_not_canonical(written, canonical, version):
    assert Framer().feed(bytes.fromhex(written)) == [bytes.fromhex(written)]
    packet = decode(bytes.fromhex(written), Version(version), from_client=True)
    assert encode(packet, Version(version)) == bytes.fromhex(canonical)


def test_a_server_of_3_1_1_may_refuse_version_5_in_its_own_way():
    packet = decode(bytes.fromhex("20020001"), Version.V5)
    assert packet.reason_code == 1
    assert packet.properties is None
    assert encode(packet, Version.V5) == bytes.fromhex("20020001")

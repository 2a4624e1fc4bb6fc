"""Packets that the standard forbids, in hex, each with the rule that it breaks.

Spaces in the hex are for the eye. `v` says in which versions it is malformed: 3 is MQTT 3.1,
4 is 3.1.1.
"""

import pytest

from overflight_contract.mqtt import RemoteProtocolError, Rule, Version, decode

ALL, OLD, FIVE = (3, 4, 5), (3, 4), (5,)


def case(name, hexed, rule, v=ALL, sender=None):
    return [
        pytest.param(bytes.fromhex(hexed), Version(version), rule, sender, id=f"{name}-v{version}")
        for version in v
    ]


def connect(rest, *, level, name="4d515454"):
    """A CONNECT from its flags on, with its remaining length."""
    body = bytes.fromhex(f"{len(name) // 2:04x}{name}{level}") + bytes.fromhex(rest)
    return (b"\x10" + bytes([len(body)]) + body).hex()


V5, V4, V3 = "05", "04", "03"
MQISDP = "4d5149736470"

FRAMING = [
    *case("empty", "", Rule.TRUNCATED),
    *case("type-only", "30", Rule.TRUNCATED),
    *case("type-0", "0000", Rule.TYPE),
    *case("type-15-before-5", "f000", Rule.TYPE, OLD),
    *case("length-five-bytes", "c0ffffffff01", Rule.REMAINING_LENGTH),
    *case("length-overlong", "c08000", Rule.VARINT_MINIMAL, FIVE),
    *case("length-overlong-4", "c080808000", Rule.VARINT_MINIMAL, FIVE),
    *case("length-not-whole", "c080", Rule.TRUNCATED),
    *case("shorter-than-it-says", "4004 0001", Rule.TRUNCATED),
    *case("longer-than-it-says", "4002 0001 00", Rule.TRAILING),
    *case("pingreq-with-body", "c00100", Rule.TRAILING),
    *case("pingresp-with-body", "d00100", Rule.TRAILING),
    *case("pingreq-flags", "c100", Rule.FLAGS),
    *case("pingresp-flags", "d800", Rule.FLAGS),
    *case("connack-flags", "21020000", Rule.FLAGS),
    *case("puback-flags", "42020001", Rule.FLAGS),
    *case("pubrec-flags", "52020001", Rule.FLAGS),
    *case("pubrel-flags-0", "60020001", Rule.FLAGS),
    *case("pubrel-flags-3", "63020001", Rule.FLAGS),
    *case("pubrel-dup-after-3.1", "6a020001", Rule.FLAGS, (4, 5)),
    *case("pubcomp-flags", "71020001", Rule.FLAGS),
    *case("subscribe-flags-0", "8006 0001 0001 61 00", Rule.FLAGS),
    *case("subscribe-flags-1", "8106 0001 0001 61 00", Rule.FLAGS),
    *case("subscribe-dup-after-3.1", "8a06 0001 0001 61 00", Rule.FLAGS, (4, 5)),
    *case("suback-flags", "9103 0001 00", Rule.FLAGS),
    *case("unsubscribe-flags", "a005 0001 0001 61", Rule.FLAGS),
    *case("unsuback-flags", "b202 0001", Rule.FLAGS),
    *case("disconnect-flags", "e200", Rule.FLAGS),
    *case("auth-flags", "f100", Rule.FLAGS, FIVE),
]

CONNECTS = [
    *case("flags", "11" + connect("0200000000", level=V4)[2:], Rule.FLAGS),
    *case("flags-dup-5", "18" + connect("020000000000", level=V5)[2:], Rule.FLAGS),
    *case("flags-of-none", "14" + connect("0200000000", level=V3)[2:], Rule.FLAGS),
    *case("name-unknown", connect("0200000000", level=V4, name="4d515455"), Rule.PROTOCOL_NAME),
    *case("name-case", connect("0200000000", level=V4, name="6d717474"), Rule.PROTOCOL_NAME),
    *case("name-empty", connect("0200000000", level=V4, name=""), Rule.PROTOCOL_NAME),
    *case("name-utf8", connect("0200000000", level=V4, name="4d5154ff"), Rule.UTF8),
    *case("old-name-new-level", connect("02000000", level=V4, name=MQISDP), Rule.PROTOCOL_VERSION),
    *case("old-name-level-5", connect("02000000", level=V5, name=MQISDP), Rule.PROTOCOL_VERSION),
    *case("new-name-old-level", connect("0200000000", level=V3), Rule.PROTOCOL_VERSION),
    *case("level-0", connect("0200000000", level="00"), Rule.PROTOCOL_VERSION),
    *case("level-6", connect("0200000000", level="06"), Rule.PROTOCOL_VERSION),
    *case("bridge-bit-4", connect("0200000000", level="84"), Rule.PROTOCOL_VERSION),
    *case("bridge-bit-3", connect("02000061", level="83", name=MQISDP), Rule.PROTOCOL_VERSION),
    *case("cut-after-name", connect("", level=""), Rule.TRUNCATED),
    *case("cut-after-level", connect("", level=V4), Rule.TRUNCATED),
    *case("cut-in-keep-alive", connect("0200", level=V4), Rule.TRUNCATED),
    *case("no-client-id", connect("020000", level=V4), Rule.TRUNCATED),
    *case("reserved-flag-4", connect("0300000000", level=V4), Rule.CONNECT_RESERVED),
    *case("reserved-flag-5", connect("030000000000", level=V5), Rule.CONNECT_RESERVED),
    *case("will-qos-unused-1", connect("0a00000000", level=V4), Rule.WILL_QOS_UNUSED),
    *case("will-qos-unused-5", connect("120000000000", level=V5), Rule.WILL_QOS_UNUSED),
    *case("will-qos-3", connect("1e00000000000161000178", level=V4), Rule.WILL_QOS),
    *case("will-qos-3-v5", connect("1e0000000000000001610000", level=V5), Rule.WILL_QOS),
    *case("will-retain-unused", connect("2200000000", level=V4), Rule.WILL_RETAIN_UNUSED),
    *case("will-retain-unused-5", connect("220000000000", level=V5), Rule.WILL_RETAIN_UNUSED),
    *case("password-alone", connect("42000000000000", level=V4), Rule.PASSWORD_ALONE),
    *case(
        "password-alone-3", connect("4200000001610000", level=V3, name=MQISDP), Rule.PASSWORD_ALONE
    ),
    *case("client-id-empty", connect("0000000000", level=V4), Rule.CLIENT_ID_EMPTY),
    *case("client-id-empty-3", connect("0200000000", level=V3, name=MQISDP), Rule.CLIENT_ID_EMPTY),
    *case("client-id-utf8", connect("02000000 01ff", level=V4), Rule.UTF8),
    *case("client-id-null", connect("02000000 0100", level=V4), Rule.UTF8_NULL),
    *case("client-id-surrogate", connect("02000000 03eda080", level=V4), Rule.UTF8),
    *case("client-id-overlong", connect("02000000 02c080", level=V4), Rule.UTF8),
    *case("client-id-past-21-bits", connect("02000000 04f4908080", level=V4), Rule.UTF8),
    *case("client-id-control", connect("02000000 0101", level=V4), Rule.UTF8_CONTROL),
    *case("client-id-noncharacter", connect("02000000 03efbfbf", level=V4), Rule.UTF8_CONTROL),
    *case("will-topic-empty", connect("06000000000000 0000", level=V4), Rule.TOPIC_EMPTY),
    *case(
        "will-topic-wildcard", connect("06000000000001 23 0000", level=V4), Rule.WILL_TOPIC_WILDCARD
    ),
    *case("will-topic-plus", connect("06000000000001 2b 0000", level=V4), Rule.WILL_TOPIC_WILDCARD),
    *case("will-topic-missing", connect("0600000000", level=V4), Rule.TRUNCATED),
    *case("will-payload-missing", connect("06000000000001 61", level=V4), Rule.TRUNCATED),
    *case("username-missing", connect("8200000000", level=V4), Rule.TRUNCATED),
    *case("username-missing-5", connect("820000000000", level=V5), Rule.TRUNCATED),
    *case("username-utf8", connect("82000000000001ff", level=V4), Rule.UTF8),
    *case("password-missing", connect("c200000000000161", level=V4), Rule.TRUNCATED),
    *case("password-short", connect("c20000000000016100 0561", level=V4), Rule.TRUNCATED),
    *case("trailing", connect("0200000000 00", level=V4), Rule.TRAILING),
    *case("trailing-username", connect("0200000000 000161", level=V4), Rule.TRAILING),
    *case("trailing-5", connect("020000000000 00", level=V5), Rule.TRAILING),
    *case("no-properties-5", connect("020000", level=V5), Rule.TRUNCATED),
    *case("overlong-length-5", "108d00 00044d515454 05 02 0000 00 0000", Rule.VARINT_MINIMAL),
    *case("auth-data-alone", connect("020000 04 16000161 0000", level=V5), Rule.AUTH_DATA_ALONE),
    *case("receive-max-0", connect("020000 03 210000 0000", level=V5), Rule.PROPERTY_RANGE),
    *case("packet-size-0", connect("020000 05 2700000000 0000", level=V5), Rule.PROPERTY_RANGE),
    *case("request-problem-2", connect("020000 02 1702 0000", level=V5), Rule.PROPERTY_RANGE),
    *case("request-response-2", connect("020000 02 1902 0000", level=V5), Rule.PROPERTY_RANGE),
    *case(
        "will-delay-outside", connect("020000 05 1800000001 0000", level=V5), Rule.PROPERTY_PLACE
    ),
    *case("topic-alias", connect("020000 03 230001 0000", level=V5), Rule.PROPERTY_PLACE),
    *case(
        "expiry-twice",
        connect("0200000a 1100000001 1100000001 0000", level=V5),
        Rule.PROPERTY_TWICE,
    ),
    *case("property-0", connect("020000 02 0000 0000", level=V5), Rule.PROPERTY_UNKNOWN),
    *case("property-4", connect("020000 02 0400 0000", level=V5), Rule.PROPERTY_UNKNOWN),
    *case(
        "property-overlong", connect("020000 04 97 00 01 00 0000", level=V5), Rule.VARINT_MINIMAL
    ),
    *case("property-cut", connect("020000 02 2100 0000", level=V5), Rule.TRUNCATED),
    *case("properties-past-end", connect("020000 20 0000", level=V5), Rule.PROPERTY_LENGTH),
    *case("properties-length-5-bytes", connect("020000 ffffffff01", level=V5), Rule.VARINT),
    *case("user-property-cut", connect("020000 05 26000161 00 0000", level=V5), Rule.TRUNCATED),
    *case("will-properties-missing", connect("060000000000", level=V5), Rule.TRUNCATED),
    *case(
        "will-expiry-twice",
        connect("0600000000000a 0200000001 0200000001 0001610000", level=V5),
        Rule.PROPERTY_TWICE,
    ),
    *case("will-alias", connect("06000000000003 230001 0001610000", level=V5), Rule.PROPERTY_PLACE),
    *case(
        "will-response-wildcard",
        connect("06000000000004 08000123 0001610000", level=V5),
        Rule.RESPONSE_TOPIC,
    ),
]

PUBLISHES = [
    *case("qos-3", "3605 0001 61 0001", Rule.QOS),
    *case("dup-qos-0", "3803 0001 61", Rule.DUP, OLD),
    *case("dup-qos-0-5", "3804 0001 61 00", Rule.DUP, FIVE),
    *case("no-topic", "3000", Rule.TRUNCATED),
    *case("topic-cut", "3003 0002 61", Rule.TRUNCATED),
    *case("topic-empty", "3002 0000", Rule.TOPIC_EMPTY, OLD),
    *case("topic-empty-5", "3003 0000 00", Rule.NO_TOPIC_NO_ALIAS, FIVE),
    *case("topic-hash", "3003 0001 23", Rule.TOPIC_WILDCARD),
    *case("topic-plus", "3005 0003 612f2b", Rule.TOPIC_WILDCARD),
    *case("topic-null", "3003 0001 00", Rule.UTF8_NULL),
    *case("topic-utf8", "3003 0001 80", Rule.UTF8),
    *case("topic-surrogate", "3005 0003 edbfbf", Rule.UTF8),
    *case("topic-control", "3003 0001 1f", Rule.UTF8_CONTROL),
    *case("topic-control-c1", "3004 0002 c280", Rule.UTF8_CONTROL),
    *case("topic-noncharacter", "3005 0003 efb790", Rule.UTF8_CONTROL),
    *case("packet-id-missing", "3203 0001 61", Rule.TRUNCATED),
    *case("packet-id-cut", "3204 0001 61 00", Rule.TRUNCATED),
    *case("packet-id-0", "3205 0001 61 0000", Rule.PACKET_ID),
    *case("packet-id-0-qos-2", "3405 0001 61 0000", Rule.PACKET_ID),
    *case("no-properties", "3003 0001 61", Rule.TRUNCATED, FIVE),
    *case("alias-0", "3007 0001 61 03 230000", Rule.TOPIC_ALIAS, FIVE),
    *case("alias-twice", "300a 0001 61 06 230001 230001", Rule.PROPERTY_TWICE, FIVE),
    *case("format-2", "3006 0001 61 02 0102", Rule.PROPERTY_RANGE, FIVE),
    *case("format-twice", "3008 0001 61 04 0101 0101", Rule.PROPERTY_TWICE, FIVE),
    *case("expiry-cut", "3008 0001 61 04 02000000", Rule.TRUNCATED, FIVE),
    *case("response-wildcard", "3008 0001 61 04 0800012b", Rule.RESPONSE_TOPIC, FIVE),
    *case("response-empty", "3007 0001 61 03 080000", Rule.TOPIC_EMPTY, FIVE),
    *case("subscription-id-0", "3006 0001 61 02 0b00", Rule.PROPERTY_RANGE, FIVE),
    *case("subscription-id-overlong", "3007 0001 61 03 0b8100", Rule.VARINT_MINIMAL, FIVE),
    *case(
        "subscription-id-client", "3006 0001 61 02 0b01", Rule.SUBSCRIPTION_ID_CLIENT, FIVE, True
    ),
    *case("reason-string", "3008 0001 61 04 1f000161", Rule.PROPERTY_PLACE, FIVE),
    *case("properties-past-end", "3004 0001 61 05", Rule.PROPERTY_LENGTH, FIVE),
    *case("user-property-null", "300b 0001 61 07 26 0001 00 0001 62", Rule.UTF8_NULL, FIVE),
]

ACKS = [
    each
    for first, name, rule, bad in (
        ("40", "puback", Rule.PUBACK_CODE, "92"),
        ("50", "pubrec", Rule.PUBREC_CODE, "01"),
        ("62", "pubrel", Rule.PUBREL_CODE, "80"),
        ("70", "pubcomp", Rule.PUBCOMP_CODE, "10"),
    )
    for each in (
        *case(f"{name}-empty", f"{first}00", Rule.TRUNCATED),
        *case(f"{name}-cut", f"{first}0100", Rule.TRUNCATED),
        *case(f"{name}-packet-id-0", f"{first}020000", Rule.PACKET_ID),
        *case(f"{name}-trailing", f"{first}03000100", Rule.TRAILING, OLD),
        *case(f"{name}-code", f"{first}030001{bad}", rule, FIVE),
        *case(f"{name}-code-reserved", f"{first}0400010500", rule, FIVE),
        *case(f"{name}-trailing-5", f"{first}050001000000", Rule.TRAILING, FIVE),
        *case(f"{name}-place", f"{first}07 0001 00 03 230001", Rule.PROPERTY_PLACE, FIVE),
        *case(
            f"{name}-twice", f"{first}0c 0001 00 08 1f000161 1f000161", Rule.PROPERTY_TWICE, FIVE
        ),
        *case(f"{name}-past-end", f"{first}04 0001 00 01", Rule.PROPERTY_LENGTH, FIVE),
    )
] + [
    *case("puback-code-of-server", "4003000110", Rule.PUBACK_CODE, FIVE, True),
    *case("pubrec-code-of-server", "5003000110", Rule.PUBREC_CODE, FIVE, True),
]

SUBSCRIBES = [
    *case("no-body", "8200", Rule.TRUNCATED),
    *case("packet-id-0", "8206 0000 0001 61 00", Rule.PACKET_ID),
    *case("no-filter", "8202 0001", Rule.SUBSCRIBE_EMPTY, OLD),
    *case("no-filter-5", "8203 0001 00", Rule.SUBSCRIBE_EMPTY, FIVE),
    *case("no-options", "8205 0001 0001 61", Rule.TRUNCATED, OLD),
    *case("filter-empty", "8205 0001 0000 00", Rule.TOPIC_EMPTY, OLD),
    *case("filter-empty-5", "8206 0001 00 0000 00", Rule.TOPIC_EMPTY, FIVE),
    *case("qos-3", "8206 0001 0001 61 03", Rule.SUBSCRIBE_QOS, OLD),
    *case("qos-3-v5", "8207 0001 00 0001 61 03", Rule.SUBSCRIBE_QOS, FIVE),
    *case("options-old", "8206 0001 0001 61 04", Rule.SUBSCRIBE_RESERVED, OLD),
    *case("options-80", "8207 0001 00 0001 61 80", Rule.SUBSCRIBE_RESERVED, FIVE),
    *case("options-40", "8207 0001 00 0001 61 40", Rule.SUBSCRIBE_RESERVED, FIVE),
    *case("retain-handling-3", "8207 0001 00 0001 61 30", Rule.RETAIN_HANDLING, FIVE),
    *case("hash-inside", "8208 0001 0003 232f61 00", Rule.FILTER_HASH, OLD),
    *case("hash-glued", "8207 0001 0002 6123 00", Rule.FILTER_HASH, OLD),
    *case("hash-twice", "8208 0001 0003 232f23 00", Rule.FILTER_HASH, OLD),
    *case("plus-glued", "8207 0001 0002 612b 00", Rule.FILTER_PLUS, OLD),
    *case("plus-glued-5", "8208 0001 00 0002 2b61 00", Rule.FILTER_PLUS, FIVE),
    *case("filter-null", "8206 0001 0001 00 00", Rule.UTF8_NULL, OLD),
    *case("filter-utf8-5", "8207 0001 00 0001 ff 00", Rule.UTF8, FIVE),
    *case("second-filter-cut", "8208 0001 0001 61 00 0001", Rule.TRUNCATED, OLD),
    *case(
        "share-no-local", "8210 0001 00 000a 2473686172652f672f61 04", Rule.NO_LOCAL_SHARED, FIVE
    ),
    *case("share-no-name", "820f 0001 00 0009 2473686172652f2f61 00", Rule.SHARE_NAME, FIVE),
    *case(
        "share-name-wildcard", "8210 0001 00 000a 2473686172652f2b2f61 00", Rule.SHARE_NAME, FIVE
    ),
    *case("share-no-filter", "820e 0001 00 0008 2473686172652f67 00", Rule.SHARE_FILTER, FIVE),
    *case("share-filter-empty", "820f 0001 00 0009 2473686172652f672f 00", Rule.TOPIC_EMPTY, FIVE),
    *case("id-0", "8209 0001 02 0b00 0001 61 00", Rule.PROPERTY_RANGE, FIVE),
    *case("id-twice", "820b 0001 04 0b01 0b02 0001 61 00", Rule.PROPERTY_TWICE, FIVE),
    *case("id-five-bytes", "820d 0001 06 0bffffffff01 0001 61 00", Rule.VARINT, FIVE),
    *case("reason-string", "820b 0001 04 1f000161 0001 61 00", Rule.PROPERTY_PLACE, FIVE),
    *case("unsubscribe-packet-id-0", "a205 0000 0001 61", Rule.PACKET_ID),
    *case("unsubscribe-no-filter", "a202 0001", Rule.UNSUBSCRIBE_EMPTY, OLD),
    *case("unsubscribe-no-filter-5", "a203 0001 00", Rule.UNSUBSCRIBE_EMPTY, FIVE),
    *case("unsubscribe-empty", "a204 0001 0000", Rule.TOPIC_EMPTY, OLD),
    *case("unsubscribe-cut", "a204 0001 0001", Rule.TRUNCATED, OLD),
    *case("unsubscribe-hash", "a206 0001 0002 6123", Rule.FILTER_HASH, OLD),
    *case("unsubscribe-id", "a208 0001 02 0b01 0001 61", Rule.PROPERTY_PLACE, FIVE),
    *case("suback-empty", "9002 0001", Rule.SUBACK_EMPTY, OLD),
    *case("suback-empty-5", "9003 0001 00", Rule.SUBACK_EMPTY, FIVE),
    *case("suback-code-3", "9003 0001 03", Rule.SUBACK_CODE, OLD),
    *case("suback-80-in-3.1", "9003 0001 80", Rule.SUBACK_CODE, (3,)),
    *case("suback-81", "9003 0001 81", Rule.SUBACK_CODE, OLD),
    *case("suback-code-5", "9004 0001 00 81", Rule.SUBACK_CODE, FIVE),
    *case("suback-packet-id-0", "9003 0000 00", Rule.PACKET_ID),
    *case("unsuback-trailing", "b003 0001 00", Rule.TRAILING, OLD),
    *case("unsuback-empty-5", "b003 0001 00", Rule.UNSUBACK_EMPTY, FIVE),
    *case("unsuback-no-properties-5", "b002 0001", Rule.TRUNCATED, FIVE),
    *case("unsuback-code", "b004 0001 00 01", Rule.UNSUBACK_CODE, FIVE),
]

OTHERS = [
    *case("connack-flag-2", "20020200", Rule.CONNACK_FLAGS, OLD),
    *case("connack-flag-5", "2003020000", Rule.CONNACK_FLAGS, FIVE),
    *case("connack-code-6", "20020006", Rule.CONNACK_CODE, OLD),
    *case("connack-code-5", "2003000100", Rule.CONNACK_CODE, FIVE),
    *case("connack-code-8b", "2003008b00", Rule.CONNACK_CODE, FIVE),
    *case("connack-session-refused", "20020105", Rule.SESSION_PRESENT, OLD),
    *case("connack-session-refused-5", "2003018700", Rule.SESSION_PRESENT, FIVE),
    *case("connack-no-properties", "20020000", Rule.TRUNCATED, FIVE),
    *case("connack-trailing", "2003000000", Rule.TRAILING, OLD),
    *case("connack-max-qos-2", "2005000002 2402", Rule.PROPERTY_RANGE, FIVE),
    *case("connack-retain-2", "2005000002 2502", Rule.PROPERTY_RANGE, FIVE),
    *case("connack-receive-max-0", "2006000003 210000", Rule.PROPERTY_RANGE, FIVE),
    *case("connack-will-delay", "2008000005 1800000000", Rule.PROPERTY_PLACE, FIVE),
    *case("disconnect-body", "e00100", Rule.TRAILING, OLD),
    *case("disconnect-code-1", "e00101", Rule.DISCONNECT_CODE, FIVE),
    *case("disconnect-code-84", "e00184", Rule.DISCONNECT_CODE, FIVE),
    *case("disconnect-code-of-server", "e0018b", Rule.DISCONNECT_CODE, FIVE, True),
    *case("disconnect-code-of-client", "e00104", Rule.DISCONNECT_CODE, FIVE, False),
    *case(
        "disconnect-expiry-of-server", "e0078b051100000001", Rule.SESSION_EXPIRY_SERVER, FIVE, False
    ),
    *case("disconnect-trailing", "e003000000", Rule.TRAILING, FIVE),
    *case("auth-code-1", "f006010415000161", Rule.AUTH_CODE, FIVE),
    *case("auth-no-method", "f0021800", Rule.AUTH_METHOD, FIVE),
    *case("auth-no-properties", "f00118", Rule.TRUNCATED, FIVE),
    *case("auth-success-of-client", "f000", Rule.AUTH_CODE, FIVE, True),
    *case("auth-again-of-server", "f006190415000161", Rule.AUTH_CODE, FIVE, False),
]

SENDERS = [
    *case("connect-of-server", connect("0200000000", level=V4), Rule.SENDER, ALL, False),
    *case("connack-of-client", "20020000", Rule.SENDER, ALL, True),
    *case("subscribe-of-server", "8206 0001 0001 61 00", Rule.SENDER, ALL, False),
    *case("suback-of-client", "9003 0001 00", Rule.SENDER, ALL, True),
    *case("unsubscribe-of-server", "a205 0001 0001 61", Rule.SENDER, ALL, False),
    *case("unsuback-of-client", "b002 0001", Rule.SENDER, ALL, True),
    *case("pingreq-of-server", "c000", Rule.SENDER, ALL, False),
    *case("pingresp-of-client", "d000", Rule.SENDER, ALL, True),
    *case("disconnect-of-server", "e000", Rule.SENDER, OLD, False),
]


@pytest.mark.parametrize(
    ("packet", "version", "rule", "from_client"),
    [*FRAMING, *CONNECTS, *PUBLISHES, *ACKS, *SUBSCRIBES, *OTHERS, *SENDERS],
)
def test_is_refused_with_its_rule(packet, version, rule, from_client):
    with pytest.raises(RemoteProtocolError) as caught:
        decode(packet, version, from_client=from_client)
    assert caught.value.rule is rule
    assert caught.value.paragraph
    assert caught.value.reason_code is not None


def test_a_packet_before_connect_is_refused():
    with pytest.raises(RemoteProtocolError) as caught:
        decode(bytes.fromhex("c000"), None)
    assert caught.value.rule is Rule.CONNECT_FIRST


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_cites_the_standard(rule):
    clause = rule.clause
    assert clause.text
    if rule is not Rule.FIELD:
        assert clause.v5.startswith(("[MQTT-", "5.0 §"))
        assert rule.paragraph(None) == clause.v5
    for old, start in ((clause.v31, "3.1 "), (clause.v311, ("3.1.1 §", "[MQTT-"))):
        assert not old or old.startswith(start)


BY_THE_TEXT = {
    Rule.FLAGS: 0x81,  # 5.0 §2.1.3
    Rule.PROPERTY_UNKNOWN: 0x81,  # §2.2.2.2
    Rule.PROPERTY_PLACE: 0x81,  # §2.2.2.2
    Rule.PROPERTY_TWICE: 0x82,  # each property's own section
    Rule.CONNECT_RESERVED: 0x81,  # §3.1.2.3
    Rule.PROTOCOL_VERSION: 0x84,  # §3.1.2.2
    Rule.CLIENT_ID_EMPTY: 0x85,  # §3.1.3.1
    Rule.QOS: 0x81,  # §3.3.1.2
    Rule.TOPIC_ALIAS: 0x94,  # §3.3.2.3.4
    Rule.TOPIC_WILDCARD: 0x81,  # 0x90 is for correctly formed ones, §2.4
    Rule.FILTER_HASH: 0x81,  # 0x8f is for correctly formed ones, §2.4
    Rule.FILTER_PLUS: 0x81,
    Rule.SUBSCRIBE_EMPTY: 0x82,  # §3.8.3
    Rule.SUBSCRIBE_QOS: 0x82,  # §3.8.3.1
    Rule.SUBSCRIBE_RESERVED: 0x81,  # §3.8.3.1
    Rule.RETAIN_HANDLING: 0x82,  # §3.8.3.1
    Rule.NO_LOCAL_SHARED: 0x82,  # §3.8.3.1
    Rule.UNSUBSCRIBE_EMPTY: 0x82,  # §3.10.3
    Rule.RECEIVE_MAXIMUM: 0x93,  # §3.3.4
    Rule.PACKET_TOO_LARGE: 0x95,  # §3.1.2.11.4
    Rule.MAXIMUM_QOS: 0x9B,  # §3.2.2.3.4
    Rule.RETAIN_UNAVAILABLE: 0x9A,  # §3.2.2.3.5
}


@pytest.mark.parametrize(("rule", "code"), BY_THE_TEXT.items(), ids=lambda each: str(each)[-20:])
def test_the_reason_code_is_the_one_that_the_standard_names(rule, code):
    assert rule.clause.reason_code == code

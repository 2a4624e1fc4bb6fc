"""The rules that a packet can break, each with where the standard has it, version by version.

Numbered statements stand in brackets as the standards number them (3.1.1 and 5.0, appendix B);
where there is none, the section. MQTT 3.1 has sections only.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from overflight_contract.mqtt.vocabulary import Version

_MALFORMED = 0x81
_PROTOCOL = 0x82


class Clause(NamedTuple):
    """A rule in words, where the standards say it, and the version 5 code that answers it."""

    text: str
    v31: str
    v311: str
    v5: str
    reason_code: int = _MALFORMED


def _five(text: str, paragraph: str, reason_code: int = _PROTOCOL) -> Clause:
    """State a rule that only version 5 has."""
    return Clause(text, "", "", paragraph, reason_code)


class Rule(enum.Enum):
    """One rule each; the name is stable."""

    # framing
    TYPE = Clause(
        "packet type 0 is reserved; 15 too, before version 5",
        "3.1 §2.1",
        "3.1.1 §2.2.1",
        "5.0 §2.1.2",
    )
    FLAGS = Clause(
        "reserved flags of the fixed header are as the table has them",
        "3.1 §2.1",
        "[MQTT-2.2.2-2]",
        "[MQTT-2.1.3-1]",
    )
    REMAINING_LENGTH = Clause(
        "the remaining length has at most four bytes", "3.1 §2.1", "3.1.1 §2.2.3", "5.0 §2.1.4"
    )
    VARINT_MINIMAL = _five(
        "variable byte integers are spelt as short as they go", "[MQTT-1.5.5-1]", _MALFORMED
    )
    VARINT = Clause(
        "variable byte integers have at most four bytes", "3.1 §2.1", "3.1.1 §2.2.3", "5.0 §1.5.5"
    )
    TRUNCATED = Clause(
        "every field ends within the packet", "3.1 §2.1", "3.1.1 §2.2.3", "5.0 §2.1.4"
    )
    TRAILING = Clause("nothing follows the last field", "3.1 §2.1", "3.1.1 §2.2.3", "5.0 §2.1.4")
    SENDER = Clause(
        "some types only a client sends, some only a server",
        "3.1 §2.1",
        "3.1.1 §2.2.1",
        "5.0 §2.1.2",
        _PROTOCOL,
    )
    # text
    UTF8 = Clause(
        "strings are well-formed UTF-8 without surrogates",
        "3.1 §2.5",
        "[MQTT-1.5.3-1]",
        "[MQTT-1.5.4-1]",
    )
    UTF8_NULL = Clause("strings are without U+0000", "3.1 §2.5", "[MQTT-1.5.3-2]", "[MQTT-1.5.4-2]")
    UTF8_CONTROL = Clause(
        "strings are without control characters and non-characters (a receiver may refuse them)",
        "3.1 §2.5",
        "3.1.1 §1.5.3",
        "5.0 §1.5.4",
    )
    # packet identifiers and topics; 0x8f and 0x90 are for well-formed ones that are not accepted
    PACKET_ID = Clause("a packet id is not 0", "3.1 §2.4", "[MQTT-2.3.1-1]", "[MQTT-2.2.1-3]")
    TOPIC_EMPTY = Clause(
        "topic names and topic filters have at least one character",
        "3.1 A",
        "[MQTT-4.7.3-1]",
        "[MQTT-4.7.3-1]",
    )
    TOPIC_WILDCARD = Clause(
        "a topic that is published to has no wildcard",
        "3.1 A",
        "[MQTT-3.3.2-2]",
        "[MQTT-3.3.2-2]",
    )
    WILL_TOPIC_WILDCARD = Clause(
        "the topic of a will has no wildcard", "3.1 A", "[MQTT-4.7.1-1]", "[MQTT-4.7.0-1]"
    )
    FILTER_HASH = Clause(
        "in a topic filter, # stands alone in the last level",
        "3.1 A",
        "[MQTT-4.7.1-2]",
        "[MQTT-4.7.1-1]",
    )
    FILTER_PLUS = Clause(
        "in a topic filter, + fills its level", "3.1 A", "[MQTT-4.7.1-3]", "[MQTT-4.7.1-2]"
    )
    SHARE_NAME = _five("a shared subscription has a share name without / + #", "[MQTT-4.8.2-1]")
    SHARE_FILTER = _five("behind the share name stand a / and a topic filter", "[MQTT-4.8.2-2]")
    # properties
    PROPERTY_UNKNOWN = _five(
        "a property has an identifier of the table", "5.0 §2.2.2.2", _MALFORMED
    )
    PROPERTY_PLACE = _five(
        "a property stands in a packet that may have it", "5.0 §2.2.2.2", _MALFORMED
    )
    PROPERTY_TWICE = _five(
        "only user properties, and subscription identifiers of a PUBLISH, stand there twice",
        "5.0 §2.2.2.2",
    )
    PROPERTY_RANGE = _five("the value of a property is in its range", "5.0 §2.2.2.2")
    PROPERTY_LENGTH = _five("the properties end within the packet", "5.0 §2.2.2.1", _MALFORMED)
    # CONNECT and CONNACK
    CONNECT_FIRST = Clause(
        "the first packet of a client is CONNECT",
        "3.1 §3.1",
        "[MQTT-3.1.0-1]",
        "[MQTT-3.1.0-1]",
        _PROTOCOL,
    )
    CONNECT_TWICE = Clause(
        "a client sends CONNECT once", "3.1 §3.1", "[MQTT-3.1.0-2]", "[MQTT-3.1.0-2]", _PROTOCOL
    )
    PROTOCOL_NAME = Clause(
        "the protocol name is MQTT, in 3.1 MQIsdp",
        "3.1 §3.1",
        "[MQTT-3.1.2-1]",
        "[MQTT-3.1.2-1]",
        0x84,
    )
    PROTOCOL_VERSION = Clause(
        "the protocol version is 3, 4 or 5, with its name",
        "3.1 §3.1",
        "[MQTT-3.1.2-2]",
        "[MQTT-3.1.2-2]",
        0x84,
    )
    CONNECT_RESERVED = Clause(
        "the reserved connect flag is 0", "3.1 §3.1", "[MQTT-3.1.2-3]", "[MQTT-3.1.2-3]"
    )
    WILL_QOS_UNUSED = Clause(
        "without a will there is no will QoS", "3.1 §3.1", "[MQTT-3.1.2-13]", "[MQTT-3.1.2-11]"
    )
    WILL_QOS = Clause("the will QoS is 0, 1 or 2", "3.1 §3.1", "[MQTT-3.1.2-14]", "[MQTT-3.1.2-12]")
    WILL_RETAIN_UNUSED = Clause(
        "without a will there is no will retain flag",
        "3.1 §3.1",
        "[MQTT-3.1.2-15]",
        "[MQTT-3.1.2-13]",
    )
    PASSWORD_ALONE = Clause(
        "before version 5, a password comes with a user name",
        "3.1 §3.1",
        "[MQTT-3.1.2-22]",
        "[MQTT-3.1.2-18]",
    )
    CLIENT_ID_EMPTY = Clause(
        "an empty client id needs a clean session; 3.1 has none",
        "3.1 §3.1",
        "[MQTT-3.1.3-7]",
        "[MQTT-3.1.3-5]",
        0x85,
    )
    AUTH_DATA_ALONE = _five("authentication data come with a method", "5.0 §3.1.2.11.10")
    CONNACK_FLAGS = Clause(
        "reserved acknowledge flags are 0", "3.1 §3.2", "3.1.1 §3.2.2.1", "[MQTT-3.2.2-1]"
    )
    SESSION_PRESENT = Clause(
        "a refusing CONNACK has no session present",
        "3.1 §3.2",
        "[MQTT-3.2.2-4]",
        "[MQTT-3.2.2-6]",
        _PROTOCOL,
    )
    CONNACK_CODE = Clause(
        "CONNACK has a code of its table", "3.1 §3.2", "3.1.1 §3.2.2.3", "[MQTT-3.2.2-8]", _PROTOCOL
    )
    # PUBLISH and its acknowledgements
    QOS = Clause("QoS is 0, 1 or 2", "3.1 §2.1", "[MQTT-3.3.1-4]", "[MQTT-3.3.1-4]")
    DUP = Clause(
        "a PUBLISH of QoS 0 is never a duplicate",
        "3.1 §2.1",
        "[MQTT-3.3.1-2]",
        "[MQTT-3.3.1-2]",
        _PROTOCOL,
    )
    NO_TOPIC_NO_ALIAS = _five("an empty topic comes with a topic alias", "5.0 §3.3.2.1")
    TOPIC_ALIAS = _five(
        "a topic alias is neither 0 nor over the maximum that the receiver allows",
        "[MQTT-3.3.2-8]",
        0x94,
    )
    TOPIC_ALIAS_UNKNOWN = _five(
        "a topic alias was given a topic before it stands alone", "5.0 §3.3.2.3.4", 0x94
    )
    RESPONSE_TOPIC = _five("a response topic has no wildcard", "[MQTT-3.3.2-14]")
    SUBSCRIPTION_ID_CLIENT = _five(
        "a PUBLISH of a client has no subscription identifier", "[MQTT-3.3.4-6]"
    )
    PUBACK_CODE = _five("PUBACK has a code of its table", "[MQTT-3.4.2-1]")
    PUBREC_CODE = _five("PUBREC has a code of its table", "[MQTT-3.5.2-1]")
    PUBREL_CODE = _five("PUBREL has a code of its table", "[MQTT-3.6.2-1]")
    PUBCOMP_CODE = _five("PUBCOMP has a code of its table", "[MQTT-3.7.2-1]")
    # SUBSCRIBE, UNSUBSCRIBE and their acknowledgements
    SUBSCRIBE_EMPTY = Clause(
        "SUBSCRIBE has a topic filter", "3.1 §3.8", "[MQTT-3.8.3-3]", "[MQTT-3.8.3-2]", _PROTOCOL
    )
    SUBSCRIBE_RESERVED = Clause(
        "reserved subscription options are 0", "3.1 §3.8", "[MQTT-3-8.3-4]", "[MQTT-3.8.3-5]"
    )
    SUBSCRIBE_QOS = Clause(
        "a subscription asks for QoS 0, 1 or 2",
        "3.1 §3.8",
        "[MQTT-3-8.3-4]",
        "5.0 §3.8.3.1",
        _PROTOCOL,
    )
    RETAIN_HANDLING = _five("retain handling is 0, 1 or 2", "5.0 §3.8.3.1")
    NO_LOCAL_SHARED = _five("a shared subscription has no local unset", "[MQTT-3.8.3-4]")
    SUBACK_CODE = Clause(
        "SUBACK has codes of its table", "3.1 §3.9", "[MQTT-3.9.3-2]", "[MQTT-3.9.3-2]", _PROTOCOL
    )
    SUBACK_EMPTY = Clause(
        "SUBACK has a code for each topic filter",
        "3.1 §3.9",
        "[MQTT-3.8.4-5]",
        "[MQTT-3.8.4-6]",
        _PROTOCOL,
    )
    UNSUBSCRIBE_EMPTY = Clause(
        "UNSUBSCRIBE has a topic filter",
        "3.1 §3.10",
        "[MQTT-3.10.3-2]",
        "[MQTT-3.10.3-2]",
        _PROTOCOL,
    )
    UNSUBACK_CODE = _five("UNSUBACK has codes of its table", "[MQTT-3.11.3-2]")
    UNSUBACK_EMPTY = _five("UNSUBACK has a code for each topic filter", "[MQTT-3.11.3-1]")
    # DISCONNECT and AUTH
    DISCONNECT_CODE = _five("DISCONNECT has a code of its table", "[MQTT-3.14.2-1]")
    SESSION_EXPIRY_SERVER = _five(
        "a DISCONNECT of a server has no session expiry interval", "[MQTT-3.14.2-2]"
    )
    AUTH_CODE = _five("AUTH has a code of its table", "[MQTT-3.15.2-1]")
    AUTH_METHOD = _five("AUTH names its authentication method", "5.0 §3.15.2.2.2")
    # what only a conversation shows
    BEFORE_CONNACK = Clause(
        "a client that authenticates sends nothing but AUTH before CONNACK",
        "3.1 §3.1",
        "3.1.1 §3.1.4",
        "[MQTT-3.1.4-5]",
        _PROTOCOL,
    )
    CONNACK_FIRST = Clause(
        "the first packet of a server is CONNACK, in version 5 perhaps AUTH",
        "3.1 §3.2",
        "[MQTT-3.2.0-1]",
        "[MQTT-3.2.0-1]",
        _PROTOCOL,
    )
    CONNACK_TWICE = Clause(
        "a server sends CONNACK once", "3.1 §3.2", "3.1.1 §3.2", "[MQTT-3.2.0-2]", _PROTOCOL
    )
    AFTER_DISCONNECT = Clause(
        "nothing follows DISCONNECT", "3.1 §3.14", "[MQTT-3.14.4-2]", "[MQTT-3.14.4-1]", _PROTOCOL
    )
    PACKET_ID_IN_USE = Clause(
        "a packet id that is in flight is not given to another packet",
        "3.1 §2.4",
        "[MQTT-2.3.1-2]",
        "[MQTT-2.2.1-3]",
        0x91,
    )
    PACKET_ID_UNKNOWN = Clause(
        "an acknowledgement answers a packet that is in flight",
        "3.1 §4.1",
        "[MQTT-4.3.2-1]",
        "5.0 §4.3",
        0x92,
    )
    RECEIVE_MAXIMUM = _five(
        "not more of QoS 1 and 2 are in flight than the receiver allows", "[MQTT-3.3.4-9]", 0x93
    )
    KEEP_ALIVE = Clause(
        "a client is silent for at most one and a half times its keep-alive",
        "3.1 §3.1",
        "[MQTT-3.1.2-24]",
        "[MQTT-3.1.2-22]",
        0x8D,
    )
    PACKET_TOO_LARGE = _five(
        "a packet is not larger than the receiver allows", "[MQTT-3.1.2-24]", 0x95
    )
    MAXIMUM_QOS = _five(
        "a client publishes with at most the server's maximum QoS", "[MQTT-3.2.2-11]", 0x9B
    )
    RETAIN_UNAVAILABLE = _five(
        "a client retains nothing where the server does not", "[MQTT-3.2.2-14]", 0x9A
    )
    SESSION_EXPIRY_ZERO = _five(
        "DISCONNECT gives no session expiry where CONNECT gave 0", "5.0 §3.14.2.2.2"
    )
    # ours alone: values that do not fit the field that they go into
    FIELD = Clause("a value fits its field (ours alone, when encoding)", "", "", "")

    @property
    def clause(self) -> Clause:
        """The rule in words, and where it stands."""
        return self.value

    def paragraph(self, version: Version | None) -> str:
        """Cite the standard in `version`; the newest where it is not known yet."""
        clause = self.clause
        if version is Version.V31:
            return clause.v31 or clause.v5
        if version is Version.V311:
            return clause.v311 or clause.v5
        return clause.v5

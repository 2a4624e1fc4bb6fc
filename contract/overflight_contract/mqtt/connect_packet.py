"""CONNECT: the packet with the most parts (MQTT 5.0 §3.1)."""

from __future__ import annotations

from typing import NamedTuple

from overflight_contract.mqtt.errors import RemoteProtocolError
from overflight_contract.mqtt.packets import Connect, Will
from overflight_contract.mqtt.properties import WILL, Properties, read_properties
from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.topic_names import check_name
from overflight_contract.mqtt.vocabulary import PROTOCOL_NAMES, PacketType, Version
from overflight_contract.mqtt.wire import Reader

CLEAN_START, WILL_FLAG, WILL_RETAIN = 0x02, 0x04, 0x20
PASSWORD_FLAG, USERNAME_FLAG = 0x40, 0x80


class _Flags(NamedTuple):
    clean_start: bool
    will: bool
    will_qos: int
    will_retain: bool
    password: bool
    username: bool


def read_connect(reader: Reader) -> Connect:
    """Read the body of a CONNECT; from here on `reader` knows the version."""
    name = _version(reader)
    version = reader.version
    assert version is not None
    flags = _flags(reader)
    keep_alive = reader.u16("keep alive")
    five = version is Version.V5
    properties = read_properties(reader, PacketType.CONNECT, from_client=True) if five else None
    client_id = _client_id(reader, flags)
    will = _will(reader, flags) if flags.will else None
    username, password = _credentials(reader, flags)
    reader.done()
    return Connect(
        client_id=client_id,
        clean_start=flags.clean_start,
        keep_alive=keep_alive,
        username=username,
        password=password,
        will=will,
        version=version,
        protocol_name=name,
        properties=properties,
    )


def peek_connect(body: bytes) -> tuple[Version, str] | None:
    """Return the version and client id that the start of a CONNECT's body claims.

    For one that is malformed further on, or not all there: what follows it can then be read. The
    client id is empty where it is not there; `None` where no version is. The high bit of the
    version, by which mosquitto's bridges know each other, is passed over.
    """
    reader = Reader(body, 0, len(body), None)
    try:
        name = reader.text("protocol name")
        level = reader.u8("protocol version") & 0x7F
        version = next(v for v in Version if level == v and name == PROTOCOL_NAMES[v])
    except (RemoteProtocolError, StopIteration):
        return None
    try:
        reader.take(3, "connect flags and keep alive")
        if version is Version.V5:
            reader.take(reader.varint("property length"), "properties")
        client_id = reader.binary("client id").decode("utf-8", "backslashreplace")
    except RemoteProtocolError:
        client_id = ""
    return version, client_id


def _version(reader: Reader) -> str:
    name = reader.text("protocol name")
    if name not in PROTOCOL_NAMES.values():
        raise reader.error(Rule.PROTOCOL_NAME, f"the protocol name is {name[:16]!r}")
    level = reader.u8("protocol version")
    for version, its_name in PROTOCOL_NAMES.items():
        if level == version and name == its_name:
            reader.version = version
            return name
    raise reader.error(Rule.PROTOCOL_VERSION, f"no version {level} of {name!r} is known")


def _flags(reader: Reader) -> _Flags:
    byte = reader.u8("connect flags")
    flags = _Flags(
        bool(byte & CLEAN_START),
        bool(byte & WILL_FLAG),
        byte >> 3 & 3,
        bool(byte & WILL_RETAIN),
        bool(byte & PASSWORD_FLAG),
        bool(byte & USERNAME_FLAG),
    )
    version = reader.version
    if flags.will_qos == 3:
        raise reader.error(Rule.WILL_QOS, "the will has QoS 3")
    if version is not Version.V5 and flags.password and not flags.username:
        raise reader.error(Rule.PASSWORD_ALONE, "CONNECT has a password without a user name")
    if version is Version.V31:
        return flags  # there, unused bits may be anything (3.1 §3.1)
    if byte & 1:
        raise reader.error(Rule.CONNECT_RESERVED, "the reserved connect flag is set")
    if flags.will_qos and not flags.will:
        raise reader.error(Rule.WILL_QOS_UNUSED, "there is a will QoS but no will")
    if flags.will_retain and not flags.will:
        raise reader.error(Rule.WILL_RETAIN_UNUSED, "there is a will retain flag but no will")
    return flags


def _client_id(reader: Reader, flags: _Flags) -> str:
    client_id = reader.text("client id")
    if client_id or reader.version is Version.V5:
        return client_id
    if reader.version is Version.V31 or not flags.clean_start:
        raise reader.error(Rule.CLIENT_ID_EMPTY, "the client id is empty")
    return client_id


def _will(reader: Reader, flags: _Flags) -> Will:
    properties: Properties | None = None
    if reader.version is Version.V5:
        properties = read_properties(reader, WILL, from_client=True)
    topic = reader.text("will topic")
    check_name(reader, topic, "will topic", Rule.WILL_TOPIC_WILDCARD)
    return Will(
        topic=topic,
        payload=reader.binary("will payload"),
        qos=flags.will_qos,
        retain=flags.will_retain,
        properties=properties,
    )


def _credentials(reader: Reader, flags: _Flags) -> tuple[str | None, bytes | None]:
    """Read user name and password; in 3.1 both may be missing behind their flags (3.1 §3.1)."""
    lenient = reader.version is Version.V31
    username = password = None
    if flags.username and (reader.left or not lenient):
        username = reader.text("user name")
    if flags.password and (reader.left or not lenient):
        password = reader.binary("password")
    return username, password

"""What the first bytes of a packet already show to be wrong, before the rest of it has come."""

from __future__ import annotations

from typing import Final

from overflight_contract.mqtt.errors import RemoteProtocolError
from overflight_contract.mqtt.framing import FIRST_BYTE, bad_first_byte
from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.vocabulary import SERVER_ONLY, PacketType, Version

_NO_BODY: Final = frozenset({PacketType.PINGREQ, PacketType.PINGRESP})
_ACKS: Final = frozenset(
    {PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBREL, PacketType.PUBCOMP}
)
_TYPES: Final = (None, *PacketType)


def begun_at(data: bytes) -> int:
    """Return where the packet begins that `data` ends in the middle of; else its length.

    A header that is not right ends the search: the framer, which gets all before, will say so.
    """
    pos, size = 0, len(data)
    while pos < size:
        if FIRST_BYTE[data[pos]] is not None:
            return size
        length, at, shift = 0, pos + 1, 0
        while True:
            if at >= size:
                return pos
            byte = data[at]
            length |= (byte & 127) << shift
            at += 1
            shift += 7
            if byte < 128:
                break
            if shift > 21:
                return size
        if at + length > size:
            return pos
        pos = at + length
    return size


def check_begun(data: bytes, version: Version | None) -> None:
    """Check the start of a packet of a client; raises `RemoteProtocolError`.

    `data` is what has come of it, `version` that of its connection, `None` before its CONNECT.
    Who waits for the rest of such a packet waits in vain, or for up to 256 MB, while a broker
    would have closed the connection.
    """
    first = data[0]
    kind = _TYPES[first >> 4]
    if kind is None or FIRST_BYTE[first] is not None:
        raise bad_first_byte(first, version)
    if version is None:
        if kind is not PacketType.CONNECT:
            detail = f"{kind.name} comes before a CONNECT"
            raise RemoteProtocolError(Rule.CONNECT_FIRST, None, detail)
        return
    if kind is PacketType.PUBLISH:
        return
    if kind is PacketType.CONNECT:
        detail = "the client can't send CONNECT again"
        raise RemoteProtocolError(Rule.CONNECT_TWICE, version, detail)
    if kind in SERVER_ONLY:
        raise RemoteProtocolError(Rule.SENDER, version, f"a client never sends {kind.name}")
    if kind is PacketType.AUTH and version is not Version.V5:
        detail = "packet type 15 is reserved before version 5"
        raise RemoteProtocolError(Rule.TYPE, version, detail)
    _check_length(data, kind, version)


def _check_length(data: bytes, kind: PacketType, version: Version) -> None:
    """Check a remaining length, if it is there, where the type leaves no choice."""
    old = version is not Version.V5
    if kind in _NO_BODY or (old and kind is PacketType.DISCONNECT):
        length = 0
    elif old and kind in _ACKS:
        length = 2
    else:
        return
    spelt = 0
    for shift, byte in enumerate(data[1:5]):
        spelt |= (byte & 127) << 7 * shift
        if byte < 128:
            if spelt > length:
                detail = f"{kind.name} has a body of {spelt} bytes"
                raise RemoteProtocolError(Rule.TRAILING, version, detail)
            return

"""MQTT 3.1, 3.1.1 and 5 without any I/O: bytes in, packets out, and back.

`Framer` cuts a stream into packets, `decode` and `encode` turn one packet into a typed value and
back, `split_publish` is the fast path that takes only what a policy needs. Everything that the
standard forbids is a `RemoteProtocolError` with the paragraph that forbids it.
"""

from overflight_contract.mqtt.decoding import Header, decode, read_header
from overflight_contract.mqtt.encoding import encode, encode_publish
from overflight_contract.mqtt.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from overflight_contract.mqtt.framing import Framed, Framer, Oversize, Piece, split_publish
from overflight_contract.mqtt.packets import (
    Acknowledgement,
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    PingReq,
    PingResp,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Will,
)
from overflight_contract.mqtt.properties import Properties
from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.topic_names import matches
from overflight_contract.mqtt.vocabulary import PacketType, Version

__all__ = [
    "Acknowledgement",
    "Auth",
    "ConnAck",
    "Connect",
    "Disconnect",
    "Framed",
    "Framer",
    "Header",
    "LocalProtocolError",
    "Oversize",
    "Packet",
    "PacketType",
    "Piece",
    "PingReq",
    "PingResp",
    "Properties",
    "ProtocolError",
    "PubAck",
    "PubComp",
    "PubRec",
    "PubRel",
    "Publish",
    "RemoteProtocolError",
    "Rule",
    "SubAck",
    "Subscribe",
    "Subscription",
    "UnsubAck",
    "Unsubscribe",
    "Version",
    "Will",
    "decode",
    "encode",
    "encode_publish",
    "matches",
    "read_header",
    "split_publish",
]

"""The audit's own reader of packets: whatever the bytes, its fields cover them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_contract import mqtt
from overflight_ground.audit import walk

V311, V5 = mqtt.Version.V311, mqtt.Version.V5


def covers(packet: bytes, version: int) -> list[walk.Field]:
    fields = walk.walk(packet, version)
    at = 0
    for field in fields:
        assert field.start == at
        at = field.end
    assert at == len(packet)
    return fields


@given(st.binary(min_size=1, max_size=80), st.sampled_from([3, 4, 5]))
def test_fields_cover_any_bytes(packet: bytes, version: int) -> None:
    covers(packet, version)


PACKETS = [
    mqtt.Connect(client_id="HAB-01", keep_alive=30, version=V5, username="u", password=b"p",
                 will=mqtt.Will(topic="t", payload=b"x"),
                 properties=mqtt.Properties(session_expiry_interval=60,
                                            user_property=(("a", "b"),))),
    mqtt.Publish(topic="a/b", payload=b"hello", qos=1, packet_id=7,
                 properties=mqtt.Properties(correlation_data=b"zz", topic_alias=3)),
    mqtt.Subscribe(packet_id=1, subscriptions=(mqtt.Subscription(topic_filter="a/#", qos=1),),
                   properties=mqtt.Properties()),
    mqtt.PubAck(packet_id=9, reason_code=0x80, properties=mqtt.Properties(reason_string="no")),
    mqtt.PingReq(),
    mqtt.Disconnect(reason_code=4, properties=mqtt.Properties()),
]  # fmt: skip


@pytest.mark.parametrize("packet", PACKETS, ids=lambda p: type(p).__name__)
def test_legal_packets_parse_to_their_end(packet: mqtt.Packet) -> None:
    data = mqtt.encode(packet, V5)
    names = [field.name for field in covers(data, 5)]
    assert walk.MALFORMED not in names
    assert walk.TRAILING not in names
    for cut in range(1, len(data)):
        covers(data[:cut], 5)
        covers(data + b"\0" * cut, 5)


def test_fields_have_their_values() -> None:
    data = mqtt.encode(PACKETS[0], V5)
    found = {f.name: data[f.start : f.end] for f in walk.walk(data, 5)}
    assert found["client id"] == b"\0\6HAB-01"
    assert found["password"] == b"\0\1p"
    assert found["will payload"] == b"\0\1x"
    assert found["property user_property"] == b"\x26\0\1a\0\1b"
    assert walk.connect_version(data) == 5


def test_a_padded_length_is_a_field_of_its_own() -> None:
    names = [field.name for field in covers(b"\xc0\x80\x00", 4)]
    assert names == [walk.HEADER, walk.LENGTH, walk.PADDING]

"""Passwords are masked in place: same length, nothing else changes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_contract import mqtt
from overflight_contract.session import mask_credentials

VERSIONS = list(mqtt.Version)
NAMES = {3: "MQIsdp", 4: "MQTT", 5: "MQTT"}
CONNECTS = st.builds(
    lambda version, client_id, username, password, will: (
        version,
        mqtt.Connect(
            client_id=client_id,
            clean_start=True,
            keep_alive=30,
            version=version,
            protocol_name=NAMES[version],
            username=username,
            password=password,
            will=will,
            properties=mqtt.Properties(user_property=(("a", "b"),)) if version == 5 else None,
        ),
    ),
    version=st.sampled_from(VERSIONS),
    client_id=st.from_regex(r"[A-Z0-9]{1,20}", fullmatch=True),
    username=st.from_regex(r"[a-z]{1,9}", fullmatch=True),
    password=st.binary(max_size=300),
    will=st.none() | st.just(mqtt.Will(topic="t", payload=b"gone", qos=1)),
)


@given(made=CONNECTS)
def test_the_password_and_nothing_else_is_replaced(made):
    version, connect = made
    packet = mqtt.encode(connect, version)
    masked = mask_credentials(packet, version)
    assert masked == mask_credentials(packet)
    assert len(masked) == len(packet)
    before, after = mqtt.decode(packet, None), mqtt.decode(masked, None)
    assert after == msgspec.structs.replace(before, password=b"*" * len(connect.password))


@given(made=CONNECTS, data=st.data())
def test_a_packet_that_is_cut_off_shows_no_password_either(made, data):
    version, connect = made
    packet = mqtt.encode(connect, version)
    size = data.draw(st.integers(0, len(packet)))
    masked = mask_credentials(packet[:size])
    assert len(masked) == size
    start = len(packet) - len(connect.password)
    assert masked[:start] == packet[:size][:start]
    assert set(masked[start:]) <= {ord("*")}


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_without_a_password_nothing_changes(version):
    connect = mqtt.Connect(
        client_id="A",
        clean_start=True,
        keep_alive=0,
        version=version,
        protocol_name=NAMES[version],
    )
    packet = mqtt.encode(connect, version)
    assert mask_credentials(packet) == packet


@given(data=st.binary(max_size=60))
def test_any_bytes_are_taken(data):
    masked = mask_credentials(data)
    assert len(masked) == len(data)
    assert mask_credentials(masked) == masked

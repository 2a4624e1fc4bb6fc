"""What an honest client may do is explained; what is not the contract's is not."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from overflight.leaks.scene import PAYLOAD, START_NS, flight_messages
from overflight_contract import messages as m
from overflight_contract import mqtt
from overflight_contract.session.model import Part
from overflight_contract.topics import Kind, topic_for
from overflight_ground.audit.explain import Explainer
from overflight_ground.audit.room import universal
from overflight_ground.audit.tally import ByteClass
from overflight_ground.audit.traffic import Connection, Crossing, Packet

V311, V5 = mqtt.Version.V311, mqtt.Version.V5
MESSAGES = flight_messages(20)


class Line:
    """Feeds packets of connections to an explainer and says what was unexplained."""

    def __init__(self, **options: object) -> None:
        given: dict[str, object] = {"payloads": frozenset({PAYLOAD})}
        self.explainer = Explainer(**{**given, **options})  # type: ignore[arg-type]
        self.explainer.open(Connection(n, START_NS, "", "none", None) for n in range(1, 9))
        self.at_ns = START_NS
        self.number = 0
        self.version = V311

    def up(self, packet: mqtt.Packet | bytes, **fields: object) -> int:
        return self._feed(packet, up=True, **fields)

    def down(self, packet: mqtt.Packet | bytes) -> int:
        return self._feed(packet, up=False)

    def _feed(
        self, packet: mqtt.Packet | bytes, *, up: bool, after_s: float = 0.01,
        crossing: Crossing = Crossing.CROSSED, reason: str = "", part: Part = Part.WHOLE,
    ) -> int:  # fmt: skip
        data = packet if isinstance(packet, bytes) else mqtt.encode(packet, self.version)
        self.at_ns += int(after_s * 1e9)
        self.number += 1
        return self.explainer.feed(
            Packet(self.at_ns, self.connection, up, crossing, reason, data, part, self.number)
        )

    connection = 1

    def connect(self, connection: int = 1, version: mqtt.Version = V311, **fields: object) -> int:
        self.connection, self.version = connection, version
        five = version is V5
        given: dict[str, object] = {
            "client_id": PAYLOAD, "keep_alive": 30, "clean_start": False, "version": version,
            "properties": mqtt.Properties(session_expiry_interval=86_400) if five else None,
        }  # fmt: skip
        return self.up(mqtt.Connect(**{**given, **fields}))  # type: ignore[arg-type]

    def subscribe(self, packet_id: int = 1, topic: str | None = None) -> int:
        wanted = mqtt.Subscription(topic_filter=topic or topic_for(PAYLOAD, Kind.RECEIPT), qos=1)
        five = mqtt.Properties() if self.version is V5 else None
        return self.up(
            mqtt.Subscribe(packet_id=packet_id, subscriptions=(wanted,), properties=five)
        )

    def publish(self, n: int, packet_id: int | None, **fields: object) -> int:
        message = MESSAGES[n]
        five = mqtt.Properties() if self.version is V5 else None
        given: dict[str, object] = {
            "topic": topic_for(PAYLOAD, m.kind_of(message)), "payload": m.encode(message),
            "qos": 1, "packet_id": packet_id, "properties": five,
        }  # fmt: skip
        options = {k: fields.pop(k) for k in ("crossing", "reason", "after_s") if k in fields}
        return self.up(mqtt.Publish(**{**given, **fields}), **options)  # type: ignore[arg-type]

    @property
    def whys(self) -> list[str]:
        return [found.why for found in self.explainer.crossed.evidence]


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.mark.parametrize("version", [mqtt.Version.V31, V311, V5])
def test_each_version_of_mqtt_is_explained(line: Line, version: mqtt.Version) -> None:
    name = "MQIsdp" if version is mqtt.Version.V31 else "MQTT"
    assert line.connect(1, version, protocol_name=name) == 0
    assert line.subscribe() == 0
    assert sum(line.publish(n, n + 2) for n in range(10)) == 0
    assert line.up(mqtt.PingReq(), after_s=31) == 0
    assert line.up(mqtt.Disconnect()) == 0


def test_fallback_from_5_to_311_and_counting_on(line: Line) -> None:
    line.connect(1, V5)
    line.down(mqtt.encode(mqtt.ConnAck(reason_code=1), V311))
    assert line.connect(2) == line.subscribe() == line.publish(0, 2) == 0
    assert line.whys == []


def test_resends_after_a_reconnect_are_explained(line: Line) -> None:
    line.connect(1)
    line.subscribe()
    line.publish(0, 2)
    line.publish(1, 3)
    line.down(mqtt.PubAck(packet_id=2))
    assert line.connect(2) == 0
    assert line.subscribe(6) == 0
    assert line.publish(1, 3, dup=True) == 0
    assert line.publish(2, 4, dup=True) == 0
    assert line.publish(3, 5, dup=True) == 0
    assert line.publish(4, 7) == 0
    assert line.publish(0, 8) == 0
    assert line.whys == []


def test_a_new_process_counts_from_one(line: Line) -> None:
    line.connect(1)
    line.subscribe(1)
    line.publish(0, 2)
    line.connect(2)
    line.subscribe(1)
    assert sum(line.publish(n, n + 1) for n in range(1, 8)) == 0


def test_two_connections_at_once_do_not_mix_their_ids(line: Line) -> None:
    line.connect(1)
    line.subscribe(1)
    line.publish(0, 2)
    line.connect(2)
    line.publish(1, 900, crossing=Crossing.REFUSED, reason="schema")
    line.connection = 1
    assert line.publish(2, 3) == 0


def test_another_connection_of_the_same_name_does_not_end_the_count(line: Line) -> None:
    """Somebody connects in the payload's name: it goes on for a while, and is thrown out."""
    line.connect(1)
    line.subscribe(300)
    line.publish(0, 301)
    line.connect(2)
    line.publish(1, 1, crossing=Crossing.REFUSED, reason="schema")
    line.connection = 1
    line.publish(1, 302)
    line.publish(2, 303)
    line.connect(3)
    assert line.subscribe(305) == 0
    assert sum(line.publish(n, n + 301, dup=True) for n in range(4)) == 0
    assert line.publish(4, 306) == 0


def test_refused_packets_are_tried_and_do_not_cross(line: Line) -> None:
    line.connect()
    left = line.publish(0, 2, payload=b"\xff\xd8" * 40, crossing=Crossing.REFUSED, reason="schema")
    assert left > 0
    assert line.explainer.crossed.bytes_of(ByteClass.UNEXPLAINED) == 0
    assert line.explainer.tried.bytes_of(ByteClass.UNEXPLAINED) == 80


def test_what_the_relay_sends_itself_is_not_the_devices(line: Line) -> None:
    line.connect()
    assert line.up(mqtt.PubAck(packet_id=77), reason="made by the relay") == 0
    assert line.explainer.relay_bytes == 4


def test_receipts_are_acknowledged_once(line: Line) -> None:
    line.connect()
    receipt = mqtt.Publish(topic="t", payload=b"x", qos=1, packet_id=500, retain=True)
    line.down(receipt)
    assert line.up(mqtt.PubAck(packet_id=500)) == 0
    assert line.up(mqtt.PubAck(packet_id=500)) == 2


def test_a_refused_subscription_may_be_repeated(line: Line) -> None:
    line.connect()
    line.subscribe(1)
    line.down(mqtt.SubAck(packet_id=1, reason_codes=(0x80,)))
    assert line.subscribe(2) == 0
    assert line.subscribe(3) > 0


def test_another_payload_that_is_audited_on_its_own_is_summed_apart() -> None:
    line = Line(others=frozenset({"HAB-02"}))
    assert line.connect(1, client_id="HAB-02") == 0
    line.connect(2)
    assert line.explainer.other.bytes_of() > 0
    assert line.whys == []


def test_opaque_bytes_are_a_class_of_their_own(line: Line) -> None:
    line.explainer.open([Connection(1, START_NS, "", "passthrough", "x")])
    assert line.up(b"\x16\x03\x01\x00\x05hello") == 0
    assert line.explainer.crossed.bytes_of(ByteClass.OPAQUE) == 10
    assert line.explainer.crossed.bits() == 80 + universal(10)


def test_configured_credentials_are_explained_where_the_relay_checked_them() -> None:
    checked = Line(checked_files=frozenset({0}))
    assert checked.connect(username="fleet", password=b"secret") == 0
    assert Line().connect(username="fleet", password=b"secret") == 5 + 2 + 6 + 2
    assert Line().connect(username=PAYLOAD) == 0


def _properties(**fields: object) -> mqtt.Properties:
    return mqtt.Properties(**fields)  # type: ignore[arg-type]


HIDDEN: Sequence[tuple[str, object]] = [
    ("client id", lambda li: li.connect(client_id="SECRET-01")),
    ("client id of no payload", lambda li: li.connect(client_id="hello world")),
    ("will", lambda li: li.connect(will=mqtt.Will(topic="x", payload=b"y"))),
    ("password", lambda li: li.connect(username=PAYLOAD, password=b"y")),
    ("another keep alive", lambda li: (li.connect(), li.connect(2, keep_alive=31))[1]),
    ("user property", lambda li: li.connect(
        1, V5, properties=_properties(user_property=(("a", "b"),)))),
    ("authentication", lambda li: li.connect(
        1, V5, properties=_properties(authentication_method="x", authentication_data=b"y"))),
    ("another expiry", lambda li: (li.connect(1, V5), li.connect(
        2, V5, properties=_properties(session_expiry_interval=7)))[1]),
    ("second CONNECT", lambda li: (li.connect(), li.connect())[1]),
    ("before CONNECT", lambda li: li.publish(0, 1)),
    ("after DISCONNECT", lambda li: (li.connect(), li.up(mqtt.Disconnect()),
                                     li.up(mqtt.PingReq()))[2]),
    ("another filter", lambda li: (li.connect(), li.subscribe(1, "overflight/#"))[1]),
    ("unsubscribe", lambda li: (li.connect(), li.up(
        mqtt.Unsubscribe(packet_id=1, topic_filters=("a",))))[1]),
    ("another topic", lambda li: (li.connect(), li.publish(0, 1, topic="x/y"))[1]),
    ("another payload's topic", lambda li: (li.connect(), li.publish(
        0, 1, topic="overflight/1/HAB-02/position"))[1]),
    ("retained", lambda li: (li.connect(), li.publish(0, 1, retain=True))[1]),
    ("dup of nothing", lambda li: (li.connect(), li.publish(0, 1, dup=True))[1]),
    ("packet id out of order", lambda li: (li.connect(), li.publish(0, 1),
                                           li.publish(1, 700))[2]),
    ("correlation data", lambda li: (li.connect(1, V5), li.publish(
        0, 1, properties=_properties(correlation_data=b"x")))[1]),
    ("topic alias", lambda li: (li.connect(1, V5), li.publish(
        0, 1, properties=_properties(topic_alias=9)))[1]),
    ("altered resend", lambda li: (li.connect(), li.publish(0, 1), li.publish(
        0, 2, payload=m.encode(MESSAGES[0]).replace(b'"sats":', b'"sats":1')))[2]),
    ("space in JSON", lambda li: (li.connect(), li.publish(
        0, 1, payload=m.encode(MESSAGES[0]).replace(b",", b", ", 1)))[1]),
    ("padded length", lambda li: (li.connect(), li.up(b"\xc0\x80\x00"))[1]),
    ("length beyond the end", lambda li: (li.connect(), li.up(b"\xc0\x07"))[1]),
    ("acknowledgement without an id", lambda li: (li.connect(), li.up(b"\x40\x00"))[1]),
    ("user name that is not there", lambda li: li.up(
        b"\x10\x12\x00\x04MQTT\x04\x80\x00\x1e\x00\x06HAB-01")),
    ("QoS 0", lambda li: (li.connect(), li.publish(0, None, qos=0))[1]),
    ("QoS 2", lambda li: (li.connect(), li.publish(0, 1, qos=2))[1]),
    ("reason of DISCONNECT", lambda li: (li.connect(1, V5), li.up(
        mqtt.Disconnect(reason_code=4, properties=mqtt.Properties())))[1]),
    ("AUTH", lambda li: (li.connect(1, V5), li.up(b"\xf0\x00"))[1]),
    ("storm of pings", lambda li: (li.connect(), [li.up(mqtt.PingReq())
                                                  for _ in range(9)][-1])[1]),
    ("acknowledgement of nothing", lambda li: (li.connect(),
                                               li.up(mqtt.PubAck(packet_id=3)))[1]),
    ("a reserved type", lambda li: (li.connect(), li.up(b"\x00\x00"))[1]),
    ("an empty message", lambda li: (li.connect(), li.publish(0, 1, payload=b""))[1]),
    ("too large", lambda li: (li.connect(), li.up(b"\x32" * 99, part=Part.FIRST))[1]),
]  # fmt: skip


@pytest.mark.parametrize("hide", [case[1] for case in HIDDEN], ids=[case[0] for case in HIDDEN])
def test_room_beside_the_contract_is_unexplained(line: Line, hide) -> None:
    assert hide(line) > 0
    assert line.whys


def test_a_leap_is_unexplained_and_a_walk_is_not(line: Line) -> None:
    line.connect()
    line.publish(0, 1)
    body = m.encode(MESSAGES[2])
    assert line.publish(2, 2, payload=body) == 0
    place = MESSAGES[4]
    assert isinstance(place, m.Position)
    leap = msgspec.structs.replace(place, lat_deg=-10.0)
    values = len(f"{leap.lat_deg}{leap.lon_deg}")
    assert line.publish(4, 3, payload=m.encode(leap)) == values
    assert "accepted" in line.whys[0]


def test_the_sum_of_classes_is_the_sum_of_bytes(line: Line) -> None:
    sent = [b"\x10\x02\x00\x01", b"\x32\x05\x00\x01a\x00\x09", b"\xff\x00", b"\x00"]
    for packet in sent:
        line.up(packet)
    line.connect(5)
    line.publish(0, 1)
    tally = line.explainer.crossed
    assert tally.bytes_of() == sum(tally.bytes_of(kind) for kind in ByteClass)
    assert tally.bytes_of() > sum(map(len, sent)) + 200

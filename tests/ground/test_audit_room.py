"""The bound is one: what is free is written with codes that Kraft's inequality allows.

For every choice that an honest-looking payload has, the sum of 2**-bits over all that would have
been accepted is at most 1. Where it were more, somebody could say more than the bound admits.
"""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import math

import msgspec
import pytest

from overflight.leaks.scene import PAYLOAD, START_NS, flight_messages
from overflight_contract import messages as m
from overflight_contract import mqtt
from overflight_contract.session.model import Part
from overflight_contract.topics import Kind, topic_for
from overflight_ground.audit.explain import Explainer
from overflight_ground.audit.room import Motion, gap_bits, position_bits, universal
from overflight_ground.audit.sessions import FlightState
from overflight_ground.audit.tally import ByteClass
from overflight_ground.audit.traffic import Connection, Crossing, Packet

V5 = mqtt.Version.V5
MESSAGES = flight_messages(12)


def kraft(lengths: list[float]) -> float:
    return math.fsum(2.0**-bits for bits in lengths)


def test_whole_numbers() -> None:
    assert 0.9 < kraft([universal(n) for n in range(1 << 18)]) <= 1


@pytest.mark.parametrize("window_ms", [0, 1, 1_500, 45_000])
def test_pauses(window_ms: int) -> None:
    assert kraft([gap_bits(n, window_ms) for n in range(1 << 18)]) <= 1


@pytest.fixture
def state() -> FlightState:
    state = FlightState()
    for message in (*MESSAGES[:6], *MESSAGES[10:12], MESSAGES[8]):
        bits, wrong = state.bits(message)
        assert not wrong
        assert all(room >= 0 for _, room in bits)
    return state


def rooms(state: FlightState, message: m.Telemetry, **changes: object) -> dict[str, float] | None:
    """Return the room of each field of a changed message; None where it is refused."""
    bits, wrong = copy.deepcopy(state).bits(msgspec.structs.replace(message, **changes))
    return None if wrong else dict(bits)


def accepted(state: FlightState, field: str, cases: list[tuple[m.Telemetry, dict[str, object]]]):
    found = [rooms(state, message, **changes) for message, changes in cases]
    return [room[field] for room in found if room is not None]


def test_numbers_of_messages(state: FlightState) -> None:
    new = [n for n in range(7, 3000) if n not in state.sequence.numbers]
    lengths = accepted(state, "seq", [(MESSAGES[6], {"seq": n, "held_from": 1}) for n in new])
    assert 0.3 < kraft(lengths) <= 1


@pytest.mark.parametrize("seq", [7, 8, 13, 20])
def test_held_from(state: FlightState, seq: int) -> None:
    cases = [(MESSAGES[6], {"seq": seq, "held_from": n}) for n in range(1, seq + 1)]
    assert kraft(accepted(state, "held_from", cases)) == pytest.approx(1)


def test_times(state: FlightState) -> None:
    at = MESSAGES[8].measured_at
    steps = itertools.chain(range(-3_000, 3_000), (60_000, -60_000, 180_000, -120_000))
    cases = [(MESSAGES[6], {"measured_at": at + dt.timedelta(milliseconds=n)}) for n in steps]
    assert 0.3 < kraft(accepted(state, "measured_at", cases)) <= 1


@pytest.fixture
def steered(state: FlightState) -> tuple[FlightState, m.Navigation]:
    """A flight whose next message is navigation, at a place that is known already."""
    state.bits(MESSAGES[6])
    message = MESSAGES[7]
    assert isinstance(message, m.Navigation)
    return state, message


@pytest.mark.parametrize(
    ("field", "name", "around", "step"),
    [("waypoint distance_m", "distance_m", 400, 1), ("waypoint bearing_deg", "bearing_deg", 99, 1)],
)
def test_waypoints(steered, field: str, name: str, around: int, step: int) -> None:
    state, message = steered
    value = getattr(message.waypoint, name)
    values = [value + n for n in range(-around, around)] if name == "distance_m" else []
    values = values or [round(value + n / 10, 1) for n in range(-around, around)]
    cases = [
        (message, {"waypoint": msgspec.structs.replace(message.waypoint, **{name: v})})
        for v in values
    ]
    lengths = accepted(state, field, cases)
    assert 0 < len(lengths) < len(cases)
    assert 0.5 < kraft(lengths) <= 1


def test_cross_track(steered) -> None:
    state, message = steered
    assert message.cross_track_m is not None
    values = [None, *range(message.cross_track_m - 6_000, message.cross_track_m + 6_000)]
    lengths = accepted(state, "cross_track_m", [(message, {"cross_track_m": v}) for v in values])
    assert 0 < len(lengths) < len(values)
    assert 0.5 < kraft(lengths) <= 1


def test_numbers_of_waypoints(steered) -> None:
    state, message = steered
    points = [msgspec.structs.replace(message.waypoint, number=n) for n in range(1000)]
    lengths = accepted(state, "waypoint number", [(message, {"waypoint": p}) for p in points])
    assert len(lengths) == 1000
    assert kraft(lengths) <= 1


@pytest.mark.parametrize("lat_deg", [0.0, 52.0, 89.9])
@pytest.mark.parametrize("seconds", [1, 600])
def test_places(lat_deg: float, seconds: int) -> None:
    """The cells that would be accepted, row by row of latitude, are no more than are counted."""
    first = MESSAGES[0]
    assert isinstance(first, m.Position)
    first = msgspec.structs.replace(first, lat_deg=lat_deg, lon_deg=0.0)
    later = first.measured_at + dt.timedelta(seconds=seconds)

    def room(lat: float, lon: float) -> float | None:
        motion = Motion()
        position_bits(first, motion)
        place = msgspec.structs.replace(first, measured_at=later, lat_deg=lat, lon_deg=lon)
        bits, wrong = position_bits(place, motion)
        return None if wrong else dict(bits)["lat_deg, lon_deg"]

    counted = room(lat_deg, 0.0)
    assert counted is not None
    reach = (500 + 500 * seconds) / 111_000
    rows, cells = 400, 0.0
    for n in range(rows):
        lat = lat_deg + reach * 1.05 * (2 * (n + 0.5) / rows - 1)
        if lat > 90 or room(lat, 0.0) is None:
            continue
        low, high = 0.0, 179.99999
        if room(lat, high) is None:
            for _ in range(30):
                middle = (low + high) / 2
                low, high = (low, middle) if room(lat, middle) is None else (middle, high)
        cells += (2 * high / 1e-5 + 1) * (2 * reach * 1.05 / rows / 1e-5)
    assert cells <= 2.0**counted


# -- what a client may choose in the packets themselves ----------------------------------------


def first_bits(build, prepare=lambda feed: None) -> list[float]:
    """Return, for each spelling of a packet that is explained, the room of its fields."""
    found: list[float] = []
    for data in build:
        explainer = Explainer(payloads=frozenset({PAYLOAD}))
        explainer.open([Connection(1, START_NS, "", "none", None)])
        numbers = itertools.count(1)

        def feed(data: bytes, up: bool = True, *, to=explainer, numbers=numbers) -> int:
            n = next(numbers)
            packet = Packet(START_NS + n, 1, up, Crossing.CROSSED, "", data, Part.WHOLE, n)
            return to.feed(packet)

        prepare(feed)
        before = explainer.crossed.bits()
        if feed(data) == 0:
            found.append(explainer.crossed.bits() - before)
            assert explainer.crossed.bytes_of(ByteClass.UNEXPLAINED) == 0
    return found


def _connect(**fields: object) -> bytes:
    given: dict[str, object] = {
        "client_id": PAYLOAD, "keep_alive": 30, "clean_start": True, "version": V5,
        "properties": mqtt.Properties(),
    }  # fmt: skip
    return mqtt.encode(mqtt.Connect(**{**given, **fields}), V5)  # type: ignore[arg-type]


def test_spellings_of_an_acknowledgement() -> None:
    def prepare(feed) -> None:
        feed(_connect())
        receipt = mqtt.Publish(
            topic="t", payload=b"x", qos=1, packet_id=7, properties=mqtt.Properties()
        )
        feed(mqtt.encode(receipt, V5), False)

    spellings = [b"\x40\x02\x00\x07", b"\x40\x03\x00\x07\x00", b"\x40\x04\x00\x07\x00\x00"]
    lengths = first_bits(spellings, prepare)
    assert len(lengths) == 3
    assert kraft(lengths) <= 1 + 1e-9


def test_spellings_of_the_end() -> None:
    lengths = first_bits(
        [b"\xe0\x00", b"\xe0\x01\x00", b"\xe0\x02\x00\x00"], lambda feed: feed(_connect())
    )
    assert len(lengths) == 3
    assert kraft(lengths) <= 1 + 1e-9


def test_flags_of_a_message() -> None:
    message = MESSAGES[0]

    def publish(qos: int, dup: bool) -> bytes:
        made = mqtt.Publish(
            topic=topic_for(PAYLOAD, Kind.POSITION), payload=m.encode(message), qos=qos, dup=dup,
            packet_id=1 if qos else None, properties=mqtt.Properties(),
        )  # fmt: skip
        return mqtt.encode(made, V5)

    def prepare(feed) -> None:
        feed(_connect())
        feed(publish(1, False))

    cases = [publish(0, False), *(publish(q, d) for q in (1, 2) for d in (False, True))]
    lengths = first_bits(cases, prepare)
    assert len(lengths) == 2, "the contract says QoS 1"
    assert kraft([bits - math.log2(2) for bits in lengths]) <= 1, "one id is open, or the next"


def test_forms_of_a_connect() -> None:
    """Presence and order of the properties, clean start, and a user name or none."""
    names = {
        b"\x11\x00\x00\x00\x00", b"\x21\x00\x01", b"\x27\x00\x00\x00\x01", b"\x22\x00\x00",
        b"\x17\x00", b"\x19\x00",
    }  # fmt: skip
    orders = [o for n in range(4) for o in itertools.permutations(sorted(names), n)]
    cases = [_spelt(b"".join(order), flags) for order in orders for flags in (0, 2, 0x80, 0x82)]
    lengths = first_bits(cases)
    assert len(lengths) == len(cases)
    assert kraft([bits - math.log2(3) - 16 for bits in lengths]) <= 1


def _spelt(properties: bytes, flags: int) -> bytes:
    name = len(PAYLOAD).to_bytes(2, "big") + PAYLOAD.encode()
    body = b"\x00\x04MQTT\x05" + bytes([flags]) + b"\x00\x1e" + bytes([len(properties)])
    body += properties + name + (name if flags & 0x80 else b"")
    return b"\x10" + bytes([len(body)]) + body


def test_a_property_twice_is_unexplained() -> None:
    assert first_bits([_spelt(b"\x21\x00\x01" * 2, 0)]) == []


def test_ends_of_connections_count() -> None:
    def bits(closed_at_ns: int | None, connection: int = 1) -> float:
        explainer = Explainer(payloads=frozenset({PAYLOAD}))
        link = Connection(connection, START_NS, "", "none", None, 0, closed_at_ns)
        explainer.open([link])
        explainer.feed(Packet(START_NS, 1, True, Crossing.CROSSED, "", _connect(), Part.WHOLE, 1))
        explainer.close([link])
        return explainer.timing_bits + explainer.order_bits

    assert bits(START_NS + 5 * 10**9) > bits(START_NS + 10**6) > bits(None)
    assert bits(START_NS + 10**9, connection=2) == bits(None), "nothing of it crossed"

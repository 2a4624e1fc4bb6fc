"""Shared by the tests of the ground: messages to store, a store to put them into."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from overflight_contract import messages as m
from overflight_contract.mqtt import Publish, Version, encode
from overflight_contract.topics import topic_for
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.judge import Arrival
from overflight_ground.ingest.plausible import Clock
from overflight_ground.ingest.run import Run, pieces
from overflight_ground.store import Store

FLIGHT = "20230128T060000Z-7f3a"
START = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)
NOW_NS = 1_700_000_000_000_000_000


def position_message(seq: int, **fields: object) -> m.Position:
    """A believable position: one a minute, eastward; any field can be named."""
    given: dict[str, object] = {
        "flight": FLIGHT,
        "seq": seq,
        "held_from": 1,
        "measured_at": START + dt.timedelta(seconds=60 * seq),
        "lat_deg": 50.0,
        "lon_deg": m.quantise_longitude(179.9 + 0.02 * seq),
        "alt_msl_m": 18_000.0,
        "alt_hae_m": 18_010.5,
        "fix": m.Fix.THREE_D,
        "sats": 9,
        "hdop": 0.9,
    }
    return m.Position(**{**given, **fields})  # type: ignore[arg-type]


def navigation_message(seq: int, **fields: object) -> m.Navigation:
    """The navigation message that goes with the position before it."""
    given: dict[str, object] = {
        "flight": FLIGHT,
        "seq": seq,
        "held_from": 1,
        "measured_at": START + dt.timedelta(seconds=60 * (seq - 1)),
        "track_deg": 90.0,
        "speed_mps": 24.5,
        "climb_mps": 0.0,
        "phase": m.Phase.FLOAT,
        "waypoint": m.Waypoint(number=3, distance_m=120_000, bearing_deg=91.5),
        "cross_track_m": -1_200,
    }
    return m.Navigation(**{**given, **fields})  # type: ignore[arg-type]


def arrival_of(message: m.Message, payload: str = "HAB-01", at_ns: int = NOW_NS) -> Arrival:
    """The arrival of `message`."""
    topic = topic_for(payload, m.kind_of(message)).encode()
    return Arrival(topic, m.encode(message), 1, False, False, at_ns)


def told_message(seq: int, **fields: object) -> m.Message:
    """A position where `seq` is odd, near the prime meridian, else what navigation goes with it."""
    if seq % 2:
        return position_message(seq, lon_deg=m.quantise_longitude(0.01 + 0.02 * seq), **fields)
    return navigation_message(seq, **fields)


def runs_of(bodies: Sequence[m.Message], payload: str = "HAB-01") -> list[Run]:
    """The runs that `bodies` arrive as; all of them must."""
    stream = b""
    for n, body in enumerate(bodies, 1):
        topic = topic_for(payload, m.kind_of(body))
        packet = Publish(topic=topic, payload=m.encode(body), qos=1, packet_id=n)
        stream += encode(packet, Version.V311)
    (piece,) = pieces(stream, Version.V311, NOW_NS) or ()
    assert piece.taken is not None
    assert piece.taken.messages == len(bodies)
    return piece.taken.runs


@pytest.fixture
def position() -> Callable[..., m.Position]:
    return position_message


@pytest.fixture
def navigation() -> Callable[..., m.Navigation]:
    return navigation_message


@pytest.fixture
def arrival() -> Callable[..., Arrival]:
    return arrival_of


@pytest.fixture
def told() -> Callable[..., m.Message]:
    return told_message


@pytest.fixture(scope="session")
def run_of() -> Callable[..., list[Run]]:
    return runs_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "ground.sqlite"))
    yield opened
    opened.close()


@pytest.fixture
def intake(store: Store) -> Intake:
    made = Intake(store, clock=Clock.DATA, now_ns=lambda: NOW_NS)
    made.load()
    return made

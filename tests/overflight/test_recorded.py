"""`overflight.Session`: a session file as Python objects."""

import datetime as dt
from pathlib import Path

import pytest

import overflight
from overflight.recorded import Session
from overflight_contract import messages
from overflight_contract.errors import InputError
from overflight_contract.filters import FilterError
from overflight_contract.mqtt import ConnAck, Connect, Publish, Version, encode
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Note,
    SessionPacket,
    SessionWriter,
    Verdict,
)

S = 10**9
START = dt.datetime(2023, 2, 1, 12, tzinfo=dt.UTC)
START_NS = int(START.timestamp()) * S
FLIGHT = "20230201T120000Z-7f3a"
V4 = Version.V311


def position(seq, **fields):
    values = {"lat_deg": 53.1, "lon_deg": -119.2, "fix": messages.Fix.TWO_D, **fields}
    return messages.encode(
        messages.Position(
            flight=FLIGHT,
            seq=seq,
            held_from=1,
            measured_at=START,
            alt_msl_m=None,
            alt_hae_m=None,
            sats=None,
            hdop=None,
            **values,
        )
    )


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "flight.mcap"
    writer = SessionWriter(file, metadata={"simulated": "true"})
    writer.write([ConnectionOpened(1, START_NS, "127.0.0.1:5", "", "")])

    def crossed(at_s, packet, direction=0, verdict=0):
        data = encode(packet, V4)
        at_ns = START_NS + at_s * S
        reason = "topic" if verdict else ""
        return SessionPacket(at_ns, 1, Direction(direction), Verdict(verdict), reason, data)

    topic = "overflight/1/HAB-01/position"
    writer.write(
        [
            crossed(0, Connect(client_id="HAB-01", version=V4)),
            crossed(0, ConnAck(), 1),
            crossed(2, Publish(topic=topic, payload=position(2))),
            crossed(1, Publish(topic=topic, payload=position(1))),
            crossed(3, Publish(topic=topic, payload=position(2))),
            crossed(
                4,
                Publish(
                    topic=topic,
                    payload=position(3, lat_deg=None, lon_deg=None, fix=messages.Fix.NONE),
                ),
            ),
            crossed(5, Publish(topic=topic, payload=position(4)), verdict=2),
            crossed(6, Publish(topic="photos/1", payload=b"jpeg"), verdict=2),
            crossed(
                7,
                Publish(
                    topic="overflight/1/HAB-01/receipt",
                    payload=messages.encode(messages.Receipt(flight=FLIGHT, through=2)),
                ),
                1,
            ),
        ]
    )
    writer.write([Note(START_NS + 8 * S, "link", {"profile": "lte"})])
    writer.write([ConnectionClosed(1, START_NS + 9 * S, "bye", "client")])
    writer.close()
    return file


def test_what_it_is(path):
    with overflight.Session.open(path) as session:
        assert session.path == path
        assert (session.start, session.end) == (START, START + dt.timedelta(seconds=9))
        assert session.duration == dt.timedelta(seconds=9)
        assert session.metadata["simulated"] == "true"
        assert session.payloads() == ["HAB-01"]
        assert session.flights() == [FLIGHT]
        assert session.verdicts() == {"ok": 7, "refused": 2}
        assert [each.closed.reason for each in session.connections()] == ["bye"]
        assert [note.kind for note in session.notes()] == ["link"]
        assert session.damage == []
        assert len(list(session)) == 9


def test_messages_by_payload_kind_direction_and_filter(path):
    with Session.open(str(path)) as session:
        assert len(list(session.messages())) == 7
        assert len(list(session.messages(payload="HAB-01"))) == 7
        assert len(list(session.messages(kind="position"))) == 5
        assert [each.message.through for each in session.messages(kind="receipt")] == [2]
        assert [each.topic for each in session.messages(direction="down")] == [
            "overflight/1/HAB-01/receipt"
        ]
        stray = next(session.messages(only="verdict == refused and not kind == position"))
        assert stray.key == ("photos/1", b"jpeg")
        assert (stray.message, stray.verdict, stray.packet.reason) == (None, "refused", "topic")
        assert stray.at == START + dt.timedelta(seconds=6)


def test_a_track_is_in_order_each_once_and_only_what_crossed(path):
    with Session.open(path) as session:
        assert [each.seq for each in session.track()] == [1, 2]
        assert [each.seq for each in session.track("HAB-01", FLIGHT)] == [1, 2]
        assert session.track("HAB-02") == []
        assert session.track(flight="20230201T120000Z-0000") == []


def test_a_filter_narrows_it_for_good(path):
    with Session.open(path, only="type == publish") as session:
        assert {packet.type for packet in session} == {"publish"}
        assert len(list(session.packets("verdict == refused"))) == 2


def test_what_can_t_be_opened(tmp_path, path):
    with pytest.raises(InputError):
        Session.open(tmp_path / "nothing.mcap")
    with pytest.raises(FilterError):
        Session.open(path, only="type = publish")
    with pytest.raises(AttributeError):
        _ = overflight.nothing


def test_the_docs_name_everything_public():
    text = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    for name in vars(Session):
        if not name.startswith("_") and name not in ("open", "close", "path"):
            assert f"`{name}" in text, name

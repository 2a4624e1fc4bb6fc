"""The parts of a replay that wait for nothing: clock, timeline, rewriting, scene, arguments."""

import argparse
import dataclasses
import datetime as dt
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight.replay import arguments as read
from overflight.replay.cli import build
from overflight.replay.clock import Clock
from overflight.replay.comparing import IGNORABLE
from overflight.replay.connections import Target, _credentials
from overflight.replay.keyboard import KEYS, keys_in, press
from overflight.replay.report import Lateness, Report
from overflight.replay.rewriting import Rewriter, shift_flight
from overflight.replay.scene import Scene
from overflight.replay.timeline import Raw, Selection, Timeline
from overflight_contract import messages
from overflight_contract.errors import InputError
from overflight_contract.filters import compile_filter
from overflight_contract.mqtt import (
    Connect,
    Disconnect,
    PingReq,
    Properties,
    PubAck,
    Publish,
    Subscribe,
    Subscription,
    Unsubscribe,
    Version,
    decode,
    encode,
)
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    SessionPacket,
    Verdict,
)

S = 10**9
START = 1_675_252_800 * S
V4, V5 = Version.V311, Version.V5


def packet(at_s, what, *, version=V4, connection=1, direction=0, verdict=0, part=0):
    data = what if isinstance(what, bytes) else encode(what, version)
    return SessionPacket(
        START + int(at_s * S), connection, Direction(direction), Verdict(verdict), "", data, part
    )


def publish(at_s, topic="t", payload=b"x", **keys):
    fields = {k: keys.pop(k) for k in ("qos", "packet_id", "retain", "properties") if k in keys}
    return packet(at_s, Publish(topic=topic, payload=payload, **fields), **keys)


def connect(at_s=0, version=V4, **keys):
    return packet(at_s, Connect(client_id="HAB-01", version=version), version=version, **keys)


def timeline(items, **chosen):
    return Timeline(lambda: iter(items), Selection(**chosen))


def played(line):
    return [(cue.position_ns / S, cue.view and cue.view.type) for cue in line.cues()]


# clock


class Now:
    def __init__(self):
        self.s = 100.0

    def __call__(self):
        return self.s


def test_the_clock_does_not_drift_however_late_it_is_asked():
    now = Now()
    clock = Clock(2.0, now)
    for second in range(3600):
        assert clock.due_s(second * S) == 100.0 + second / 2
        now.s += 0.7  # being late changes nothing of what is due


def test_the_clock_pauses_seeks_and_changes_speed():
    now = Now()
    clock = Clock(1.0, now)
    now.s += 10
    assert clock.position_ns() == 10 * S
    clock.pause()
    now.s += 1000
    assert (clock.paused, clock.due_s(11 * S), clock.position_ns()) == (True, None, 10 * S)
    clock.resume()
    assert clock.due_s(11 * S) == now.s + 1
    clock.set_speed(10.0)
    assert clock.due_s(20 * S) == now.s + 1
    clock.seek(100 * S)
    assert clock.due_s(100 * S) == now.s
    clock.set_speed(None)
    assert clock.due_s(10**6 * S) == now.s
    clock.pause()
    clock.seek(5 * S)
    assert clock.position_ns() == 5 * S


# timeline


def test_acknowledgements_and_what_the_broker_said_are_left_out_and_counted():
    line = timeline(
        [
            ConnectionOpened(1, START, "", "", ""),
            connect(),
            packet(0.1, b"\x20\x02\0\0", direction=1),
            publish(1, qos=1, packet_id=1),
            packet(1.1, PubAck(packet_id=1), direction=1),
            packet(2, PubAck(packet_id=9)),
            packet(3, PingReq()),
            publish(4, verdict=2),
            packet(5, b"\x30\x02\0\1"),
            publish(5, part=1),
            packet(6, Disconnect()),
            ConnectionClosed(1, START + 7 * S, "", "client"),
        ]
    )
    assert played(line) == [(0, "connect"), (1, "publish"), (6, "disconnect"), (7, None)]
    left = line.left_out
    assert (left.from_broker, left.acknowledgements, left.refused) == (2, 2, 1)
    assert (left.malformed, left.unread) == (1, 1)


def test_a_packet_that_was_captured_in_pieces_is_whole_again():
    whole = encode(Publish(topic="big", payload=bytes(1000)), V4)
    line = timeline(
        [
            connect(),
            packet(1, whole[:300], part=1),
            publish(1.1, connection=2),
            packet(2, whole[300:900], part=2),
            packet(3, whole[900:], part=3),
            packet(4, b"rest", part=3, connection=2),
            packet(5, whole[:10], part=1, connection=3),
        ]
    )
    cues = [(cue.position_ns / S, cue.view.topic, cue.view.size) for cue in line.cues()]
    assert cues[1:] == [(1.1, "t", 6), (3, "big", len(whole))]
    assert line.left_out.unread == 2


def test_refused_packets_are_played_when_asked_for():
    assert played(timeline([connect(), publish(4, verdict=2)], refused=True))[-1] == (4, "publish")


def test_gap_shortens_long_pauses_only():
    line = timeline([connect(), publish(1), publish(100), publish(101)], gap_ns=5 * S)
    assert [at for at, _ in played(line)] == [0, 1, 6, 7]


def test_from_keeps_what_is_before_at_negative_positions():
    line = timeline([connect(), publish(1), publish(10), publish(20)], from_ns=START + 8 * S)
    assert [at for at, _ in played(line)] == [-8, -7, 2, 12]


def test_until_and_count_end_it():
    items = [connect(), *(publish(n) for n in range(1, 10))]
    assert len(played(timeline(items, until_ns=START + 4 * S))) == 4
    assert len(played(timeline(items, count=2))) == 3
    assert len(list(timeline(items, count=2, raw=True).cues())) == 3


def test_only_keeps_connects_and_filters_the_rest():
    items = [connect(), publish(1, "a"), publish(2, "b"), packet(3, Disconnect())]
    line = timeline(items, only=compile_filter("topic == b"))
    assert played(line) == [(0, "connect"), (2, "publish"), (3, "disconnect")]
    assert line.left_out.filtered == 1


def test_positions_never_go_back():
    line = timeline([connect(), publish(5), publish(3), publish(6)])
    assert [at for at, _ in played(line)] == [0, 5, 5, 6]


def test_plain_messages_are_played_raw_and_others_taken_apart():
    alias = Properties(topic_alias=1)
    line = timeline(
        [
            connect(version=V5),
            publish(1, version=V5),
            publish(2, version=V5, properties=alias),
            publish(3, "", version=V5, properties=alias),
            publish(4, version=V5, retain=True),
            publish(5, version=V5, verdict=1),
        ],
        raw=True,
        flat=True,
    )
    views = [cue.view for cue in line.cues()]
    assert [isinstance(view, Raw) for view in views] == [False, True, False, False, False, False]
    assert [view.topic for view in views[2:]] == ["t", "t", "t", "t"]


def test_in_a_burst_plain_messages_come_several_at_once():
    items = [connect(), *(publish(n) for n in range(1, 251)), packet(300, Disconnect())]
    items[3:3] = [packet(2.5, PubAck(packet_id=1), direction=1)]
    line = timeline(items, raw=True)
    line.burst = True
    cues = list(line.cues())
    sizes = [len(cue.view.packets) if isinstance(cue.view, Raw) else 0 for cue in cues]
    assert sizes == [0, 200, 50, 0]
    assert [cue.position_ns / S for cue in cues] == [0, 1, 201, 300]
    sent = b"".join(b"".join(cue.view.packets) for cue in cues[1:3])
    assert sent == b"".join(item.data for item in items[1:-1] if item.direction == 0)
    line.burst = False
    assert len(list(line.cues())) == 252


def test_a_burst_ends_where_another_connection_begins():
    other = [connect(connection=2), publish(5, connection=2), publish(6)]
    line = timeline([connect(), publish(1), publish(2), *other], raw=True)
    line.burst = True
    found = [(c.connection, c.view and getattr(c.view, "packets", None)) for c in line.cues()]
    assert [(number, packets and len(packets)) for number, packets in found] == [
        (1, None),
        (1, 2),
        (2, None),
        (2, 1),
        (1, 1),
    ]


def test_a_publish_before_any_connect_is_taken_apart():
    (cue,) = timeline([publish(1)], raw=True).cues()
    assert cue.view.topic == "t"


# scene


def test_a_scene_knows_connections_subscriptions_and_retained_values():
    wanted = tuple(Subscription(topic_filter=name, qos=1) for name in "abc")
    items = [
        connect(),
        packet(1, Subscribe(packet_id=1, subscriptions=wanted)),
        packet(2, Unsubscribe(packet_id=2, topic_filters=("b",))),
        publish(3, "kept", b"1", retain=True),
        publish(4, "kept", b"2", retain=True),
        publish(5, "gone", b"3", retain=True),
        publish(6, "gone", b"", retain=True),
        connect(7, connection=2),
        packet(8, Disconnect(), connection=2),
    ]
    scene = Scene()
    for cue in timeline(items).cues():
        scene.take(cue)
    assert list(scene.connections) == [1]
    assert list(scene.connections[1].subscriptions) == ["a", "c"]
    assert {topic: view.body for topic, view in scene.retained.items()} == {"kept": b"2"}


# rewriting

FLIGHT = "20230201T120000Z-7f3a"
POSITION = messages.Position(
    flight=FLIGHT,
    seq=7,
    held_from=1,
    measured_at=dt.datetime(2023, 2, 1, 12, 0, 5, tzinfo=dt.UTC),
    lat_deg=53.1,
    lon_deg=-119.2,
    alt_msl_m=None,
    alt_hae_m=None,
    fix=messages.Fix.TWO_D,
    sats=None,
    hdop=None,
)


def test_renaming_changes_topics_clients_and_users_level_by_level():
    rewriter = Rewriter({"HAB-01": "TEST-01"})
    assert rewriter.topic("overflight/1/HAB-01/position") == "overflight/1/TEST-01/position"
    assert rewriter.topic("x/HAB-012/y") == "x/HAB-012/y"
    made = rewriter.connect(Connect(client_id="HAB-01", username="HAB-01"), V4)
    assert (made.client_id, made.username, made.version, made.properties) == (
        "TEST-01",
        "TEST-01",
        V4,
        None,
    )


def test_shifting_moves_times_and_the_flight_along():
    rewriter = Rewriter(shift=dt.timedelta(days=1, seconds=30))
    topic = "overflight/1/HAB-01/position"
    moved = messages.decode_position(rewriter.payload(topic, messages.encode(POSITION)))
    assert moved.measured_at == POSITION.measured_at + dt.timedelta(days=1, seconds=30)
    assert moved.flight == "20230202T120030Z-7f3a"
    assert (moved.seq, moved.lat_deg) == (7, 53.1)
    receipt = messages.encode(messages.Receipt(flight=FLIGHT, through=3))
    shifted = rewriter.payload("overflight/1/HAB-01/receipt", receipt)
    assert json.loads(shifted)["flight"] == "20230202T120030Z-7f3a"
    assert rewriter.payload("other", b"{}") == b"{}"
    assert rewriter.payload(topic, b"{}") == b"{}"


@given(st.timedeltas(dt.timedelta(-3000), dt.timedelta(3000)))
def test_shifting_a_flight_is_undone_by_shifting_back(delta):
    whole = dt.timedelta(seconds=int(delta.total_seconds()))
    assert shift_flight(shift_flight(FLIGHT, whole), -whole) == FLIGHT


def test_a_connect_leaves_out_what_can_t_be_played_again():
    properties = Properties(
        session_expiry_interval=60,
        authentication_method="m",
        authentication_data=b"d",
        topic_alias_maximum=9,
        order=(0x22, 0x15, 0x16, 0x11),
    )
    made = Rewriter().connect(Connect(client_id="a", properties=properties), V5)
    assert made.properties == Properties(session_expiry_interval=60, order=(0x11,))
    assert decode(encode(made, V5), V5).client_id == "a"


def test_version_5_is_turned_into_3_1_1():
    rewriter = Rewriter()
    sent = rewriter.publish(
        Publish(
            topic="",
            payload=b"x",
            dup=True,
            qos=1,
            packet_id=3,
            properties=Properties(topic_alias=4),
        ),
        "resolved",
        V4,
    )
    assert decode(encode(sent, V4), V4).topic == "resolved"
    kept = rewriter.publish(
        Publish(topic="t", properties=Properties(topic_alias=4, content_type="x")), "t", V5
    )
    assert kept.properties == Properties(content_type="x")


# arguments


@pytest.mark.parametrize(
    ("text", "factor"), [("1", 1.0), ("10x", 10.0), ("0.5", 0.5), ("max", None), ("MAX", None)]
)
def test_speeds(text, factor):
    assert read.speed(text) == factor


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (read.speed, "fast"),
        (read.speed, "0"),
        (read.speed, "-1"),
        (read.moment, "soon"),
        (read.rename, "A"),
        (read.rename, "A=b/c"),
        (read.positive, "0"),
        (read.shift, "later"),
    ],
)
def test_what_can_t_be_read_is_refused(parse, text):
    with pytest.raises(argparse.ArgumentTypeError):
        parse(text)


def test_positions_are_times_or_durations_from_the_start():
    session = SimpleNamespace(start_ns=START)
    assert read.moment_ns("10m", session) == START + 600 * S
    assert read.moment_ns("2023-02-01T12:00:01Z", session) == START + S
    assert read.moment_ns(None, session) is None


def test_shift_time():
    assert read.shift_of(None, START, 0) == dt.timedelta(0)
    assert read.shift_of("now", START, START + 90 * S) == dt.timedelta(seconds=90)
    assert read.shift_of("-1h", START, 0) == dt.timedelta(hours=-1)
    assert read.shift_of("2023-02-01T13:00:00Z", START, 0) == dt.timedelta(hours=1)


def test_passwords_are_given_anew_by_user_or_client(tmp_path):
    file = tmp_path / "credentials.toml"
    file.write_text('HAB-01 = "one"\nuser = "two"\n')
    target = Target(address=None, password=b"any", passwords=read.secrets(str(file)))
    for connect, found in (
        (Connect(client_id="HAB-01"), ("HAB-01", b"one")),
        (Connect(client_id="HAB-02", username="user"), ("user", b"two")),
        (Connect(client_id="HAB-03"), ("HAB-03", b"any")),
    ):
        assert _credentials(connect, target) == found
    assert _credentials(Connect(client_id="a", username="b"), Target(None)) == ("b", None)
    for text in ("x =", "x = 1"):
        file.write_text(text)
        with pytest.raises(InputError):
            read.secrets(str(file))


# keys and report


def test_keys_control_a_replay():
    asked = []
    now = Now()
    player = SimpleNamespace(
        clock=Clock(1.0, now),
        position_ns=50 * S,
        changed=lambda: asked.append("changed"),
        step=lambda: asked.append("step"),
        stop=lambda: asked.append("stop"),
        seek=lambda position: asked.append(position / S),
    )
    now.s += 50
    for key in keys_in(" .\x1b[C\x1b[D[]q"):
        press(player, key)
    assert asked == ["changed", "step", 60.0, 40.0, -10.0, 110.0, "stop"]
    for key in keys_in(" \x1b[A\x1b[A\x1b[B"):
        press(player, key)
    assert player.clock.speed == 2.0
    press(player, "m")
    assert player.clock.speed is None
    press(player, "1")
    assert player.clock.speed == 1.0
    assert len(KEYS) == 8


def test_lateness_keeps_quantiles():
    late = Lateness()
    assert late.quantile_ms(0.99) == 0
    for n in range(100):
        late.add(n / 1000)
    assert late.quantile_ms(0.5) == pytest.approx(49.1, abs=0.2)
    assert late.quantile_ms(0.99) == pytest.approx(98.1, abs=0.2)


def test_a_report_names_what_was_not_played():
    report = Report(messages=3, connections=1, elapsed_s=1.0, unacknowledged=2)
    report.left_out.refused = 4
    text = "\n".join(report.lines())
    assert "never acknowledged: 2" in text
    assert "4 packets that the relay refused" in text
    assert not report.complete


# docs


def test_the_docs_name_every_option_key_and_count():
    text = (Path(__file__).parents[2] / "docs" / "replay.md").read_text()
    parser = argparse.ArgumentParser()
    build(parser)
    options = {name for action in parser._actions for name in action.option_strings}
    for option in options - {"-h", "--help", "--progress"}:
        known = ("--json", "--cert-file", "--key-file", "--ca-file")
        assert option in text or option in known, option
    for name in (*IGNORABLE, *Report().as_dict(), *dataclasses.asdict(Report().left_out)):
        assert f"`{name}`" in text, name
    for meaning in (*IGNORABLE.values(), *KEYS.values()):
        assert meaning in text, meaning

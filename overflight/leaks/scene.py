"""A small clean flight, made without any process: record, session, store and vault in a folder.

What a payload, a relay and a ground would have written, by their own codecs. The gallery of leaks
and the tests of the audit add one thing to it and see what is said of it. The same seed gives the
same bytes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from geographiclib.geodesic import Geodesic

from overflight_contract import messages as m
from overflight_contract import mqtt
from overflight_contract.record import RecordWriter
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Item,
    Note,
    SessionPacket,
    SessionWriter,
    Verdict,
)
from overflight_contract.times import to_ns
from overflight_contract.topics import Kind, topic_for
from overflight_contract.vault import MANIFEST, VaultEntry, encode_entry
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.judge import Arrival
from overflight_ground.ingest.plausible import Clock
from overflight_ground.store import Store

PAYLOAD: Final = "HAB-01"
FLIGHT: Final = "20230128T060000Z-7f3a"
START: Final = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)
START_NS: Final = to_ns(START)
KEEP_ALIVE_S: Final = 30
_LEG_FROM: Final = (44.0, -125.0)
_WAYPOINT: Final = (47.0, -100.0)
_EARTH_M: Final = 6_371_000.0
_RULES: Final = '{"identity":{"enabled":true}}'


class Up(NamedTuple):
    """A packet from the device, as it is to cross: when, on which connection, with what verdict."""

    at_ns: int
    connection: int
    data: bytes
    verdict: Verdict = Verdict.OK
    reason: str = ""


@dataclass(slots=True)
class Scene:
    """Where the parts lie, and what they hold."""

    folder: Path
    messages: list[m.Telemetry] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)

    @property
    def session(self) -> Path:
        """The session file."""
        return self.folder / "session.mcap"

    @property
    def store(self) -> Path:
        """The ground's store."""
        return self.folder / "ground.sqlite"

    @property
    def vault(self) -> Path:
        """The payload's vault."""
        return self.folder / "device" / "vault"

    @property
    def record(self) -> Path:
        """The payload's record."""
        return self.folder / "device" / "record.jsonl"


def flight_messages(count: int, *, seed: int = 0) -> list[m.Telemetry]:
    """Return `count` positions, each followed by its navigation: one pair a minute, eastward."""
    rng = random.Random(seed)
    made: list[m.Telemetry] = []
    for n in range(count):
        at = START + dt.timedelta(seconds=60 * n)
        place = {"flight": FLIGHT, "held_from": max(1, 2 * n - 3), "measured_at": at}
        altitude = 18_000 + 300 * math.sin(n / 20) + rng.gauss(0, 3)
        made.append(
            m.Position(
                **place,  # type: ignore[arg-type]
                seq=2 * n + 1,
                lat_deg=m.quantise(45 + 2 * math.sin(n / 40) + rng.gauss(0, 2e-5), "lat_deg"),
                lon_deg=m.quantise_longitude(-120 + 0.020137 * n + rng.gauss(0, 3e-4)),
                alt_msl_m=m.quantise(altitude, "alt_msl_m"),
                alt_hae_m=m.quantise(altitude - 17.3, "alt_hae_m"),
                fix=m.Fix.THREE_D,
                sats=rng.randint(8, 12),
                hdop=m.quantise(rng.uniform(0.7, 1.3), "hdop"),
            )
        )
        position = made[-1]
        assert isinstance(position, m.Position)
        waypoint, cross_track_m = steered(position)
        made.append(
            m.Navigation(
                **place,  # type: ignore[arg-type]
                seq=2 * n + 2,
                track_deg=m.quantise_angle(90 + rng.gauss(0, 4)),
                speed_mps=m.quantise(abs(25 + rng.gauss(0, 2)), "speed_mps"),
                climb_mps=m.quantise(rng.gauss(0, 0.4), "climb_mps"),
                phase=m.Phase.FLOAT,
                waypoint=waypoint,
                cross_track_m=cross_track_m,
            )
        )
    return made


def steered(position: m.Position) -> tuple[m.Waypoint, int]:
    """Return what a payload says there of its waypoint, and how far beside its leg it is."""
    assert position.lat_deg is not None
    assert position.lon_deg is not None
    leg = Geodesic.WGS84.Inverse(*_LEG_FROM, *_WAYPOINT)
    here = Geodesic.WGS84.Inverse(*_LEG_FROM, position.lat_deg, position.lon_deg)
    ahead = Geodesic.WGS84.Inverse(position.lat_deg, position.lon_deg, *_WAYPOINT)
    aside = math.sin(here["s12"] / _EARTH_M) * math.sin(math.radians(here["azi1"] - leg["azi1"]))
    bearing_deg = m.quantise_angle(ahead["azi1"], "bearing_deg") or 0.0
    waypoint = m.Waypoint(number=3, distance_m=round(ahead["s12"]), bearing_deg=bearing_deg)
    return waypoint, round(_EARTH_M * math.asin(aside))


def picture(seed: int, size: int = 96) -> bytes:
    """Return a small real JPEG of noise, different for every seed."""
    from PIL import Image

    pixels = random.Random(seed).randbytes(size * size)
    out = io.BytesIO()
    Image.frombytes("L", (size, size), pixels).save(out, "JPEG", quality=85)
    return out.getvalue()


def write_vault(folder: Path, pictures: Sequence[bytes]) -> None:
    """Write a vault with its manifest: a picture every ten minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    chain, lines = bytes(32), []
    for n, data in enumerate(pictures, 1):
        digest = hashlib.sha256(data).hexdigest()
        taken = START + dt.timedelta(minutes=10 * (n - 1))
        name = f"{taken:%Y/%m/%d}/{digest}.jpg"
        entry, line = encode_entry(
            VaultEntry(
                n=n, taken_at_ns=to_ns(taken), file=name, sha256=digest, bytes=len(data),
                lat_deg=None, lon_deg=None, alt_msl_m=None, serial=n,
            ),
            chain,
        )  # fmt: skip
        chain = bytes.fromhex(entry.chain)
        lines.append(line)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / MANIFEST).write_bytes(b"".join(lines))


def clean_traffic(
    messages: Sequence[m.Telemetry],
    *,
    version: mqtt.Version = mqtt.Version.V311,
    delays_ns: Mapping[int, int] | None = None,
    again: Sequence[int] = (),
) -> Iterator[SessionPacket | ConnectionOpened | ConnectionClosed]:
    """Yield what a relay would have recorded of a payload that sends `messages`.

    `delays_ns`: how much later the message with a seq is sent; `again`: seqs that are sent twice.
    """
    at_ns = START_NS
    number = 1
    if version is not mqtt.Version.V5:
        yield from _refused_version(at_ns)
        number = 2
    yield _opened(number, at_ns)
    for up, packet in _opening(version):
        yield _item(at_ns, number, packet, version, up=up)
        at_ns += 1_000_000
    last_up_ns = at_ns
    for packet_id, (due_ns, message) in enumerate(_plan(messages, delays_ns or {}, again), 2):
        while due_ns - last_up_ns > KEEP_ALIVE_S * 1_000_000_000:
            last_up_ns += KEEP_ALIVE_S * 1_000_000_000
            yield _item(last_up_ns, number, mqtt.PingReq(), version)
            yield _item(last_up_ns + 1_000_000, number, mqtt.PingResp(), version, up=False)
        last_up_ns = at_ns = due_ns
        topic = topic_for(PAYLOAD, m.kind_of(message))
        body = m.encode(message)
        publish = mqtt.Publish(
            topic=topic, payload=body, qos=1, packet_id=packet_id, properties=_none(version)
        )
        yield _item(at_ns, number, publish, version)
        ack = mqtt.PubAck(packet_id=packet_id)
        yield _item(at_ns + 1_000_000, number, ack, version, up=False)
        if message.seq % 20 == 0:
            yield from _receipt(message.seq, at_ns + 2_000_000, number, version)
    yield _item(at_ns + 5_000_000, number, mqtt.Disconnect(), version)
    yield ConnectionClosed(connection=number, at_ns=at_ns + 6_000_000, reason="", by="client")


def _plan(
    messages: Sequence[m.Telemetry], delays_ns: Mapping[int, int], again: Sequence[int]
) -> list[tuple[int, m.Telemetry]]:
    """Say when each message is sent, in order: some 0.25 s after it was measured, with jitter."""
    rng = random.Random(9)
    repeated = set(again)
    plan: list[tuple[int, m.Telemetry]] = []
    for message in messages:
        due_ns = to_ns(message.measured_at) + 250_000_000 + 15_000_000 * (message.seq % 2 == 0)
        due_ns += rng.randrange(13_000_000) + delays_ns.get(message.seq, 0)
        plan.append((due_ns, message))
        if message.seq in repeated:
            plan.append((due_ns + 20_000_000_000, message))
    return sorted(plan, key=lambda item: (item[0], item[1].seq))


def _refused_version(at_ns: int) -> Iterator[SessionPacket | ConnectionOpened | ConnectionClosed]:
    """The payload asks for MQTT 5 first; a broker without it says so."""
    yield _opened(1, at_ns - 9_000_000)
    connect = _connect(mqtt.Version.V5)
    yield _item(at_ns - 8_000_000, 1, connect, mqtt.Version.V5)
    refusal = mqtt.ConnAck(reason_code=1)
    yield _item(at_ns - 7_000_000, 1, refusal, mqtt.Version.V311, up=False)
    yield ConnectionClosed(connection=1, at_ns=at_ns - 6_000_000, reason="", by="broker")


def _opened(number: int, at_ns: int) -> ConnectionOpened:
    return ConnectionOpened(
        connection=number, at_ns=at_ns, peer="127.0.0.1:40000", listener="", upstream=""
    )


def _none(version: mqtt.Version) -> mqtt.Properties | None:
    return mqtt.Properties() if version is mqtt.Version.V5 else None


def _connect(version: mqtt.Version) -> mqtt.Connect:
    five = version is mqtt.Version.V5
    return mqtt.Connect(
        client_id=PAYLOAD,
        clean_start=five,
        keep_alive=KEEP_ALIVE_S,
        version=version,
        properties=mqtt.Properties(session_expiry_interval=86_400) if five else None,
    )


def _opening(version: mqtt.Version) -> Iterator[tuple[bool, mqtt.Packet]]:
    yield True, _connect(version)
    yield False, mqtt.ConnAck(properties=_none(version))
    wanted = mqtt.Subscription(topic_filter=topic_for(PAYLOAD, Kind.RECEIPT), qos=1)
    subscribe = mqtt.Subscribe(packet_id=1, subscriptions=(wanted,), properties=_none(version))
    yield True, subscribe
    yield False, mqtt.SubAck(packet_id=1, reason_codes=(1,), properties=_none(version))


def _receipt(
    through: int, at_ns: int, number: int, version: mqtt.Version
) -> Iterator[SessionPacket]:
    body = m.encode(m.Receipt(flight=FLIGHT, through=through))
    receipt = mqtt.Publish(
        topic=topic_for(PAYLOAD, Kind.RECEIPT), payload=body, qos=1, packet_id=through,
        properties=_none(version),
    )  # fmt: skip
    yield _item(at_ns, number, receipt, version, up=False)
    yield _item(at_ns + 1_000_000, number, mqtt.PubAck(packet_id=through), version)


def _item(
    at_ns: int, number: int, packet: mqtt.Packet, version: mqtt.Version, *, up: bool = True
) -> SessionPacket:
    data = mqtt.encode(packet, version)
    direction = Direction.UP if up else Direction.DOWN
    return SessionPacket(at_ns, number, direction, Verdict.OK, "", data)


def make_scene(
    folder: Path,
    *,
    messages: int = 120,
    pictures: int = 6,
    version: mqtt.Version = mqtt.Version.V311,
    extra: Sequence[Up] = (),
) -> Scene:
    """Write a clean flight into `folder`, with `extra` packets from the device among its own."""
    scene = Scene(folder, flight_messages(messages // 2), [picture(n) for n in range(pictures)])
    scene.items = [*clean_traffic(scene.messages, version=version), *items_of(extra)]
    write_scene(scene)
    return scene


def items_of(extra: Sequence[Up]) -> list[SessionPacket | ConnectionOpened]:
    """Return the session's items of packets of the device on connections of their own."""
    items: list[SessionPacket | ConnectionOpened] = [
        _opened(number, min(up.at_ns for up in extra if up.connection == number) - 1)
        for number in sorted({up.connection for up in extra} - {1, 2})
    ]
    items += [
        SessionPacket(up.at_ns, up.connection, Direction.UP, up.verdict, up.reason, up.data)
        for up in extra
    ]
    return items


def write_scene(scene: Scene) -> None:
    """Write all files of a scene; its items may be in any order."""
    start = Note(at_ns=START_NS - 10**9, kind="start", detail={"rules": _RULES})
    scene.items = [start, *sorted(scene.items, key=_time)]
    write_vault(scene.vault, scene.pictures)
    write_record(scene)
    write_session(scene)
    write_store(scene)


def _time(item: Item) -> int:
    return item.crossed_at_ns if isinstance(item, SessionPacket) else item.at_ns


def write_record(scene: Scene) -> None:
    """Write the payload's record."""
    scene.record.parent.mkdir(parents=True, exist_ok=True)
    writer = RecordWriter(scene.record)
    writer.append(
        (message.flight, m.kind_of(message), message.seq, m.encode(message))
        for message in scene.messages
    )
    writer.close()


def write_session(scene: Scene) -> None:
    """Write the session file."""
    writer = SessionWriter(scene.session, background=False)
    writer.write(scene.items)
    writer.close()


def write_store(scene: Scene) -> None:
    """Let the ground's own intake store what crossed."""
    store = Store.open(str(scene.store))
    intake = Intake(store, clock=Clock.DATA, now_ns=lambda: START_NS)
    intake.load()
    arrivals = [
        Arrival(
            topic_for(PAYLOAD, m.kind_of(message)).encode(), m.encode(message), 1, False, False,
            to_ns(message.measured_at) + 10**9,
        )
        for message in scene.messages
    ]  # fmt: skip
    intake.commit(arrivals)
    store.close()

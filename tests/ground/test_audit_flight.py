"""A whole audit over a small clean flight, and over the same with something wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from overflight.leaks import scene as scenes
from overflight_contract import mqtt
from overflight_contract.session import SessionWriter
from overflight_contract.session import Verdict as Relay
from overflight_ground.audit import AuditInputs, AuditReport, Verdict, run_audit
from overflight_ground.audit.report import from_json, to_json
from overflight_ground.audit.terminal import to_text

Make = Callable[..., scenes.Scene]


def audit(scene: scenes.Scene, **changes: object) -> AuditReport:
    given: dict[str, object] = {
        "sessions": [scene.session], "store": str(scene.store), "vaults": [scene.vault],
    }  # fmt: skip
    return run_audit(AuditInputs(**{**given, **changes}))  # type: ignore[arg-type]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(**options: object) -> scenes.Scene:
        return scenes.make_scene(tmp_path / "scene", **options)  # type: ignore[arg-type]

    return made


@pytest.mark.parametrize("version", [mqtt.Version.V311, mqtt.Version.V5])
def test_clean_flight_holds(make: Make, version: mqtt.Version) -> None:
    report = audit(make(version=version))
    assert report.verdict is Verdict.HELD, report.reasons
    assert report.exit_status == 0
    assert (report.sent, report.crossed, report.stored, report.lost) == (120, 120, 120, 0)
    assert report.unexplained_bytes == 0
    assert report.images_kept == 6
    assert report.finding_counts == {}
    device = report.fixed_bytes + report.explained_bytes
    assert device == report.bytes_crossed
    assert report.bytes_crossed + report.bytes_down == report.session_bytes


def test_same_inputs_same_bytes(make: Make) -> None:
    scene = make(messages=40)
    one, two = to_json(audit(scene)), to_json(audit(scene))
    assert one == two
    assert from_json(one) == audit(scene)


def leak(scene_make: Make, verdict: Relay, body: bytes | None = None) -> scenes.Scene:
    data = body if body is not None else scenes.picture(2)
    publish = mqtt.Publish(topic="overflight/1/HAB-01/position", payload=data, qos=1, packet_id=9)
    packet = mqtt.encode(publish, mqtt.Version.V311)
    at = scenes.START_NS + 3_600_000_000_123
    connect = mqtt.encode(
        mqtt.Connect(
            client_id="HAB-01", clean_start=False, keep_alive=30, version=mqtt.Version.V311
        ),
        mqtt.Version.V311,
    )
    return scene_make(
        extra=[
            scenes.Up(at, 7, connect),
            scenes.Up(at + 10**9, 7, packet, verdict, "schema: no"),
        ]
    )


def test_refused_leak_is_listed_and_the_split_held(make: Make) -> None:
    report = audit(leak(make, Relay.REFUSED))
    assert report.verdict is Verdict.HELD, report.reasons
    assert report.refused == 1
    assert report.unexplained_bytes == 0
    assert report.tried.search is not None
    assert report.tried.search.found[0].matched_bytes == len(scenes.picture(2))
    assert "tried" in to_text(report)


def test_marked_leak_breaks_and_names_the_picture(make: Make) -> None:
    report = audit(leak(make, Relay.MARKED))
    assert report.verdict is Verdict.BROKEN
    assert report.exit_status == 1
    assert report.unexplained_bytes >= len(scenes.picture(2))
    assert report.search is not None
    found = report.search.found[0]
    assert found.matched_bytes == found.picture_bytes == len(scenes.picture(2))
    assert found.sha256 in found.picture
    assert found.sha256[:12] in to_text(report)


@pytest.mark.parametrize(
    ("left_out", "verdict"),
    [
        ({"store": None}, Verdict.HELD),
        ({"sessions": []}, Verdict.UNTOLD),
        ({"vaults": []}, Verdict.UNTOLD),
    ],
    ids=["no store", "no session", "no vault"],
)
def test_every_absence_is_named(make: Make, left_out: dict[str, object], verdict: Verdict) -> None:
    report = audit(make(messages=40), **left_out)
    assert report.verdict is verdict, report.reasons
    assert report.unproved


def test_a_session_cut_off_is_a_gap_and_is_not_held_against_the_payload(make: Make) -> None:
    scene = make()
    data = scene.session.read_bytes()
    scene.session.write_bytes(data[: len(data) * 6 // 10])
    report = audit(scene)
    assert report.verdict is Verdict.UNTOLD, report.reasons
    assert report.finding_counts["session-gap"] >= 1


def test_a_session_of_a_killed_relay_has_no_gap(make: Make) -> None:
    scene = make(messages=40)
    scene.session.unlink()
    writer = SessionWriter(scene.session, background=False)
    writer.write(scene.items)
    report = audit(scene)
    writer.close()
    assert report.verdict is Verdict.HELD, report.reasons


def test_a_session_that_begins_in_mid_connection_is_a_gap(make: Make, tmp_path: Path) -> None:
    scene = make(messages=60)
    scene.session.unlink()
    half = len(scene.items) // 2
    parts = []
    for number, items in enumerate((scene.items[:half], scene.items[half:])):
        path = tmp_path / f"{number}.mcap"
        writer = SessionWriter(path, background=False)
        writer.write(items)
        writer.close()
        parts.append(path)
    report = audit(scene, sessions=parts)
    assert (report.crossed, report.lost, report.unexplained_bytes) == (60, 0, 0)
    assert report.verdict is Verdict.UNTOLD
    assert report.finding_counts == {"session-gap": 1}
    assert len([i for i in report.inputs if i.kind == "session"]) == 2


def test_a_bare_folder_of_pictures_will_do(make: Make, tmp_path: Path) -> None:
    scene = make(messages=20)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, data in enumerate(scene.pictures):
        (folder / f"{number}.jpg").write_bytes(data)
    report = audit(scene, vaults=[folder])
    assert report.verdict is Verdict.HELD, report.reasons
    assert report.sent is None
    assert len(report.unproved) == 2


def test_what_the_network_learned_is_told_by_flight_and_country(make: Make) -> None:
    report = audit(make(messages=300))
    (seen,) = report.learned.flights
    assert (seen.payload, seen.flight, seen.fixes) == ("HAB-01", scenes.FLIGHT, 150)
    assert seen.track_error_km is not None
    assert seen.track_error_km < 0.01
    stays = [stay for stay in seen.countries if stay.country == "United States"]
    assert sum(stay.fixes for stay in stays) == 150
    assert stays[0].from_at == seen.first_fix_at
    assert "over United States" in to_text(report)


def test_without_a_record_the_error_of_the_track_is_not_known(make: Make) -> None:
    report = audit(make(messages=20), vaults=[])
    assert [seen.track_error_km for seen in report.learned.flights] == [None]

"""Change one byte of any message in any one ledger, or a picture: the audit names it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from overflight.leaks import scene as scenes
from overflight_contract import messages as m
from overflight_contract.session import SessionPacket, SessionWriter
from overflight_ground.audit import AuditInputs, AuditReport, Verdict, run_audit

MESSAGES = 12


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> scenes.Scene:
    return scenes.make_scene(tmp_path_factory.mktemp("clean"), messages=MESSAGES, pictures=3)


@pytest.fixture
def copy(clean: scenes.Scene, tmp_path: Path) -> scenes.Scene:
    return copied(clean, tmp_path / "copy")


def copied(scene: scenes.Scene, folder: Path) -> scenes.Scene:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(scene.folder, folder)
    return scenes.Scene(folder, scene.messages, scene.pictures, scene.items)


def audit(scene: scenes.Scene) -> AuditReport:
    return run_audit(
        AuditInputs(sessions=[scene.session], store=str(scene.store), vaults=[scene.vault])
    )


def names(report: AuditReport, seq: int) -> bool:
    return any(
        finding.seq == seq or f"seq {seq} " in finding.text or f"line {seq} " in finding.text
        for finding in report.findings
    )


def in_record(scene: scenes.Scene, seq: int, at: int, flip: int) -> None:
    lines = scene.record.read_bytes().splitlines(keepends=True)
    line = bytearray(lines[seq - 1])
    start = line.index(b'"message":"') + 11
    line[start + at % (line.index(b'","chain"') - start)] ^= flip
    lines[seq - 1] = bytes(line)
    scene.record.write_bytes(b"".join(lines))


def in_session(scene: scenes.Scene, seq: int, at: int, flip: int) -> None:
    body = m.encode(scene.messages[seq - 1])
    items = []
    for item in scene.items:
        if isinstance(item, SessionPacket) and item.data.endswith(body):
            data = bytearray(item.data)
            data[len(data) - len(body) + at % len(body)] ^= flip
            item = item._replace(data=bytes(data))
        items.append(item)
    scene.session.unlink()
    writer = SessionWriter(scene.session, background=False)
    writer.write(items)
    writer.close()


def in_store(scene: scenes.Scene, seq: int, at: int, flip: int) -> None:
    with sqlite3.connect(scene.store) as db:
        (raw,) = db.execute("SELECT raw FROM messages WHERE seq = ?", (seq,)).fetchone()
        body = bytearray(raw)
        body[at % len(body)] ^= flip
        db.execute("UPDATE messages SET raw = ? WHERE seq = ?", (bytes(body), seq))
    db.close()


@pytest.mark.parametrize("change", [in_record, in_session, in_store])
@settings(
    max_examples=12, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(seq=st.integers(1, MESSAGES), at=st.integers(0, 400), flip=st.integers(1, 255))
def test_one_byte_in_one_ledger_is_named(clean, tmp_path, change, seq, at, flip) -> None:
    scene = copied(clean, tmp_path / "changed")
    change(scene, seq, at, flip)
    report = audit(scene)
    assert report.verdict is not Verdict.HELD
    assert names(report, seq), report.findings


COLUMNS = [
    *((3, f"{name} = {name} + 1") for name in (
        "seq", "held_from", "measured_at_ns", "lat_deg", "lon_deg", "alt_msl_m", "alt_hae_m",
        "sats", "hdop",
    )),
    *((4, f"{name} = {name} + 1") for name in (
        "track_deg", "speed_mps", "climb_mps", "cross_track_m", "waypoint", "waypoint_distance_m",
        "waypoint_bearing_deg",
    )),
    (3, "fix = '2d'"), (4, "phase = 'ascent'"), (3, "kind = 'navigation'"),
    (3, "topic = topic || '/x'"), (3, "payload = 'HAB-02'"),
    (3, "flight = '20230128T060000Z-7f3b'"), (3, "track_deg = 1"),
    (4, "waypoint_distance_m = NULL"),
]  # fmt: skip


@pytest.mark.parametrize(("seq", "change"), COLUMNS, ids=[change for _, change in COLUMNS])
def test_every_column_of_the_store_is_checked_too(
    copy: scenes.Scene, seq: int, change: str
) -> None:
    if change.startswith("seq"):
        change = "seq = 77"
    with sqlite3.connect(copy.store) as db:
        db.execute(f"UPDATE messages SET {change} WHERE seq = {seq}")
    db.close()
    report = audit(copy)
    assert report.verdict is Verdict.UNTOLD
    assert names(report, seq)


@pytest.mark.parametrize(
    ("ledger", "kind"),
    [("store", "missing-in-store"), ("session", "missing-in-traffic"), ("record", "extra")],
)
def test_a_message_taken_out_of_one_ledger_is_named(copy, ledger, kind) -> None:
    if ledger == "store":
        with sqlite3.connect(copy.store) as db:
            db.execute("DELETE FROM messages WHERE seq = 5")
        db.close()
    elif ledger == "record":
        lines = copy.record.read_bytes().splitlines(keepends=True)
        copy.record.write_bytes(b"".join(lines[:4] + lines[5:]))
    else:
        body = m.encode(copy.messages[4])
        copy.items = [
            item for item in copy.items
            if not (isinstance(item, SessionPacket) and item.data.endswith(body))
        ]  # fmt: skip
        copy.session.unlink()
        scenes.write_session(copy)
    report = audit(copy)
    assert report.verdict is not Verdict.HELD
    assert any(f.kind == kind and f.seq == 5 for f in report.findings), report.findings


def test_a_forged_message_in_the_store_is_named(copy: scenes.Scene) -> None:
    with sqlite3.connect(copy.store) as db:
        db.execute("CREATE TEMP TABLE t AS SELECT * FROM messages WHERE seq = 2")
        db.execute("UPDATE t SET id = 999, seq = 999")
        db.execute("INSERT INTO messages SELECT * FROM t")
    db.close()
    report = audit(copy)
    assert any(f.kind == "forged" and f.seq == 999 for f in report.findings)
    assert report.verdict is Verdict.UNTOLD


@pytest.mark.parametrize("record", [True, False])
def test_a_session_cut_off_between_two_chunks_is_named(copy: scenes.Scene, record: bool) -> None:
    copy.session.unlink()
    writer = SessionWriter(copy.session, background=False, chunk_bytes=1024)
    for item in copy.items:
        writer.write([item])
    writer.close()
    data = copy.session.read_bytes()
    offset, ends = 8, []
    while offset < len(data) - 8:
        length = int.from_bytes(data[offset + 1 : offset + 9], "little")
        ends += [offset] if data[offset] == 6 else []
        offset += 9 + length
    assert len(ends) > 3
    copy.session.write_bytes(data[: ends[-2]])
    if not record:
        copy.record.unlink()
    report = audit(copy)
    assert report.verdict is Verdict.UNTOLD
    assert any("was not closed" in f.text for f in report.findings if f.kind == "session-gap")


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_a_manifest_cut_off_is_named(copy: scenes.Scene, lines: int) -> None:
    manifest = copy.vault / "manifest.jsonl"
    kept = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join(kept[:lines]))
    report = audit(copy)
    assert report.verdict is Verdict.UNTOLD
    extra = {f.picture for f in report.findings if f.kind == "picture-extra"}
    assert len(extra) == len(kept) - lines


@settings(
    max_examples=15, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_one_byte_of_the_manifest_is_named(clean, tmp_path, at: int, flip: int) -> None:
    scene = copied(clean, tmp_path / "changed")
    manifest = scene.vault / "manifest.jsonl"
    data = bytearray(manifest.read_bytes())
    data[at % len(data)] ^= flip
    manifest.write_bytes(data)
    report = audit(scene)
    assert report.verdict is Verdict.UNTOLD
    assert {"manifest-damage", "picture-missing", "picture-extra"} & set(report.finding_counts)


def test_a_thumbnail_in_place_of_a_picture_is_named(copy: scenes.Scene) -> None:
    one = next(pictures_of(copy))
    Image.open(one).resize((16, 16)).save(one, "JPEG")
    report = audit(copy)
    assert report.verdict is Verdict.UNTOLD
    assert any(f.kind == "picture-changed" and one.name in f.text for f in report.findings)


def pictures_of(scene: scenes.Scene) -> Iterator[Path]:
    yield from sorted(scene.vault.rglob("*.jpg"))


def test_a_removed_picture_is_named(copy: scenes.Scene) -> None:
    gone = next(pictures_of(copy))
    gone.unlink()
    report = audit(copy)
    assert report.verdict is Verdict.UNTOLD
    assert any(f.kind == "picture-missing" and gone.name in f.text for f in report.findings)


def test_swapped_pictures_are_named(copy: scenes.Scene) -> None:
    one, two, *_ = pictures_of(copy)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    report = audit(copy)
    assert report.verdict is Verdict.UNTOLD
    swapped = {f.picture for f in report.findings if f.kind == "picture-swapped"}
    assert {Path(name or "").name for name in swapped} == {one.name, two.name}


def test_an_altered_picture_is_named(copy: scenes.Scene) -> None:
    one = next(pictures_of(copy))
    data = bytearray(one.read_bytes())
    data[200] ^= 1
    one.write_bytes(data)
    report = audit(copy)
    assert report.verdict is Verdict.UNTOLD
    assert any(f.kind == "picture-changed" and one.name in f.text for f in report.findings)
    state = {p.state for p in report.pictures}
    assert "changed" in state


def test_an_empty_record_vouches_for_nothing(copy: scenes.Scene) -> None:
    copy.record.write_bytes(b"")
    report = audit(copy)
    assert report.verdict is Verdict.UNTOLD
    assert report.finding_counts["record-damage"] == 1
    assert "extra" not in report.finding_counts

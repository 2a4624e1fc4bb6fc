"""Recovery: folders and archives, whole and damaged, again and again, never written to."""

from __future__ import annotations

import hashlib
import io
import shutil
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from overflight.leaks import scene as scenes
from overflight_contract.errors import InputError
from overflight_ground.recover import RecoverInputs, Recovery, recover
from overflight_ground.recover.matching import Fix, Shot, estimate_offset, match
from overflight_ground.recover.matching import Offset as ClockOffset

NS = 10**9


@pytest.fixture
def scene(tmp_path: Path) -> scenes.Scene:
    return scenes.make_scene(tmp_path / "scene", messages=60, pictures=3)


@pytest.fixture
def take(scene: scenes.Scene, tmp_path: Path) -> Callable[..., Recovery]:
    def taken(source: Path, **options: object) -> Recovery:
        given: dict[str, object] = {
            "source": source, "store": str(scene.store), "into": tmp_path / "recovered",
            "now_ns": 5 * NS,
        }  # fmt: skip
        return recover(RecoverInputs(**{**given, **options}))  # type: ignore[arg-type]

    return taken


def state(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


def rows(scene: scenes.Scene, table: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(scene.store) as db:
        found = db.execute(f"SELECT * FROM {table}").fetchall()
    db.close()
    return found


def tar_of(folder: Path, target: Path) -> Path:
    with tarfile.open(target, "w:gz") as archive:
        archive.add(folder, arcname="device")
    return target


def zip_of(folder: Path, target: Path) -> Path:
    return Path(shutil.make_archive(str(target.with_suffix("")), "zip", folder.parent, folder.name))


@pytest.mark.parametrize("form", ["folder", "vault", "tar", "zip"])
def test_every_form_of_source(scene, take, tmp_path, form) -> None:
    device = scene.vault.parent
    source = {
        "folder": lambda: device,
        "vault": lambda: scene.vault,
        "tar": lambda: tar_of(device, tmp_path / "v.tar.gz"),
        "zip": lambda: zip_of(device, tmp_path / "v.zip"),
    }[form]()
    made = take(source)
    assert (made.pictures, made.copied, made.chain_ok) == (3, 3, True)
    assert made.payload == "HAB-01"
    assert made.flights == (scenes.FLIGHT,)
    assert made.matched == 3
    copies = sorted((tmp_path / "recovered").rglob("*.jpg"))
    assert {path.read_bytes() for path in copies} == set(scene.pictures)
    assert len(rows(scene, "pictures")) == 3
    assert len(rows(scene, "recoveries")) == 1
    assert list((tmp_path / "recovered").rglob("record.jsonl"))


def test_again_and_again_without_doubling_and_never_writing_to_the_source(scene, take) -> None:
    before = state(scene.vault.parent)
    first = take(scene.vault.parent)
    pictures = rows(scene, "pictures")
    second = take(scene.vault.parent)
    assert (first.copied, second.copied, second.already_there) == (3, 0, 3)
    assert rows(scene, "pictures") == pictures
    assert len(rows(scene, "recoveries")) == 1
    assert state(scene.vault.parent) == before


def test_a_read_only_source_is_enough(scene, take) -> None:
    for path in scene.vault.parent.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert take(scene.vault.parent).pictures == 3
    finally:
        for path in scene.vault.parent.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_damage_is_named_and_the_rest_taken_in(scene, take) -> None:
    one, two, _ = sorted(scene.vault.rglob("*.jpg"))
    one.unlink()
    two.write_bytes(two.read_bytes()[:500])
    manifest = scene.vault / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-20])
    made = take(scene.vault.parent)
    assert any(one.name in name for name in made.missing + tuple(made.damage) + made.extra)
    assert two.name in " ".join(made.changed) + " ".join(made.extra)
    assert made.damage
    assert not made.chain_ok


def test_a_bare_folder_of_pictures(scene, take, tmp_path) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    for number, data in enumerate(scene.pictures):
        (folder / f"IMG_{number}.JPG").write_bytes(data)
    made = take(folder, payload="HAB-01")
    assert (made.bare, made.pictures, made.matched) == (True, 3, 0)
    assert "no time" in made.unmatched[0].reason


def test_what_is_no_vault_is_said(scene, take, tmp_path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="neither a vault nor a picture"):
        take(empty)
    with pytest.raises(InputError, match="no folder and no archive"):
        take(tmp_path / "absent")
    file = tmp_path / "file.tar"
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match="neither a folder, a tar nor a zip"):
        take(file)


@pytest.mark.parametrize("name", ["../evil.jpg", "/evil.jpg", "vault/../../evil.jpg"])
@pytest.mark.parametrize("form", ["tar", "zip"])
def test_archives_never_write_outside(scene, take, tmp_path, name, form) -> None:
    path = tmp_path / f"bad.{form}"
    if form == "tar":
        with tarfile.open(path, "w") as archive:
            archive.add(scene.vault, arcname="vault")
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"evil"))
            link = tarfile.TarInfo("vault/link.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
    else:
        with zipfile.ZipFile(path, "w") as zipped:
            for file in scene.vault.rglob("*"):
                zipped.write(file, f"vault/{file.relative_to(scene.vault)}")
            zipped.writestr(name, b"evil")
    made = take(path, payload="HAB-01")
    assert made.pictures == 3
    assert any("outside" in text for text in made.damage)
    assert not list(tmp_path.parent.glob("evil.jpg"))
    assert not Path("/evil.jpg").exists()


def test_links_out_of_a_card_are_not_followed(scene, take, tmp_path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"of this machine")
    one, *_ = sorted(scene.vault.rglob("*.jpg"))
    for path in (one, scene.record):
        path.unlink()
        path.symlink_to(secret)
    made = take(scene.vault.parent, payload="HAB-01")
    assert (made.pictures, made.copied, made.record_messages) == (2, 2, 0)
    assert any("link out of the vault" in text for text in made.damage)
    copies = [path for path in (tmp_path / "recovered").rglob("*") if path.is_file()]
    assert all(path.read_bytes() != secret.read_bytes() for path in copies)


@pytest.mark.parametrize("form", ["tar", "zip"])
def test_members_that_can_not_be_written_are_named(scene, take, tmp_path, form) -> None:
    names = ["clash", "clash/inner.jpg", "n" * 300 + ".jpg"]
    path = tmp_path / f"odd.{form}"
    if form == "tar":
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            archive.add(scene.vault, arcname="vault")
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = 4
                archive.addfile(member, io.BytesIO(b"odd!"))
            member = tarfile.TarInfo("vault/x.jpg")
            member.pax_headers = {"path": "vault/a\0b.jpg"}
            archive.addfile(member)
    else:
        with zipfile.ZipFile(path, "w") as zipped:
            for file in scene.vault.rglob("*"):
                zipped.write(file, f"vault/{file.relative_to(scene.vault)}")
            for name in names:
                zipped.writestr(name, b"odd!")
    made = take(path, payload="HAB-01")
    assert (made.pictures, made.missing) == (3, ())
    assert sum("can't be read" in text for text in made.damage) == 2


def test_a_cut_off_archive_gives_what_it_has(scene, take, tmp_path) -> None:
    path = tmp_path / "cut.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(scene.vault, arcname="vault")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    made = take(path, payload="HAB-01")
    assert made.pictures + len(made.missing) >= 1
    assert made.damage


def test_whose_vault_is_asked_where_nobody_says(scene, take, tmp_path) -> None:
    other = tmp_path / "other.sqlite"
    with pytest.raises(InputError, match="name --payload"):
        take(scene.vault, store=str(other))
    assert take(scene.vault, store=str(other), payload="HAB-01").pictures == 3


TRACK = [Fix(n * 60 * NS, 45.0 + n * 0.01, 8.0 + n * 0.02, 1000.0 + n) for n in range(60)]


def shots(offset_s: float, count: int = 9, *, placed: bool = True) -> list[Shot]:
    made = []
    for n in range(count):
        fix = TRACK[5 * n + 3]
        taken = fix.at_ns - round(offset_s * NS)
        place = (fix.lat_deg, fix.lon_deg, fix.alt_m) if placed else (None, None, None)
        made.append(Shot(f"{n}", taken, *place))
    return made


@pytest.mark.parametrize("offset_s", [0.0, 3600.0, -7200.0, 95.0])
def test_the_clock_offset_is_estimated(offset_s: float) -> None:
    found = estimate_offset(shots(offset_s), TRACK)
    assert found.source == "estimated"
    assert found.offset_s == pytest.approx(offset_s, abs=2)
    placed = match(shots(offset_s, placed=False), {"f": TRACK}, found, max_gap_s=900)
    assert [m.how for m in placed] == ["track"] * 9
    assert placed[0].lat_deg == pytest.approx(TRACK[3].lat_deg, abs=1e-3)


def test_without_positions_no_offset_is_made_up() -> None:
    assert estimate_offset(shots(500, placed=False), TRACK).source == "assumed"


def test_what_can_not_be_placed_says_why() -> None:
    gap = [TRACK[0], TRACK[59]]
    late = Shot("late", TRACK[-1].at_ns + 7200 * NS, None, None, None)
    inside = Shot("gap", TRACK[30].at_ns, None, None, None)
    none = ClockOffset(0.0, "given", 0, None)
    found = match([late, inside], {"f": gap}, none, max_gap_s=900)
    assert "outside of every flight" in found[0].reason
    assert "without a fix" in found[1].reason


def test_a_track_over_the_antimeridian() -> None:
    track = [Fix(0, 50.0, 179.9, None), Fix(60 * NS, 50.0, -179.9, None)]
    (found,) = match(
        [Shot("a", 30 * NS, None, None, None)], {"f": track}, ClockOffset(0, "given", 0, None)
    )
    assert abs(abs(found.lon_deg or 0) - 180) < 1e-6


def test_the_command_says_what_was_taken_in(scene, tmp_path, capsys) -> None:
    from overflight.cli import main

    words = ["recover", str(scene.vault.parent), "--store", str(scene.store)]
    assert main([*words, "--into", str(tmp_path / "in"), "--clock-offset=-90s"]) == 0
    text = capsys.readouterr().out
    assert "3 pictures" in text
    assert "clock offset -90.0 s (given)" in text
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["HAB-01"]

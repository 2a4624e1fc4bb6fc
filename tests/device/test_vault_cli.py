"""``overflight device vault`` and ``scenarios``, as a person and a program call them."""

import json

import pytest

from overflight.cli import main
from overflight_contract.vault import read_vault, verify_vault
from overflight_device.camera import open_camera
from overflight_device.fix import SourceOptions
from overflight_device.sources import open_source
from overflight_device.vault import Vault


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("payload")
    camera = open_camera("sim:0.05", seed=3)
    source = iter(open_source("sim:transcontinental", SourceOptions(seed=3)))
    vault = Vault(folder / "vault")
    for serial in range(1, 6):
        vault.store(camera.take(next(source), serial))
    vault.close()
    (folder / "record.jsonl").write_text("")
    return folder


def test_verify_says_ok_and_ends_with_0(data, capsys):
    assert main(["device", "vault", "verify", "--data", str(data), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"]
    assert answer["pictures"] == 5


def test_list_shows_each_picture(data, capsys):
    assert main(["device", "vault", "list", str(data), "--json"]) == 0
    pictures = json.loads(capsys.readouterr().out)["pictures"]
    assert [picture["serial"] for picture in pictures] == [1, 2, 3, 4, 5]
    assert pictures[0]["taken_at"] == "2023-01-28T06:00:00.000Z"
    assert main(["device", "vault", "list", str(data)]) == 0
    assert "5 pictures" in capsys.readouterr().out


def test_export_is_a_verified_copy_with_sheet_and_kml(data, tmp_path, capsys):
    out = tmp_path / "stick"
    for _ in range(2):
        assert main(["device", "vault", "export", str(data), "--out", str(out), "--json"]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["pictures"] == 5
    assert verify_vault(out).ok
    assert (out / "record.jsonl").is_file()
    assert (out / "contact-sheet.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    kml = (out / "pictures.kml").read_text()
    assert kml.count("<Placemark>") == 5
    assert read_vault(data)[0].file in kml


def test_damage_is_named_and_ends_with_1(data, tmp_path, capsys):
    out = tmp_path / "copy"
    main(["device", "vault", "export", str(data), "--out", str(out)])
    entry = read_vault(out)[2]
    (out / "vault" / entry.file).unlink()
    capsys.readouterr()
    assert main(["device", "vault", "verify", str(out)]) == 1
    assert f"missing  {entry.file}" in capsys.readouterr().out
    assert main(["device", "vault", "export", str(out), "--out", str(tmp_path / "again")]) == 1


def test_scenarios_lists_and_shows(capsys):
    assert main(["device", "scenarios", "--json"]) == 0
    scenarios = json.loads(capsys.readouterr().out)["scenarios"]
    crossing = next(s for s in scenarios if s["name"] == "transcontinental")
    assert crossing["missions"][0]["picture_every_s"] == 600
    assert crossing["simulated"]
    assert main(["device", "scenarios", "transcontinental"]) == 0
    assert "simulation after public reports" in capsys.readouterr().out

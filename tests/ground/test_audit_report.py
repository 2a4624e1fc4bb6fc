"""The report in its forms: JSON by its schema, one page, signed, on one screen."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from overflight.cli import main
from overflight.leaks import scene as scenes
from overflight.leaks.trial import run_clean, run_leak
from overflight_ground.audit import AuditReport
from overflight_ground.audit.html import to_html
from overflight_ground.audit.report import json_schema, to_json
from overflight_ground.audit.terminal import to_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def held(folder: Path) -> AuditReport:
    return run_clean(folder / "held")


@pytest.fixture(scope="module")
def broken(folder: Path, held: AuditReport) -> AuditReport:
    return run_leak("base64", folder / "broken", held)[1]


@pytest.mark.parametrize("name", ["held", "broken"])
def test_json_fits_its_schema(name: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    value = json.loads(to_json(report))
    jsonschema.Draft202012Validator(json_schema()).validate(value)
    assert value["verdict"] == f"split {name}"


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.targets: set[str] = set()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found["id"] or ""} if "id" in found else set()
        href = found.get("href") or ""
        if href.startswith("#"):
            self.targets.add(href[1:])
        elif href:
            self.loads.append(href)
        self.loads += [found[key] or "" for key in ("src", "data") if key in found]
        if tag in ("script", "link", "iframe", "object", "img"):
            self.loads.append(tag)
        if tag not in ("meta", "br", "rect", "circle", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()


@pytest.mark.parametrize("name", ["held", "broken"])
def test_page_is_self_contained_and_each_number_leads_somewhere(name, request) -> None:
    text = to_html(request.getfixturevalue(name))
    page = Page()
    page.feed(text)
    assert page.loads == []
    assert page.targets <= page.ids
    assert "http" not in re.sub(r'http-equiv="', "", text)
    assert text == to_html(request.getfixturevalue(name))
    assert f"Split {name}" in text


def test_page_of_a_leak_shows_its_bytes(broken: AuditReport) -> None:
    text = to_html(broken)
    assert broken.search is not None
    assert broken.search.found[0].sha256[:12] in text
    assert "does not fit the schema" in text or "no message has over 512" in text


def test_page_escapes_what_a_device_may_write(held: AuditReport, tmp_path: Path) -> None:
    import msgspec

    evil = msgspec.structs.replace(held, payloads=("<script>alert(1)</script>",))
    assert "<script>" not in to_html(evil)


def test_terminal_form_is_one_screen(held: AuditReport, broken: AuditReport) -> None:
    for report in (held, broken):
        text = to_text(report)
        assert text.startswith(report.verdict.upper())
        assert len(text.splitlines()) <= 45
        assert "what would have changed the verdict" in text


def test_sign_and_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = scenes.make_scene(tmp_path / "s", messages=20, pictures=2)
    key, report = tmp_path / "key.pem", tmp_path / "report.json"
    given = ["--session", str(scene.session), "--store", str(scene.store),
             "--vault", str(scene.vault)]  # fmt: skip
    assert main(["audit", "key", str(key)]) == 0
    public = capsys.readouterr().out.strip()
    assert key.stat().st_mode & 0o77 == 0
    assert main(["audit", "key", str(key)]) == 2
    assert main(["audit", *given, "--sign", str(key), "--report", str(report)]) == 0
    first = report.read_bytes()
    assert json.loads(first)["verdict"] == "split held"
    assert main(["audit", *given, "--sign", str(key), "--report", str(report)]) == 0
    assert report.read_bytes() == first
    assert main(["audit", "verify", str(report), "--key", public, *given]) == 0
    assert main(["audit", "verify", str(report), "--key", "00" * 32]) == 1
    report.write_bytes(first.replace(b'"sent": 20', b'"sent": 21'))
    assert main(["audit", "verify", str(report)]) == 1
    report.write_bytes(first.replace(b'"schema":', b'"more": 1,\n "schema":'))
    assert main(["audit", "verify", str(report)]) == 1
    report.write_bytes(first)
    next(scene.vault.rglob("*.jpg")).write_bytes(b"other")
    capsys.readouterr()
    assert main(["audit", "verify", str(report), *given]) == 1
    assert "is not the one that was audited" in capsys.readouterr().out
    report.write_bytes(b"{}")
    assert main(["audit", "verify", str(report)]) == 2


def test_exit_statuses_of_the_command(tmp_path: Path) -> None:
    scene = scenes.make_scene(tmp_path / "s", messages=20, pictures=2)
    assert main(["audit", "--session", str(scene.session), "--vault", str(scene.vault)]) == 0
    assert main(["audit", "--store", str(scene.store), "--vault", str(scene.vault)]) == 3
    assert main(["audit", "--session", str(tmp_path / "absent.mcap")]) == 2
    assert main(["audit"]) == 2
    page = tmp_path / "a.html"
    assert main(["audit", "--session", str(scene.session), "--html", str(page)]) == 3
    assert page.read_text().startswith("<!doctype html>")

"""What is in the page's folder: pinned, licensed, small, and nothing from elsewhere."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

LIMIT_BYTES = 300_000
ROOT = Path(__file__).parents[3]


def _files(page_dir: Path) -> list[Path]:
    return sorted(path for path in page_dir.rglob("*") if path.is_file())


def test_vendored_files_are_those_that_were_checked_in(page_dir: Path) -> None:
    vendor = page_dir / "vendor"
    sums = {}
    for line in (vendor / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        sums[name] = digest
    there = {
        str(path.relative_to(vendor)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files(vendor)
        if path.name != "SHA256SUMS"
    }
    assert there == sums


def test_every_vendored_library_has_its_licence_and_the_pinned_version(page_dir: Path) -> None:
    pins = json.loads((ROOT / "tools/vendor-page/package.json").read_text())["dependencies"]
    for name, version in pins.items():
        if name == "axe-core":
            continue
        text = (page_dir / "vendor" / "licences" / f"{name}.txt").read_text()
        assert text.startswith(f"{name} {version} ")
        assert len(text) > 300


def test_lock_file_names_no_registry() -> None:
    lock = (ROOT / "tools/vendor-page/package-lock.json").read_text()
    assert "resolved" not in lock
    assert "://" not in lock.replace("https://opencollective.com", "").replace(
        "https://github.com", ""
    )


def test_all_of_it_is_at_most_300_kb_gzipped(page_dir: Path) -> None:
    sizes = {path: len(gzip.compress(path.read_bytes(), 9)) for path in _files(page_dir)}
    assert sum(sizes.values()) <= LIMIT_BYTES, sorted(sizes.items(), key=lambda item: -item[1])[:5]


def test_our_files_are_small(page_dir: Path) -> None:
    for path in [*(page_dir / "js").rglob("*.js"), *(page_dir / "css").rglob("*.css")]:
        assert len(path.read_text().splitlines()) <= 400, path


@pytest.mark.parametrize("pattern", [r"\bstyle=", r"\son\w+=", r"<script(?![^>]*src=)", r"<style"])
def test_the_document_has_nothing_inline(page_dir: Path, pattern: str) -> None:
    assert not re.search(pattern, (page_dir / "index.html").read_text())


def test_nothing_names_another_host(page_dir: Path) -> None:
    for path in [*(page_dir / "js").rglob("*.js"), *(page_dir / "css").rglob("*.css")]:
        for url in re.findall(r"https?://[^\s\"'`]+", path.read_text()):
            assert url == "http://www.w3.org/2000/svg", f"{path}: {url}"
    for url in re.findall(r"(?:src|href)=\"([^\"]+)\"", (page_dir / "index.html").read_text()):
        assert "//" not in url


def test_no_html_is_made_from_strings(page_dir: Path) -> None:
    for path in (page_dir / "js").rglob("*.js"):
        assert not re.search(
            r"innerHTML|insertAdjacentHTML|document\.write|\beval\(", path.read_text()
        ), path


def test_every_import_is_a_file(page_dir: Path) -> None:
    for path in (page_dir / "js").rglob("*.js"):
        for name in re.findall(r"(?:from|import\()\s*\"(\.[^\"]+)\"", path.read_text()):
            assert (path.parent / name).resolve().is_file(), f"{path} imports {name}"


def test_every_module_is_fetched_at_once(page_dir: Path) -> None:
    document = (page_dir / "index.html").read_text()
    preloaded = set(re.findall(r'rel="modulepreload" href="([^"]+)"', document))
    modules = {str(path.relative_to(page_dir)) for path in page_dir.rglob("*.js")}
    assert preloaded == modules

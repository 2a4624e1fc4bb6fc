"""Each leak of the gallery is where the table in docs/audit.md says."""

from __future__ import annotations

from pathlib import Path

import pytest

from overflight.leaks.gallery import GALLERY
from overflight.leaks.trial import Row, run_gallery, table

DOC = Path(__file__).parents[2] / "docs" / "audit.md"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    return {row.name: row for row in run_gallery(tmp_path_factory.mktemp("gallery"))}


@pytest.mark.timeout(600)
def test_the_table_is_what_running_them_gives(rows: dict[str, Row]) -> None:
    found = [line for line in DOC.read_text().splitlines() if line.startswith("| ")]
    for line in table(list(rows.values())).splitlines():
        assert line in found, f"write it anew: overflight leak gallery --markdown\n{line}"


def test_no_leak_says_more_than_the_bound(rows: dict[str, Row]) -> None:
    for row in rows.values():
        if not GALLERY[row.name].covers:
            assert row.bound >= min(row.carried, row.unexplained or row.carried), row.name


def test_what_needs_other_bytes_is_never_held(rows: dict[str, Row]) -> None:
    for row in rows.values():
        assert (row.verdict == "split broken") == bool(
            {"bytes", "ledgers", "search"} & set(row.layers)
        ), row.name


def test_the_issue_names_these_and_they_are_there() -> None:
    for name in (
        "raw", "base64", "chunked over positions", "v5 user properties", "will", "client id",
        "password", "SUBSCRIBE filters", "topic names", "spaces of JSON", "doubled keys of JSON",
        "low digits, text", "seq gaps", "timing",
    ):  # fmt: skip
        assert name in GALLERY

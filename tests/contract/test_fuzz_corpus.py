"""The fuzzers' corpus, run without a fuzzer: what was found once stays fixed."""

import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[2] / "fuzz"
CORPUS = sorted((FUZZ / "corpus").iterdir())
FILTERS = sorted((FUZZ / "corpus-filters").iterdir())


@pytest.fixture(scope="module")
def properties():
    sys.path.insert(0, str(FUZZ))
    try:
        import properties
    finally:
        sys.path.remove(str(FUZZ))
    return properties


def test_the_corpus_is_small_and_there():
    assert len(CORPUS) > 50
    assert sum(each.stat().st_size for each in [*CORPUS, *FILTERS]) < 100_000


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_streams(properties, file):
    properties.check_stream(file.read_bytes())


@pytest.mark.parametrize("file", FILTERS, ids=lambda file: file.name)
def test_filters(properties, file):
    properties.check_filter(file.read_bytes())

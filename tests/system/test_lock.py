"""One hashed lock serves uv and pip alike, names no registry, and pins all that is asked for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def pins(name):
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    found = {}
    for block in blocks:
        head, *hashes = [line.strip(" \\") for line in block.splitlines()]
        requirement = Requirement(head)
        assert hashes, f"{head} has no hash"
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes)
        found[canonicalize_name(requirement.name)] = requirement
    return found


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def asked(*, dev):
    table = project()
    lines = list(table["project"]["dependencies"])
    for extra in table["project"]["optional-dependencies"].values():
        lines += extra
    if dev:
        lines += table["dependency-groups"]["dev"]
    return [Requirement(line) for line in lines if not line.startswith("overflight[")]


@pytest.mark.parametrize(("name", "dev"), [("run", False), ("dev", True)])
def test_pins_what_the_project_asks_for(name, dev):
    found = pins(name)
    for requirement in asked(dev=dev):
        pin = found.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not in {name}.lock: make lock"
        version = next(iter(pin.specifier)).version
        assert requirement.specifier.contains(version, prereleases=True), requirement.name


def test_the_environment_of_the_tests_is_the_programs_own():
    """`make test` must not test other versions than `make demo` runs."""
    run, dev = pins("run"), pins("dev")
    assert {n: str(pin.specifier) for n, pin in run.items()} == {
        n: str(dev[n].specifier) for n in run
    }


def test_both_installers_read_the_same_files():
    script = (ROOT / "tools" / "setup.sh").read_text()
    uses = re.findall(r"(uv pip|pip) install .*-r \"\$lock\"", script)
    assert sorted(uses) == ["pip", "uv pip"]
    assert script.count("--require-hashes") >= 2


def test_no_lock_names_a_registry():
    for path in (ROOT / "requirements").glob("*.lock"):
        assert "://" not in path.read_text(), path

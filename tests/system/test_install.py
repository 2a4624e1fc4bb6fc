"""An editable install, a wheel in an empty environment with each extra alone, and the help."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return next(out.glob("*.whl"))


def test_the_wheel_has_the_houses_and_no_anonymous_module(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert tops == {
        "overflight", "overflight_contract", "overflight_device", "overflight_relay",
        "overflight_ground",
    }  # fmt: skip
    assert "overflight_device/scenarios/transcontinental.toml" in names
    assert any(name.startswith("overflight_ground/page/") for name in names)


EXTRAS = {
    "": [["--help"], ["completion", "--help"], ["session", "--help"]],
    "device": [["device", "run", "--help"], ["device", "scenarios"], ["device", "ports"]],
    "relay": [["relay", "run", "--help"]],
    "ground": [["ground", "run", "--help"], ["audit", "--help"], ["recover", "--help"]],
    "tools": [["replay", "--help"]],
}


@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_alone_is_enough_for_its_house(wheel, tmp_path, extra):
    """The packages of the extra, and no others, from this environment."""
    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    allowed = _closure(extra)
    script = tmp_path / "run.py"
    script.write_text(GUARD.format(allowed=sorted(allowed), site=str(target)))
    for words in EXTRAS[extra]:
        done = subprocess.run(
            [sys.executable, "-P", str(script), *words], capture_output=True, text=True,
            cwd=tmp_path, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stderr)


GUARD = """
import importlib.abc, importlib.metadata, sys
ALLOWED = {allowed!r}
sys.path[:] = [{site!r}] + [p for p in sys.path if "site-packages" in p or "lib/python" in p]
owners = importlib.metadata.packages_distributions()

class Guard(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        names = {{d.lower().replace("_", "-") for d in owners.get(top, [])}}
        if names and not names & set(ALLOWED) and not top.startswith("overflight"):
            raise ModuleNotFoundError(f"{{top}} is not in the extra", name=top)
        return None

sys.meta_path.insert(0, Guard())
from overflight.cli import main
sys.exit(main())
"""


def _closure(extra):
    """Names of all distributions that the base and `extra` bring, by their metadata."""
    from importlib import metadata

    from packaging.markers import default_environment
    from packaging.requirements import Requirement

    wanted = [("overflight", {extra} if extra else set())]
    seen = {}
    while wanted:
        name, extras = wanted.pop()
        key = name.lower().replace("_", "-")
        if key in seen and extras <= seen[key]:
            continue
        seen[key] = seen.get(key, set()) | extras
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            marker = requirement.marker
            chosen = extras | {""}
            if marker and not any(
                marker.evaluate({**default_environment(), "extra": one}) for one in chosen
            ):
                continue
            wanted.append((requirement.name, set(requirement.extras)))
    return set(seen) | {"setuptools", "pip"}


def test_help_is_quick_and_imports_no_house():
    code = (
        "import sys; from overflight.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "bad = [m for m in sys.modules if m.startswith(('overflight_device', 'overflight_relay',"
        " 'overflight_ground', 'numpy', 'sqlalchemy', 'fastapi'))]\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

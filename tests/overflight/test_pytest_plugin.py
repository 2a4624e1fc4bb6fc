"""The tutorial of docs/testing.md, made into a project in an empty folder and run."""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from overflight import pytest_plugin

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "testing.md").read_text()
BLOCK = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)
INSTALLED = any(
    each.value == "overflight.pytest_plugin"
    for each in importlib.metadata.entry_points(group="pytest11")
)


def pytest_in(folder, *words):
    plugins = [] if INSTALLED else ["-p", "overflight.pytest_plugin"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A stranger's project, with its golden session recorded."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in BLOCK.findall(TUTORIAL):
        (folder / name).write_text(text)
    (folder / "test_asyncio.py").write_text(ASYNCIO)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    done = pytest_in(folder, "--update-sessions", "test_tracker.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "flight.mcap").exists()
    return folder


@pytest.mark.slow
def test_the_tutorial_runs(project):
    done = pytest_in(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b1\d passed", done.stdout), done.stdout


ASYNCIO = """
import pytest


@pytest.mark.asyncio
@pytest.mark.session("flight.mcap")
async def test_with_pytest_asyncio(replayed):
    await replayed.play_async()
    replayed.assert_all_played()
    replayed.assert_nothing_else_crossed()
"""

ANYIO = """
import importlib.util

import anyio
import pytest

uvloop = pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop", marks=pytest.mark.skipif(
    importlib.util.find_spec("uvloop") is None, reason="without uvloop"))


@pytest.fixture(params=["asyncio", uvloop])
def anyio_backend(request):
    return request.param


@pytest.mark.anyio
@pytest.mark.session("flight.mcap")
async def test_with_anyio(replayed):
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)
        report = await replayed.play_async()
    assert report.acknowledged == 5
    replayed.assert_all_played()
    replayed.assert_nothing_else_crossed()


@pytest.mark.anyio
@pytest.mark.session("flight.mcap")
async def test_in_a_thread(replayed):
    await anyio.to_thread.run_sync(replayed.play)
    replayed.assert_all_played()


@pytest.mark.anyio
@pytest.mark.session("flight.mcap", role="broker")
async def test_the_broker_s_side(replayed):
    from tracker import fly
    await anyio.to_thread.run_sync(fly, replayed.host, replayed.port)
    await replayed.play_async()
    replayed.assert_all_played()


@pytest.mark.session("flight.mcap")
def test_another_loop(replayed):
    with pytest.raises(RuntimeError, match="needs asyncio.*With trio"):
        replayed.play_async().send(None)
    assert replayed.report is None
"""

TRIO = """
import pytest

pytest.importorskip("trio")


@pytest.mark.anyio
@pytest.mark.session("flight.mcap")
async def test_with_trio(replayed):
    import anyio
    with pytest.raises(RuntimeError, match="needs asyncio.*With trio"):
        await replayed.play_async()
    await anyio.to_thread.run_sync(replayed.play)
    replayed.assert_all_played()


@pytest.fixture
def anyio_backend():
    return "trio"
"""


@pytest.mark.slow
def test_pytest_asyncio_and_anyio(project):
    (project / "test_with_anyio.py").write_text(ANYIO)
    (project / "test_with_trio.py").write_text(TRIO)
    done = pytest_in(project, "test_asyncio.py", "test_with_anyio.py", "test_with_trio.py", "-rs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b[5-9] passed", done.stdout), done.stdout


FAILING = """
import pytest
from tracker import TOPIC, fly
import paho.mqtt.client as mqtt


def stray(host, port, topic="photos/1", payload=b"jpeg", client_id="HAB-01"):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id)
    client.connect(host, port)
    client.loop_start()
    client.publish(topic, payload, qos=1).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


def test_egress(egress):
    stray(egress.host, egress.port)


@pytest.mark.session("flight.mcap")
def test_something_else(replayed):
    replayed.play()
    stray(replayed.host, replayed.port)
    replayed.assert_nothing_else_crossed()


@pytest.mark.session("flight.mcap")
def test_something_allowed(replayed):
    stray(replayed.host, replayed.port)
    replayed.assert_nothing_else_crossed(allow=["photos/+"])


def test_golden(relay, golden_session):
    fly(relay.host, relay.port, count=4)
    relay.stop()
    golden_session.check(relay.path, "flight.mcap")


def test_no_golden(relay, golden_session):
    relay.stop()
    golden_session.check(relay.path, "nowhere.mcap")


def test_unmarked(session):
    pass


@pytest.mark.session("missing.mcap")
def test_missing(session):
    pass


@pytest.mark.session("flight.mcap", role="broker", timeout_s=0.2)
def test_silent_payload(replayed):
    replayed.assert_all_played()
"""


@pytest.mark.slow
def test_failures_say_what_is_wrong(project):
    (project / "test_failing.py").write_text(FAILING)
    try:
        done = pytest_in(project, "test_failing.py", "-o", "addopts=")
    finally:
        (project / "test_failing.py").unlink()
    said = done.stdout
    assert done.returncode == 1, said + done.stderr
    for text in (
        "packets left that are not of the contract",
        "PUBLISH photos/1",
        "1 messages crossed that flight.mcap does not hold",
        "+ photos/1  4 bytes: jpeg",
        "write it anew with --update-sessions",
        '"seq":5',
        "no golden session nowhere.mcap; make it with pytest --update-sessions",
        "needs @pytest.mark.session('FILE')",
        "no session missing.mcap beside test_failing.py",
        "the payload said 0 of",
    ):
        assert text in said, said
    assert "2 passed" in said


def test_the_plugin_is_light():
    code = (
        "import sys, overflight.pytest_plugin as p;"
        "heavy = [n for n in sys.modules if n.split('.')[0] in"
        " ('paho', 'msgspec', 'overflight_ground', 'overflight_contract.session', 'asyncio')];"
        "print(heavy)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert "paho" not in done.stdout
    assert "overflight_ground" not in done.stdout


def test_the_docs_name_every_fixture_and_option():
    for name in ("session", "replayed", "mqtt_broker", "relay", "egress", "golden_session"):
        assert f"| `{name}` |" in TUTORIAL
        assert hasattr(pytest_plugin, name)
    assert "--update-sessions" in TUTORIAL
    for option in re.findall(r"(\w+)=", pytest_plugin.SESSION_MARKER + pytest_plugin.RELAY_MARKER):
        assert f"`{option}`" in TUTORIAL or f"{option}=" in TUTORIAL, option

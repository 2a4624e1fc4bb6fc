"""A relay that can't start says why in one sentence, and leaves nothing half done."""

import os
import socket
import subprocess
import sys

import pytest

from overflight_contract.session import open_session


def relay(folder, *arguments):
    return subprocess.run(
        [
            *(sys.executable, "-m", "overflight", "relay", "run"),
            *("--upstream", "mqtt://127.0.0.1:1", *arguments),
        ],
        env=os.environ | {"XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_without_its_control_port_it_records_nothing(tmp_path, taken):
    session = tmp_path / "s.mcap"
    control = ("--control", f"127.0.0.1:{taken}")
    done = relay(tmp_path, "--listen", "127.0.0.1:0", *control, "--record", str(session))
    assert done.returncode not in (0, -1)
    (said,) = done.stderr.splitlines()
    assert f"can't open the control port 127.0.0.1:{taken}" in said
    assert "--control off" in said
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_an_older_session_is_left_as_it_was(tmp_path, taken):
    session = tmp_path / "s.mcap"
    assert relay(
        tmp_path, "--listen", f"127.0.0.1:{taken}", "--control", "off", "--record", str(session)
    ).returncode
    before = session.read_bytes()
    control = ("--control", f"127.0.0.1:{taken}")
    assert relay(tmp_path, "--listen", "127.0.0.1:0", *control, "--record", str(session)).returncode
    assert session.read_bytes() == before


def test_without_its_port_it_closes_the_session(tmp_path, taken):
    session = tmp_path / "s.mcap"
    done = relay(
        tmp_path, "--listen", f"127.0.0.1:{taken}", "--control", "off", "--record", str(session)
    )
    assert done.returncode not in (0, -1)
    (said,) = done.stderr.splitlines()
    assert f"can't listen on tcp://127.0.0.1:{taken}: Address already in use" in said
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.mcap"], "no journal is left"
    with open_session(session) as found:
        assert list(found) == []
        assert found.damage == []

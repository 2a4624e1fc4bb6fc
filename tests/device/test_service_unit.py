"""The systemd unit: hardened, and every command in it is one that we have."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from overflight.cli import build_parser

UNIT = Path(__file__).parents[2] / "device" / "overflight-device.service"


def settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_it_is_hardened() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    match = re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    if match is None:
        pytest.skip(f"this systemd-analyze can't look at files: {done.stderr}")
    assert float(match.group(1)) < 3.0


def test_its_command_parses() -> None:
    (line,) = settings("ExecStart")
    words = shlex.split(line.replace("$SOURCE", "serial:/dev/serial0").replace("$ARGUMENTS", ""))
    args = build_parser(["device"]).parse_args(words[1:])
    assert args.source == "serial:/dev/serial0"
    assert args.log == "json"


def test_it_has_a_watchdog_and_a_clean_stop() -> None:
    assert settings("Type") == ["notify"]
    assert int(settings("WatchdogSec")[0]) >= 30
    assert settings("KillSignal") == ["SIGTERM"]
    assert settings("Restart") == ["always"]

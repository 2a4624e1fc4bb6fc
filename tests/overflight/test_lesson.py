"""Every step of docs/lesson.md runs as it is written, with the exit statuses it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

LESSON = Path(__file__).parents[2] / "docs" / "lesson.md"
STATUS = re.compile(r"\s+# exit status (\d+)$")


def script() -> str:
    lines = ["fail() { echo \"step '$1' ended with $2\" >&2; exit 1; }"]
    for block in re.findall(r"```sh\n(.*?)```", LESSON.read_text(), re.DOTALL):
        for line in block.splitlines():
            wanted = STATUS.search(line)
            command = STATUS.sub("", line)
            lines.append(command)
            expected = wanted.group(1) if wanted else "0"
            lines.append(f"S=$?; [ $S -eq {expected} ] || fail {shlex.quote(command)} $S")
    return "\n".join(lines)


@pytest.mark.timeout(180)
def test_every_step_of_the_lesson(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script()], cwd=tmp_path, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "SPLIT HELD" in done.stdout
    assert "SPLIT BROKEN" in done.stdout
    assert "CAN'T TELL" in done.stdout
    assert "it held" in done.stdout

"""Child processes that end with their parent, also when that was killed.

The child runs beneath a small shell which waits for the end of a pipe that only the parent holds.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

_SHELL: Final = """\
exec 3<&0
pid_file=$1
shift
"$@" </dev/null 3<&- &
child=$!
[ -z "$pid_file" ] || echo $child >"$pid_file"
trap 'kill -TERM $child' TERM INT
( while read -r _; do :; done; kill -TERM $child 2>/dev/null ) <&3 >/dev/null 2>&1 &
leash=$!
exec 3<&- </dev/null
wait $child
status=$?
kill $leash 2>/dev/null
exit $status
"""


def start_leashed(
    command: Sequence[str],
    *,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    pid_file: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` on a leash; `pid_file` will have the process id of the command itself.

    The returned process is the shell: it ends when the command does, with its status. Closing its
    standard input (or ending this process in any way) sends SIGTERM to the command. Signals of the
    terminal do not reach the command.
    """
    return subprocess.Popen(
        ["/bin/sh", "-c", _SHELL, "sh", str(pid_file or ""), *command],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        env=None if env is None else dict(env),
        start_new_session=True,
    )


def stop_leashed(process: subprocess.Popen[bytes], timeout_s: float = 10.0) -> int:
    """Ask the command to end and wait for it; return its status."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()

"""Golden sessions: what crossed once, kept in a file, and compared with what crosses now."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

from overflight.recorded import Session
from overflight_contract.dissect import PacketView
from overflight_contract.errors import InputError

MAX_LINES = 40


class Golden:
    """Compares sessions with golden files in `folder`, or writes these anew."""

    def __init__(self, folder: Path, *, update: bool) -> None:
        self._folder = folder
        self._update = update

    def check(self, session: str | Path, golden: str, *, only: str = "type == publish") -> None:
        """Fail unless `session` says the same, packet by packet, as the golden file.

        Compared are direction, client, type, QoS, topic and bytes of the packets that `only` lets
        through; not times, not packet ids, not connections.
        """
        file = self._folder / golden
        if self._update:
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(session, file)
            return
        try:
            before = _lines(file, only)
        except InputError as error:
            raise AssertionError(
                f"no golden session {golden}; make it with pytest --update-sessions"
            ) from error
        now = _lines(Path(session), only)
        if before == now:
            return
        diff = list(difflib.unified_diff(before, now, golden, "now", lineterm="", n=1))
        more = [f"… and {len(diff) - MAX_LINES} more lines"] if len(diff) > MAX_LINES else []
        text = "\n".join([*diff[:MAX_LINES], *more])
        raise AssertionError(f"not as in {golden} (write it anew with --update-sessions):\n{text}")


def _lines(path: Path, only: str) -> list[str]:
    with Session.open(path, only=only) as session:
        return [_line(view) for view in session.packets()]


def _line(view: PacketView) -> str:
    arrow = "→" if view.direction == "up" else "←"
    body = view.body.hex() if view.message is None else view.body.decode("ascii")
    qos = "" if view.qos is None else f" QoS {view.qos}"
    retain = " retained" if view.retain else ""
    said = body if view.type == "publish" else view.summary
    topic = f" {view.topic}" if view.topic else ""
    return f"{arrow} {view.client_id} {view.type.upper()}{qos}{retain}{topic} {said}".rstrip()

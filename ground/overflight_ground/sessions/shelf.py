"""Sessions on the shelf: files that were uploaded, and those that are open.

An open session has a store and a `Station` of its own, so that the same endpoints and the same
page serve it, and nothing of it gets into live data.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from overflight_contract.errors import InputError, UnavailableError
from overflight_contract.imports import import_file, is_session
from overflight_contract.session.rewrite import write_session
from overflight_contract.times import iso
from overflight_ground.alerts import storing
from overflight_ground.alerts.rules import Rules
from overflight_ground.alerts.trying import try_rules
from overflight_ground.ingest.intake import Intake, Outcome
from overflight_ground.ingest.plausible import Clock
from overflight_ground.ingest.stored import StoredMessages
from overflight_ground.replaying import Taken, take_in
from overflight_ground.sessions.player import Player
from overflight_ground.station import Station
from overflight_ground.store import Store, reading
from overflight_ground.store.reading import MessageFilter

MAX_BYTES: Final = 16 * 2**30
TICK_S: Final = 0.1
AT_ONCE: Final = 5_000
_SUFFIX: Final = ".mcap"


class TooLargeError(InputError):
    """An upload that is larger than the ground takes."""


@dataclass(slots=True)
class OpenSession:
    """A session that is being replayed."""

    id: str
    name: str
    station: Station
    player: Player
    taken: Taken
    task: asyncio.Task[None] | None = None
    last_ns: int = field(default=0)


class Shelf:
    """The sessions in a folder. `rules` are tried on each that is opened."""

    def __init__(
        self, folder: Path, rules: Rules, rules_folder: Path, now_ns: Callable[[], int]
    ) -> None:
        self.folder = folder
        self.open: dict[str, OpenSession] = {}
        self._rules = rules
        self._rules_folder = rules_folder
        self._now_ns = now_ns

    def files(self) -> dict[str, str]:
        """Return the names of all sessions by id."""
        found = {}
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            session_id, _, name = path.name.removesuffix(_SUFFIX).partition("_")
            found[session_id] = name
        return found

    def path_of(self, session_id: str) -> Path | None:
        """Return the file of a session; `None` where there is none."""
        if not re.fullmatch("[0-9a-f]{12}", session_id):
            return None
        return next(self.folder.glob(f"{session_id}_*{_SUFFIX}"), None)

    async def add(self, name: str, chunks: AsyncIterator[bytes], *, base64: bool = False) -> str:
        """Put an upload on the shelf and return its id.

        A capture of another program (`overflight_contract.imports`) becomes a session; `base64`
        says how the payloads of a CSV are written. Raises `InputError` where it is neither.
        """
        session_id = uuid.uuid4().hex[:12]
        safe = re.sub(r"[^A-Za-z0-9.-]+", "-", Path(name).name)[-60:].lstrip(".") or "session"
        arrival = self.folder / f"{session_id}.part"
        arrival.mkdir(parents=True, exist_ok=True)
        upload = arrival / safe
        size = 0
        try:
            with upload.open("wb") as out:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > MAX_BYTES:
                        raise TooLargeError(f"a session may have {MAX_BYTES} bytes, not more")
                    await asyncio.to_thread(out.write, chunk)
            shelved = self.folder / f"{session_id}_{Path(safe).stem}{_SUFFIX}"
            await asyncio.to_thread(_as_session, upload, shelved, base64)
        finally:
            shutil.rmtree(arrival, ignore_errors=True)
        return session_id

    async def open_session(self, session_id: str) -> OpenSession:
        """Open a session for replay; `InputError` where its file is none, or there is no such."""
        known = self.open.get(session_id)
        if known is not None:
            return known
        path = self.path_of(session_id)
        if path is None:
            raise InputError("there is no such session")
        opened = await asyncio.to_thread(self._load, session_id, path)
        opened.task = asyncio.create_task(play_along(opened), name=f"session {session_id}")
        self.open[session_id] = opened
        return opened

    async def close(self, session_id: str, *, remove: bool = False) -> bool:
        """Close a session, and take it off the shelf where told to; false where there is none."""
        opened = self.open.pop(session_id, None)
        if opened is not None:
            if opened.task is not None:
                opened.task.cancel()
            opened.station.hub.close()
            opened.station.store.close()
        path = self.path_of(session_id)
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"{session_id}.sqlite{suffix}").unlink(missing_ok=True)
        if remove and path is not None:
            path.unlink(missing_ok=True)
        return opened is not None or path is not None

    async def close_all(self) -> None:
        """Close all."""
        for session_id in list(self.open):
            await self.close(session_id)

    def _load(self, session_id: str, path: Path) -> OpenSession:
        """Take the file into a store of its own; runs in a thread."""
        file = self.folder / f"{session_id}.sqlite"
        for suffix in ("", "-wal", "-shm"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
        store = Store.open(str(file))
        try:
            intake = Intake(store, clock=Clock.DATA, now_ns=self._now_ns)
            taken = take_in(path, intake)
            self._raise_alerts(store)
            station = Station(store, self._now_ns, clock=Clock.DATA)
            station.broker_state = lambda: "none"
            station.load(intake.load())
            bounds = reading.arrival_bounds_ns(store)
        except BaseException:
            store.close()
            raise
        name = path.name.removesuffix(_SUFFIX).partition("_")[2]
        return OpenSession(session_id, name, station, Player(*bounds), taken, last_ns=bounds[0])

    def _raise_alerts(self, store: Store) -> None:
        found = try_rules(store, self._rules, self._rules_folder, MessageFilter())
        with store.writing() as connection:
            for alert in found:
                alert.raised_at_ns = self._now_ns()
                storing.save(connection, alert)


def _as_session(upload: Path, shelved: Path, base64: bool) -> None:
    """Move an upload to its place, as a session; runs in a thread."""
    try:
        if is_session(upload):
            upload.rename(shelved)
            return
        found = import_file(upload, base64=base64)
        metadata = {"imported_from": upload.name, "imported_as": found.kind}
        count = write_session(found.items, shelved, metadata=metadata)
    except InputError as error:
        raise InputError(str(error).replace(str(upload), upload.name)) from error
    except UnavailableError as error:
        raise UnavailableError(str(error).replace(str(shelved), upload.name)) from error
    if not count:
        shelved.unlink()
        raise InputError(f"{upload.name} is a {found.kind} file, but there is no MQTT in it")


async def play_along(session: OpenSession) -> None:
    """Send what crosses while the session plays to its open streams."""
    player, station = session.player, session.station
    while True:
        await asyncio.sleep(TICK_S)
        at_ns = player.at_ns(time.monotonic())
        if at_ns < session.last_ns:
            session.last_ns = at_ns
        if at_ns > session.last_ns and station.hub.listeners:
            stored = await asyncio.to_thread(_crossed, station.store, session.last_ns, at_ns)
            if stored:
                station.collector.add(Outcome(StoredMessages(stored)))
                data = station.collector.take(station.live.totals())
                station.hub.send("batch", data)
            station.hub.send("playback", state_json(session))
        session.last_ns = at_ns


def _crossed(store: Store, after_ns: int, until_ns: int) -> list[Any]:
    with store.reading() as connection:
        return reading.stored_between(connection, after_ns, until_ns, AT_ONCE)


def state_json(session: OpenSession) -> dict[str, Any]:
    """Return a session as the API has it."""
    player, now_s = session.player, time.monotonic()
    return {
        "session": session.id,
        "name": session.name,
        "state": player.state(now_s),
        "at": iso(player.at_ns(now_s)),
        "start": iso(player.start_ns),
        "end": iso(player.end_ns),
        "speed": player.speed,
        "messages": session.taken.stored,
        "quarantined": session.taken.quarantined,
    }

"""What a run of the demonstration is: its options, its folder, its ports."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import socket
import tempfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from overflight_contract.errors import InputError, UnavailableError
from overflight_contract.ports import free_port

WALL_S: Final = 170.0
"""How long a flight takes where no speed is given: with start and audit about three minutes."""

PAGE_PORT: Final = 8780
CONTROL_PORT: Final = 18830
RUN_FILE: Final = "run.json"


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """What the person asked for; durations in seconds."""

    source: str
    speed: str | None = None
    seed: int = 0
    for_s: float | None = None
    data: Path = Path("overflight-data")
    resume: bool = False
    port: int | None = None
    browser: bool = True
    json: bool = False
    policy: str = "enforce"
    leak: bool = False
    link: str = "perfect"
    broker: str = "embedded"
    camera: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """One run, resolved. What is in `KEPT` is kept in the run's folder for ``--resume``."""

    folder: Path
    source: str
    payloads: tuple[str, ...]
    sources: tuple[str, ...]
    speed: str
    seed: int
    policy: str
    link: str
    broker: str
    camera: str
    picture_every_s: float
    start_ns: int | None
    end_ns: int | None
    simulated: bool
    relay_port: int = 0
    broker_port: int = 0
    page_port: int = field(default=PAGE_PORT)
    control_port: int = field(default=CONTROL_PORT)

    @property
    def session(self) -> Path:
        """The relay's session file."""
        return self.folder / "session.mcap"

    @property
    def store_url(self) -> str:
        """The ground's store."""
        return f"sqlite:///{self.folder / 'ground.sqlite'}"

    @property
    def page_url(self) -> str:
        """The web page."""
        return f"http://127.0.0.1:{self.page_port}/"

    @property
    def page_link(self) -> str:
        """The web page with the ground's token, so that one may acknowledge alerts there."""
        try:
            token = (self.folder / "ground.token").read_text("ascii").strip()
        except OSError:
            return self.page_url
        return f"{self.page_url}?token={token}"

    @property
    def control_url(self) -> str:
        """The relay's control port."""
        return f"http://127.0.0.1:{self.control_port}"

    def device(self, payload: str) -> Path:
        """The folder of a payload: outbox, record, vault."""
        only = len(self.payloads) == 1
        return self.folder / "device" if only else self.folder / "device" / payload


_NOT_KEPT: Final = {"folder", "relay_port", "broker_port", "page_port", "control_port"}


def make_plan(options: DemoOptions) -> RunPlan:
    """Resolve `options` into a run, a new one or the last; raises `OverflightError`."""
    kept = _resumed(options.data) if options.resume else _new(options)
    folder = kept.pop("folder")
    usual = _is_first()
    plan = RunPlan(
        folder=folder,
        **kept,
        relay_port=free_port(),
        broker_port=free_port(),
        page_port=_port(options.port, PAGE_PORT if usual else 0),
        control_port=_port(None, CONTROL_PORT if usual else 0),
    )
    values = {key: value for key, value in asdict(plan).items() if key not in _NOT_KEPT}
    (folder / RUN_FILE).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return plan


def last_run(data: Path) -> Path | None:
    """Return the folder of the newest run in `data`."""
    runs = sorted(path.parent for path in data.glob(f"*/{RUN_FILE}"))
    return runs[-1] if runs else None


def _resumed(data: Path) -> dict[str, Any]:
    folder = last_run(data)
    if folder is None:
        raise InputError(f"there is no run in {data} to go on with")
    values = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    known = {item.name for item in fields(RunPlan)}
    values = {key: value for key, value in values.items() if key in known}
    for name in ("payloads", "sources"):
        values[name] = tuple(values[name])
    return {**values, "folder": folder}


def _new(options: DemoOptions) -> dict[str, Any]:
    facts = _source_facts(options)
    folder = _new_folder(options.data)
    live = facts.pop("live")
    duration_s = ((facts["end_ns"] or 0) - (facts["start_ns"] or 0)) / 1e9
    speed = options.speed or ("1" if live else f"{max(1.0, duration_s / WALL_S):.6g}")
    return {
        "folder": folder,
        "source": options.source,
        "speed": speed,
        "seed": options.seed,
        "policy": options.policy,
        "link": options.link,
        "broker": options.broker,
        "camera": options.camera or "sim",
        **facts,
    }


def _source_facts(options: DemoOptions) -> dict[str, Any]:
    """Look at the source once: who flies, from when to when; `InputError` where it is wrong."""
    scheme, _, rest = options.source.partition(":")
    if scheme == "sim":
        return _scenario_facts(rest)
    from overflight_device.fix import Fix, SourceOptions
    from overflight_device.sources import open_source

    source = open_source(options.source, SourceOptions(seed=options.seed))
    facts = {
        "payloads": ("HAB-01",),
        "sources": (options.source,),
        "picture_every_s": 600.0,
        "simulated": source.simulated,
        "live": source.live,
        "start_ns": None,
        "end_ns": None,
    }
    if not source.live:
        times = [event.measured_at_ns for event in source if isinstance(event, Fix)]
        if not times:
            raise InputError(f"{options.source} has no fix in it")
        span_s = (times[-1] - times[0]) / 1e9
        facts |= {"start_ns": times[0], "end_ns": times[-1]}
        facts["picture_every_s"] = min(600.0, max(1.0, span_s / 20))
    source.close()
    return facts


def _scenario_facts(spec: str) -> dict[str, Any]:
    from overflight_device.scenario import load_scenario

    scenario = load_scenario(spec)
    missions = (scenario.mission,) if "#" in spec else scenario.missions
    names = tuple(mission.payload for mission in missions)
    many = len(missions) > 1
    return {
        "payloads": names,
        "sources": tuple(f"sim:{spec}#{name}" if many else f"sim:{spec}" for name in names),
        "picture_every_s": float(scenario.picture_every_s),
        "simulated": True,
        "live": False,
        "start_ns": min(mission.start_ns for mission in missions),
        "end_ns": max(mission.end_ns for mission in missions),
    }


def _new_folder(data: Path) -> Path:
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in range(100):
        folder = data / (stamp if number == 0 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UnavailableError(f"can't make a folder in {data}: {error.strerror}") from error
        return folder.resolve()
    raise UnavailableError(f"too many runs began in {data} this second")


_held: list[int] = []


def _is_first() -> bool:
    """Tell whether no other demonstration of this user runs; only one has the usual ports.

    Looking whether a port is free is not enough: a process that dies frees its port for a moment.
    """
    path = Path(tempfile.gettempdir()) / f"overflight-demo-{os.getuid()}.lock"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    _held.append(lock)
    return True


def _port(asked: int | None, usual: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", usual if asked is None else asked))
        except (OSError, OverflowError) as error:
            if asked is not None:
                raise UnavailableError(f"port {asked} can't be used: {error}") from error
            return free_port()
        return int(probe.getsockname()[1])

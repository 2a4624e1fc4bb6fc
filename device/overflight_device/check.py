"""What a person looks at before launch: fix, airborne mode, camera, disk, clock, link."""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from overflight_contract.errors import OverflightError
from overflight_contract.identity import new_flight_id
from overflight_contract.messages import Fix as FixMode
from overflight_contract.times import from_ns
from overflight_device.camera import open_camera
from overflight_device.fix import Fix, FixSource, SourceOptions
from overflight_device.outbox import DEFAULT_MAX_BYTES, FILE_NAME, Outbox
from overflight_device.receivers.airborne import MODELS, AirborneState
from overflight_device.sources import open_source
from overflight_device.sources.serial_port import SerialSource
from overflight_device.uplink import LinkState, Uplink, UplinkConfig

ENOUGH_DISK_BYTES: Final = 2 * 10**9
CLOCK_BOUND_S: Final = 2.0
_LINK_S: Final = 12.0
_FAILURES: Final = 2


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, whether it is good, what was seen, what to do where not."""

    name: str
    ok: bool
    detail: str
    todo: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "todo": self.todo or None}


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """What to check: as `overflight device run` would be called."""

    source: str
    camera: str
    data: Path
    payload: str
    uplink: UplinkConfig
    wait_s: float = 20.0


@dataclass(slots=True)
class Heard:
    """What came from the source while it was listened to."""

    fix: Fix | None = None
    fixes: int = 0
    clock_offset_s: float | None = None


def run_checks(plan: CheckPlan, report: Callable[[Check], None]) -> bool:
    """Do all checks, reporting each as it is done; return whether all are good."""
    results: list[bool] = []
    for step in (_receiver, _camera, _disk, _link):
        for check in step(plan):
            report(check)
            results.append(check.ok)
    return all(results)


def _receiver(plan: CheckPlan) -> list[Check]:
    try:
        source = open_source(plan.source, SourceOptions())
    except OverflightError as error:
        return [
            Check("fix", ok=False, detail=str(error), todo="put that right, then check again"),
            Check("airborne", ok=False, detail="no receiver", todo="see fix"),
            Check("clock", ok=False, detail="no receiver to compare with", todo="see fix"),
        ]
    heard = listen(source, plan.wait_s)
    return [_fix(heard, source, plan.wait_s), _airborne(source), _clock(heard, source)]


def listen(source: FixSource, wait_s: float) -> Heard:
    """Listen until there is a 3D fix (and the mode of the receiver is settled), or time is up."""
    heard = Heard()
    timer = threading.Timer(wait_s, source.close)
    timer.start()
    try:
        for event in source:
            if not isinstance(event, Fix):
                continue
            heard.fixes += 1
            if source.live:
                heard.clock_offset_s = time.time() - event.measured_at_ns / 1e9
            if heard.fix is None or event.mode is not FixMode.NONE:
                heard.fix = event
            if event.mode is FixMode.THREE_D and _settled(source):
                break
    finally:
        timer.cancel()
        source.close()
    return heard


def _settled(source: FixSource) -> bool:
    if not isinstance(source, SerialSource) or not source.settings.airborne:
        return True
    return source.airborne.state in (AirborneState.ON, AirborneState.REFUSED)


def _fix(heard: Heard, source: FixSource, wait_s: float) -> Check:
    fix = heard.fix
    if fix is None:
        detail = f"no word of a fix in {wait_s:g} s"
        if isinstance(source, SerialSource) and not source.baud.found:
            detail = f"nothing that a receiver would send in {wait_s:g} s"
        return Check(
            "fix",
            ok=False,
            detail=detail,
            todo="check power and wiring (its TX to our RX); try ?baud=N; go outside",
        )
    if fix.mode is not FixMode.THREE_D:
        return Check(
            "fix",
            ok=False,
            detail=f"fix {fix.mode}, {_many(fix.sats, 'satellite')}",
            todo="wait under open sky, antenna up; a cold start takes up to a minute",
        )
    height = fix.alt_msl_m if fix.alt_msl_m is not None else fix.alt_hae_m
    where = f"{fix.lat_deg:.5f}, {fix.lon_deg:.5f}"
    if height is not None:
        where += f", {height:.0f} m"
    kind = "simulated, " if source.simulated else ""
    return Check("fix", ok=True, detail=f"{kind}3d, {_many(fix.sats, 'satellite')}, {where}")


def _many(count: int | None, what: str) -> str:
    if count is None:
        return f"{what}s unknown"
    return f"{count} {what}" + ("" if count == 1 else "s")


def _airborne(source: FixSource) -> Check:
    if not source.live:
        return Check("airborne", ok=True, detail="no receiver, so no limit")
    if not isinstance(source, SerialSource):
        return Check(
            "airborne",
            ok=False,
            detail="gpsd holds the receiver, so its mode is not ours to set",
            todo="use serial: for the flight, or set the mode for gpsd: ubxtool -p MODEL,6",
        )
    airborne = source.airborne
    if airborne.state is AirborneState.ON and airborne.model is not None:
        firmware = f" ({airborne.version})" if airborne.version else ""
        return Check("airborne", ok=True, detail=MODELS[airborne.model] + firmware)
    if airborne.state is AirborneState.UNKNOWN:
        return Check(
            "airborne",
            ok=False,
            detail="the receiver does not answer as u-blox does",
            todo="u-blox: connect our TX to its RX; another: see its data sheet for its ceiling",
        )
    return Check(
        "airborne",
        ok=False,
        detail=f"the receiver stays in model {airborne.model}",
        todo="power it off and on and check again; some copies of u-blox can't be set",
    )


def _clock(heard: Heard, source: FixSource) -> Check:
    now = dt.datetime.now(dt.UTC)
    if not source.live:
        return Check("clock", ok=now.year >= 2025, detail=f"{now:%Y-%m-%d %H:%M:%S} UTC")
    offset_s = heard.clock_offset_s
    if offset_s is None or heard.fix is None:
        return Check(
            "clock", ok=False, detail="no time from the receiver to compare with", todo="see fix"
        )
    told = from_ns(heard.fix.measured_at_ns)
    detail = f"{offset_s:+.1f} s against the receiver ({told:%Y-%m-%d %H:%M} UTC)"
    if abs(offset_s) <= CLOCK_BOUND_S:
        return Check("clock", ok=True, detail=detail)
    return Check(
        "clock",
        ok=False,
        detail=detail,
        todo="timedatectl set-ntp true; positions go by the receiver, pictures by this clock",
    )


def _camera(plan: CheckPlan) -> list[Check]:
    try:
        camera = open_camera(plan.camera)
    except (OverflightError, ImportError) as error:
        return [Check("camera", ok=False, detail=str(error), todo="see --camera in the help")]
    try:
        picture = camera.take(None, 1)
    except OverflightError as error:
        return [
            Check("camera", ok=False, detail=str(error), todo="run that command by hand and see")
        ]
    finally:
        camera.close()
    if picture is None:
        return [Check("camera", ok=True, detail=plan.camera)]
    size = f"{len(picture.data):,} bytes"
    return [Check("camera", ok=True, detail=f"{plan.camera}, a picture of {size}")]


def _disk(plan: CheckPlan) -> list[Check]:
    folder = plan.data
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"overflight")
            stream.flush()
            os.fsync(stream.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return [
            Check(
                "disk",
                ok=False,
                detail=f"can't write in {folder}: {error.strerror}",
                todo="choose another --data, or give this user the right to write there",
            )
        ]
    detail = f"{free / 1e9:.1f} GB free in {folder}"
    if free < ENOUGH_DISK_BYTES:
        return [Check("disk", ok=False, detail=detail, todo="make room, or take fewer pictures")]
    return [Check("disk", ok=True, detail=detail)]


def _link(plan: CheckPlan) -> list[Check]:
    failures: list[str] = []

    def hear(_name: str, fields: dict[str, Any]) -> None:
        if "why" in fields:
            failures.append(str(fields["why"]))

    with tempfile.TemporaryDirectory() as folder:
        outbox = Outbox(
            Path(folder) / FILE_NAME,
            payload=plan.payload,
            new_flight=new_flight_id(dt.datetime.now(dt.UTC), random.SystemRandom()),
            max_bytes=DEFAULT_MAX_BYTES,
        )
        try:
            uplink = Uplink(outbox, plan.uplink, rng=random.Random(), on_event=hear)
            uplink.start()
            deadline_s = time.monotonic() + _LINK_S
            while uplink.state is not LinkState.UP and time.monotonic() < deadline_s:
                if len(failures) >= _FAILURES:
                    break
                time.sleep(0.02)
            up, version = uplink.state is LinkState.UP, uplink.version
            uplink.stop()
        except OverflightError as error:
            return [Check("link", ok=False, detail=str(error), todo="see --broker in the help")]
        finally:
            outbox.close()
    if up:
        return [Check("link", ok=True, detail=f"{plan.uplink.url}, MQTT {version}")]
    reason = failures[-1] if failures else "no answer"
    return [
        Check(
            "link",
            ok=False,
            detail=f"{plan.uplink.url}: {reason}",
            todo="is the address right, the relay running, the modem connected?",
        )
    ]

"""``overflight device decode|ports|check``: receivers, before and beside a flight."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from overflight_contract.commandline import (
    Exit,
    duration_s,
    environment_name,
    read_config,
    subcommand,
)
from overflight_contract.errors import InputError
from overflight_contract.times import iso
from overflight_device.fix import Fix

_CHUNK: Final = 64 * 1024
_OK_WIDTH: Final = 10

_DEFAULTS: Final[dict[str, Any]] = {
    "broker": "mqtt://127.0.0.1:1883",
    "camera": "none",
    "data": Path("overflight-data/payload"),
    "payload": "HAB-01",
    "username": None,
    "password_file": None,
    "ca": None,
    "cert": None,
    "key": None,
}
_PATHS: Final = ("data", "password_file", "ca", "cert", "key")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to those of the payload."""
    decode = subcommand(
        commands,
        "decode",
        "print the fixes of a receiver's log, one JSON object a line",
        run=run_decode,
        examples=(
            "overflight device decode flight.ubx",
            "overflight device decode - < /dev/ttyAMA0",
        ),
    )
    decode.add_argument(
        "file",
        metavar="FILE",
        help="what a receiver sent (NMEA, UBX, a mixture) or what gpsd said; - is standard input",
    )
    ports = subcommand(
        commands,
        "ports",
        "list serial ports and what is plugged in",
        run=run_ports,
        examples=("overflight device ports --json",),
    )
    ports.add_argument("--json", action="store_true", help="print one JSON array")
    _add_check(commands)


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = subcommand(
        commands,
        "check",
        "look at fix, airborne mode, camera, disk, clock and link before a launch",
        run=run_check,
        examples=(
            "overflight device check serial:/dev/serial0 --camera folder:/srv/camera",
            "overflight device check sim:sounding --json",
        ),
    )
    check.add_argument("source", help="as for run: serial:PORT, gpsd://HOST, track:FILE, sim:NAME")
    check.add_argument("--wait", type=duration_s, default=20.0, metavar="DURATION",
                       help="how long to wait for a fix")  # fmt: skip
    check.add_argument("--json", action="store_true", help="print one JSON object")
    run = check.add_argument_group(
        "as for run", "where not given, the environment and the settings of [device] count"
    )
    for name, metavar, text in (
        ("broker", "URL", "the relay or broker"),
        ("camera", "SPEC", "the camera"),
        ("data", "DIR", "folder of outbox, record and vault"),
        ("payload", "NAME", "the payload's name"),
        ("username", "NAME", "user name for the broker"),
        ("password-file", "FILE", "file with the password in its first line"),
        ("ca", "FILE", "certificate authority (PEM)"),
        ("cert", "FILE", "client certificate (PEM)"),
        ("key", "FILE", "key of the client certificate"),
    ):
        run.add_argument(f"--{name}", metavar=metavar, help=text)


def run_decode(args: argparse.Namespace) -> int:
    """Print the fixes of a log; on standard error what was skipped, and why."""
    if args.file == "-":
        _print_fixes(_chunks(sys.stdin.buffer, "standard input"))
        return Exit.OK
    try:
        stream = Path(args.file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InputError(f"can't read {args.file}: {error.strerror}") from error
    with stream:
        _print_fixes(_chunks(stream, args.file))
    return Exit.OK


def _chunks(stream: BinaryIO, name: str) -> Iterator[bytes]:
    read = getattr(stream, "read1", stream.read)  # what has come, without waiting for more
    try:
        while data := read(_CHUNK):
            yield data
    except OSError as error:
        raise InputError(f"can't read {name}: {error.strerror}") from error


def _print_fixes(chunks: Iterable[bytes]) -> None:
    from overflight_device.receivers.latest import Latest
    from overflight_device.receivers.log_decoder import LogDecoder

    decoder = LogDecoder(now_ns=time.time_ns())
    latest = Latest()
    for data in chunks:
        _write(latest.add(decoder.feed(data)))
    _write([*latest.add(decoder.finish()), *latest.finish()])
    for reason, count in sorted(decoder.skipped.pieces.items(), key=lambda item: -item[1]):
        octets = decoder.skipped.octets[reason]
        print(f"skipped {count} x {reason} ({octets} bytes)", file=sys.stderr)
    if decoder.undated:
        print(f"skipped {decoder.undated} x report without date and time", file=sys.stderr)


def _write(fixes: Iterable[Fix]) -> None:
    lines = "".join(json.dumps(row(fix)) + "\n" for fix in fixes)
    if lines:
        sys.stdout.write(lines)
        sys.stdout.flush()


def row(fix: Fix) -> dict[str, object]:
    """Return what ``decode`` prints of a fix; `None` where the receiver did not say."""
    return {
        "measured_at": iso(fix.measured_at_ns),
        "fix": fix.mode.value,
        "lat_deg": fix.lat_deg,
        "lon_deg": fix.lon_deg,
        "alt_msl_m": fix.alt_msl_m,
        "alt_hae_m": fix.alt_hae_m,
        "speed_mps": fix.speed_mps,
        "track_deg": fix.track_deg,
        "climb_mps": fix.climb_mps,
        "sats": fix.sats,
        "hdop": fix.hdop,
    }


def run_ports(args: argparse.Namespace) -> int:
    """List the serial ports."""
    from overflight_device.ports import find_ports

    ports = find_ports()
    if args.json:
        print(json.dumps([port.as_json() for port in ports]))
        return Exit.OK
    for port in ports:
        words = [port.likely, port.description, port.manufacturer, port.usb_id]
        print(f"{port.port:<16} {', '.join(word for word in words if word)}")
    if not ports:
        print("no serial port here; plug a receiver in, or enable the pins (raspi-config)")
    return Exit.OK


def run_check(args: argparse.Namespace) -> int:
    """Check what a launch needs; status 1 where something is to be done."""
    from overflight_device.check import Check, CheckPlan, run_checks
    from overflight_device.cli import read_password
    from overflight_device.uplink import UplinkConfig

    given = settings_of_run(args)
    uplink = UplinkConfig(
        url=given["broker"],
        username=given["username"],
        password=read_password(given["password_file"]),
        ca=given["ca"],
        cert=given["cert"],
        key=given["key"],
    )
    plan = CheckPlan(
        source=args.source,
        camera=given["camera"],
        data=given["data"],
        payload=given["payload"],
        uplink=uplink,
        wait_s=args.wait,
    )
    checks: list[Check] = []

    def report(check: Check) -> None:
        checks.append(check)
        if not args.json:
            mark = "ok" if check.ok else "to do"
            print(f"{check.name:<{_OK_WIDTH}} {mark:<6} {check.detail}", flush=True)
            if check.todo and not check.ok:
                print(f"{'':<{_OK_WIDTH}} {'':<6} -> {check.todo}", flush=True)

    good = run_checks(plan, report)
    if args.json:
        print(json.dumps({"ok": good, "checks": [check.as_json() for check in checks]}))
    return Exit.OK if good else Exit.FAILED


def settings_of_run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings as ``overflight device run`` would have them."""
    import os

    table = read_config(getattr(args, "config", None)).get("device", {})
    found: dict[str, Any] = {}
    for name, default in _DEFAULTS.items():
        value = getattr(args, name)
        if value is None:
            value = os.environ.get(environment_name("device", name))
        if value is None:
            value = table.get(name.replace("_", "-"), table.get(name, default))
        found[name] = Path(value) if value is not None and name in _PATHS else value
    return found

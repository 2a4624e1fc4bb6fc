"""``overflight device decode``: what a receiver's log says."""

from __future__ import annotations

import argparse
import sys
from typing import BinaryIO, Final

import msgspec

from overflight_contract.commandline import Exit, subcommand
from overflight_contract.errors import InputError
from overflight_contract.times import iso
from overflight_device.fix import Fix
from overflight_device.receivers import gpsd_json
from overflight_device.receivers.stream import ReceiverDecoder

_CHUNK: Final = 64 * 1024


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to those of the payload."""
    decode = subcommand(
        commands,
        "decode",
        "print the fixes of a receiver's log, one JSON object a line",
        run=_decode,
        examples=(
            "overflight device decode flight.ubx",
            "overflight device decode - < /dev/ttyAMA0",
        ),
    )
    decode.add_argument(
        "file", metavar="FILE", help="what the receiver sent; - reads the standard input"
    )


def _decode(args: argparse.Namespace) -> int:
    if args.file == "-":
        _print_fixes(sys.stdin.buffer)
        return Exit.OK
    try:
        with open(args.file, "rb") as stream:  # noqa: PTH123 - may be a device
            _print_fixes(stream)
    except OSError as error:
        raise InputError(f"can't read {args.file}: {error.strerror}") from error
    return Exit.OK


def _print_fixes(stream: BinaryIO) -> None:
    data = stream.read(_CHUNK)
    decoder: ReceiverDecoder | gpsd_json.GpsdDecoder
    decoder = gpsd_json.GpsdDecoder() if gpsd_json.recognise(data) else ReceiverDecoder()
    while data:
        _write(decoder.feed(data))
        data = stream.read(_CHUNK)
    _write(decoder.finish())
    for reason, count in decoder.skipped.pieces.most_common():
        print(f"{count} x {reason} ({decoder.skipped.octets[reason]} bytes)", file=sys.stderr)
    if decoder.undated:
        print(f"{decoder.undated} x report without a date: no fix", file=sys.stderr)


def _write(fixes: list[Fix]) -> None:
    for fix in fixes:
        sys.stdout.buffer.write(msgspec.json.encode(row(fix)) + b"\n")
    sys.stdout.buffer.flush()


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

"""Reading the options of ``overflight replay`` into what the parts take."""

from __future__ import annotations

import argparse
import datetime as dt
import tomllib
from pathlib import Path

from overflight_contract.commandline import duration_s, utc_time
from overflight_contract.errors import InputError
from overflight_contract.session import SessionReader
from overflight_contract.times import from_ns, to_ns

NS = 1_000_000_000


def speed(text: str) -> float | None:
    """Parse ``--speed``: a factor, or ``max`` (`None`)."""
    if text.strip().lower() == "max":
        return None
    try:
        factor = float(text.lower().rstrip("x×"))
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed; as in 1, 10, 0.5 or max")
    return factor


def moment(text: str) -> str:
    """Check a position: a time, or a duration from the start of the session."""
    try:
        duration_s(text)
    except argparse.ArgumentTypeError:
        try:
            utc_time(text)
        except argparse.ArgumentTypeError:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no position; as in 2023-02-01T12:00:00Z, or 10m from the start"
            ) from None
    return text


def moment_ns(text: str | None, session: SessionReader) -> int | None:
    """Turn a position into recorded nanoseconds."""
    if text is None:
        return None
    try:
        after_s = duration_s(text)
    except argparse.ArgumentTypeError:
        return to_ns(utc_time(text))
    return (session.start_ns or 0) + int(after_s * NS)


def shift_of(text: str | None, begins_ns: int, now_ns: int) -> dt.timedelta:
    """Turn ``--shift-time`` into what is added to every time.

    ``now`` and a time say when the first packet is to be; a duration is added as it is.
    """
    if text is None:
        return dt.timedelta(0)
    if text == "now":
        wanted = from_ns(now_ns)
    else:
        sign = -1 if text.startswith("-") else 1
        try:
            return sign * dt.timedelta(seconds=duration_s(text.lstrip("+-")))
        except argparse.ArgumentTypeError:
            wanted = utc_time(text)
    # Whole seconds, since flight ids have no finer times.
    return dt.timedelta(seconds=round((wanted - from_ns(begins_ns)).total_seconds()))


def shift(text: str) -> str:
    """Check ``--shift-time``."""
    if text != "now":
        moment(text.lstrip("+-"))
    return text


def rename(text: str) -> tuple[str, str]:
    """Parse ``--rename OLD=NEW``."""
    old, equals, new = text.partition("=")
    if not equals or not old or not new or set(new) & set("/+#"):
        raise argparse.ArgumentTypeError(f"{text!r} is no renaming; as in HAB-01=TEST-01")
    return old, new


def positive(text: str) -> int:
    """Parse a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def secret(path: str | None) -> bytes | None:
    """Read a password from a file; a newline at its end does not count."""
    if path is None:
        return None
    try:
        return Path(path).read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise InputError(f"can't read the password file {path}: {error.strerror}") from error


def secrets(path: str | None) -> dict[str, bytes]:
    """Read passwords by user name from a TOML file (``name = "password"``)."""
    if path is None:
        return {}
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"can't read the credentials {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the credentials {path} are not valid TOML: {error}") from error
    if not all(isinstance(each, str) for each in found.values()):
        raise InputError(f'the credentials {path} hold something else than name = "password"')
    return {name: each.encode() for name, each in found.items()}

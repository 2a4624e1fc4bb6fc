"""Where a relay leaves its control token for commands of the same user on the same machine."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from overflight_contract.commandline import HostPort
from overflight_contract.errors import InputError


def token_path(control: HostPort) -> Path:
    """Return the file of the relay with that control port."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(base) if base else Path(tempfile.gettempdir()) / f"overflight-{os.getuid()}"
    return folder / f"overflight-relay-{control.port}.token"


def save_token(control: HostPort, token: str) -> None:
    """Leave the token, readable by this user only."""
    path = token_path(control)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token)


def forget_token(control: HostPort) -> None:
    """Remove the token."""
    with contextlib.suppress(OSError):
        token_path(control).unlink()


def read_token(path: Path) -> str:
    """Return the token in a file; raises `InputError` where there is none."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"can't read the control token {path}: {error}") from error
    if not token:
        raise InputError(f"the control token {path} is empty")
    return token


def find_token(control: HostPort) -> str:
    """Return the token that a relay left; empty where there is none."""
    try:
        return token_path(control).read_text(encoding="ascii").strip()
    except OSError:
        return ""

"""Links by name, with where their numbers come from, and own ones from a file."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from overflight_contract.errors import InputError
from overflight_relay.link.model import Profile


@cache
def named_profiles() -> dict[str, Profile]:
    """Return the profiles that come with the program."""
    text = resources.files(__package__).joinpath("profiles.toml").read_text(encoding="utf-8")
    return {
        name: _profile(name, table, "profiles.toml") for name, table in tomllib.loads(text).items()
    }


def load_profile(name_or_path: str) -> Profile:
    """Return a profile by name, or from a TOML file; raises `InputError`."""
    profile = named_profiles().get(name_or_path)
    if profile is not None:
        return profile
    path = Path(name_or_path)
    if not path.suffix and not path.exists():
        names = ", ".join(named_profiles())
        raise InputError(
            f"no link profile is called {name_or_path!r}; there are {names}, or a file"
        )
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"can't read the link profile {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the link profile {path} is not valid TOML: {error}") from error
    return _profile(str(table.pop("name", path.stem)), table, str(path))


def profile_from(table: dict[str, Any], where: str) -> Profile:
    """Build a profile from plain values, as the control port gets them; raises `InputError`."""
    return _profile(str(table.get("name", "own")), table, where)


def _profile(name: str, table: dict[str, Any], where: str) -> Profile:
    try:
        return msgspec.convert({**table, "name": name}, Profile)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: link profile {name!r}: {error}") from error

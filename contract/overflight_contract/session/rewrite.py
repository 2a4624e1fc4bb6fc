"""Writes a new session from items, in bulk: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from overflight_contract.errors import InputError, UnavailableError
from overflight_contract.session import Item, SessionWriter

_ITEMS_AT_ONCE: Final = 1000


def write_session(
    items: Iterable[Item], output: Path, *, metadata: Mapping[str, str], force: bool = False
) -> int:
    """Write `items` to `output` (one file) and return how many; numbers are given anew.

    Raises `InputError` where `output` is there already and `force` is not set.
    """
    if output.suffix != ".mcap":
        raise InputError(f"{output}: a session file ends in .mcap")
    if output.exists() and not force:
        raise InputError(f"{output} is there already; --force writes it anew")
    part = output.with_name(f".{output.stem}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with naming(output):
            part.mkdir(parents=True)
            count = _write(items, part / output.name, metadata)
            (part / output.name).replace(output)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return count


def _write(items: Iterable[Item], path: Path, metadata: Mapping[str, str]) -> int:
    count, source = 0, iter(items)
    with SessionWriter(path, metadata=metadata) as writer:
        while block := list(islice(source, _ITEMS_AT_ONCE)):
            writer.write(block)
            count += len(block)
    return count


@contextlib.contextmanager
def naming(output: Path) -> Iterator[None]:
    """Name the file that can't be written, with why, in place of the temporary one beside it.

    Raises `UnavailableError`.
    """
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UnavailableError(f"can't write {output}: {why}") from error

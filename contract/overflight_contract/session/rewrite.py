"""Writes a new session from items, in bulk: whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from overflight_contract.errors import InputError
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
    part.mkdir(parents=True)
    try:
        count = 0
        source = iter(items)
        with SessionWriter(part / output.name, metadata=metadata) as writer:
            while block := list(islice(source, _ITEMS_AT_ONCE)):
                writer.write(block)
                count += len(block)
        (part / output.name).replace(output)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return count

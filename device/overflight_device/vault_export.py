"""A verified copy of a vault for carrying off, with a contact sheet and the positions as KML."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from overflight_contract.record import FILE_NAME as RECORD
from overflight_contract.times import iso
from overflight_contract.vault import MANIFEST, VaultEntry, read_manifest, vault_folder

SHEET: Final = "contact-sheet.jpg"
KML: Final = "pictures.kml"


def copy_vault(source: Path, target: Path) -> tuple[list[VaultEntry], list[str]]:
    """Copy the vault in `source` to `target`/vault, and the payload's record beside it.

    Returns the entries that were copied and, in words, what could not be. What is there already and
    right is left alone, so an export can be repeated. The source is only read.
    """
    vault = vault_folder(source)
    manifest = (vault / MANIFEST).read_bytes() if (vault / MANIFEST).is_file() else b""
    manifest = manifest[: manifest.rfind(b"\n") + 1]
    lines = manifest.count(b"\n")
    copied, faults = [], []
    for entry in read_manifest(vault):
        if not isinstance(entry, VaultEntry):
            faults.append(str(entry))
            continue
        if entry.n > lines:
            break  # a payload that is flying has kept another one meanwhile
        try:
            fault = _copy(entry, vault, target / "vault")
        except OSError as error:
            fault = f"{entry.file}: {error.strerror}"
        if fault:
            faults.append(fault)
        else:
            copied.append(entry)
    _write(target / "vault" / MANIFEST, manifest)
    record = vault.parent / RECORD
    if record.is_file():
        _write(target / RECORD, record.read_bytes())
    return copied, faults


def _copy(entry: VaultEntry, vault: Path, target: Path) -> str:
    data = (vault / entry.file).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        return f"{entry.file}: its content is not what was kept"
    place = target / entry.file
    if not (place.is_file() and place.read_bytes() == data):
        _write(place, data)
        if place.read_bytes() != data:
            return f"{entry.file}: the copy differs"
    return ""


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def write_kml(entries: Sequence[VaultEntry], path: Path, *, name: str) -> None:
    """Write the pictures' places as KML; each shows its picture, found beside the file."""
    marks = [_placemark(entry) for entry in entries if entry.lat_deg is not None]
    text = "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<kml xmlns="http://www.opengis.net/kml/2.2">',
            f"<Document><name>{escape(name)}</name>",
            *marks,
            "</Document>",
            "</kml>\n",
        ]
    )
    _write(path, text.encode("utf-8"))


def _placemark(entry: VaultEntry) -> str:
    when = "" if entry.taken_at_ns is None else iso(entry.taken_at_ns)
    stamp = f"<TimeStamp><when>{when}</when></TimeStamp>" if when else ""
    picture = escape(f'<img src="vault/{entry.file}" width="640"/><br/>{when}')
    return (
        f"<Placemark><name>{entry.serial or entry.n}</name>{stamp}"
        f"<description>{picture}</description>"
        f"<Point><altitudeMode>absolute</altitudeMode><coordinates>{entry.lon_deg:.6f},"
        f"{entry.lat_deg:.6f},{entry.alt_msl_m or 0:.1f}</coordinates></Point></Placemark>"
    )


_THUMB: Final = (160, 120)
_COLUMNS: Final = 12
_MOST: Final = 240
_GAP: Final = 6
_CAPTION: Final = 14


def write_contact_sheet(entries: Sequence[VaultEntry], vault: Path, path: Path) -> int:
    """Draw thumbnails of the pictures, at most 240 evenly chosen; returns how many are on it."""
    from PIL import Image, ImageDraw, UnidentifiedImageError

    step = max(1, -(-len(entries) // _MOST))
    chosen = list(entries)[::step]
    rows = max(1, -(-len(chosen) // _COLUMNS))
    cell = (_THUMB[0] + _GAP, _THUMB[1] + _CAPTION + _GAP)
    size = (_COLUMNS * cell[0] + _GAP, rows * cell[1] + _GAP)
    sheet = Image.new("RGB", size, (16, 20, 28))
    draw = ImageDraw.Draw(sheet)
    for index, entry in enumerate(chosen):
        x, y = _GAP + index % _COLUMNS * cell[0], _GAP + index // _COLUMNS * cell[1]
        suppress = contextlib.suppress(OSError, UnidentifiedImageError)
        with suppress, Image.open(vault / entry.file) as image:
            image.draft("RGB", _THUMB)
            image.thumbnail(_THUMB)
            sheet.paste(image.convert("RGB"), (x, y))
        when = "" if entry.taken_at_ns is None else iso(entry.taken_at_ns)[5:16].replace("T", " ")
        label = f"{entry.serial or entry.n}  {when}"
        draw.text((x + 2, y + _THUMB[1] + 1), label, fill=(170, 180, 195))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=85)
    _write(path, file.getvalue())
    return len(chosen)

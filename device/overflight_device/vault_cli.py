"""``overflight device vault verify|list|export``: the pictures on board."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from overflight_contract.commandline import Exit, subcommand
from overflight_contract.times import iso
from overflight_contract.vault import (
    VaultEntry,
    VaultReport,
    read_vault,
    vault_folder,
    verify_vault,
)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its own commands."""
    vault = commands.add_parser(
        "vault", help="the pictures on board", description="The pictures on board."
    )
    actions = vault.add_subparsers(dest="vault_command", metavar="COMMAND", required=True)
    verify = subcommand(
        actions,
        "verify",
        "check every picture: which is missing, changed, swapped or extra",
        run=_verify,
        examples=(
            "overflight device vault verify",
            "overflight device vault verify /media/card/payload --json",
        ),
    )
    listing = subcommand(
        actions,
        "list",
        "list the pictures: number, time, place, size, file",
        run=_list,
        examples=("overflight device vault list --json",),
    )
    export = subcommand(
        actions,
        "export",
        "copy the vault for carrying off, verified, with a contact sheet and a KML",
        run=_export,
        examples=("overflight device vault export --out /media/stick/HAB-01",),
    )
    for parser in (verify, listing, export):
        _common_options(parser)
    export.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder to copy to; made if needed"
    )


def _common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="DIR",
        help="a vault, a payload's data folder or (not for export) a bare folder of pictures; "
        "without it, --data",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("overflight-data/payload"),
        metavar="DIR",
        help="the payload's data folder",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _folder(args: argparse.Namespace) -> Path:
    folder: Path = args.folder or args.data
    return vault_folder(folder)


def _verify(args: argparse.Namespace) -> int:
    report = verify_vault(_folder(args))
    if args.json:
        print(json.dumps(_report_json(report)))
    else:
        _print_report(report)
    return Exit.OK if report.ok else Exit.FAILED


def _print_report(report: VaultReport) -> None:
    for entry in report.missing:
        print(f"missing  {entry.file} (picture {entry.n})")
    for entry in report.changed:
        print(f"changed  {entry.file} (picture {entry.n})")
    for entry, other in report.swapped:
        print(f"swapped  {entry.file} (picture {entry.n}) holds picture {other.n}")
    for file in report.extra:
        print(f"extra    {file}")
    for text in report.damage:
        print(f"damage   {text}")
    size = sum(entry.bytes for entry in report.entries)
    held = "all as they were kept" if report.ok else "not as they were kept"
    print(f"{len(report.entries)} pictures, {size / 1e6:.1f} MB: {held}")


def _report_json(report: VaultReport) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "folder": str(report.folder),
        "bare": report.bare,
        "pictures": len(report.entries),
        "bytes": sum(entry.bytes for entry in report.entries),
        "missing": [entry.file for entry in report.missing],
        "changed": [entry.file for entry in report.changed],
        "swapped": [[entry.file, other.file] for entry, other in report.swapped],
        "extra": list(report.extra),
        "damage": list(report.damage),
    }


def _list(args: argparse.Namespace) -> int:
    entries = read_vault(_folder(args))
    if args.json:
        print(json.dumps({"pictures": [_entry_json(entry) for entry in entries]}))
        return Exit.OK
    for entry in entries:
        when = "-" * 24 if entry.taken_at_ns is None else iso(entry.taken_at_ns)
        where = "no position"
        if entry.lat_deg is not None and entry.lon_deg is not None:
            where = f"{entry.lat_deg:9.4f} {entry.lon_deg:10.4f} {entry.alt_msl_m or 0:8.0f} m"
        print(f"{entry.serial or entry.n:6d}  {when}  {where}  {entry.bytes:9d}  {entry.file}")
    print(f"{len(entries)} pictures, {sum(entry.bytes for entry in entries) / 1e6:.1f} MB")
    return Exit.OK


def _entry_json(entry: VaultEntry) -> dict[str, Any]:
    return {
        "n": entry.n,
        "serial": entry.serial,
        "taken_at": None if entry.taken_at_ns is None else iso(entry.taken_at_ns),
        "lat_deg": entry.lat_deg,
        "lon_deg": entry.lon_deg,
        "alt_msl_m": entry.alt_msl_m,
        "bytes": entry.bytes,
        "sha256": entry.sha256,
        "file": entry.file,
    }


def _export(args: argparse.Namespace) -> int:
    from overflight_device.vault_export import (
        KML,
        SHEET,
        copy_vault,
        write_contact_sheet,
        write_kml,
    )

    out: Path = args.out
    copied, faults = copy_vault(_folder(args), out)
    write_kml(copied, out / KML, name=f"Pictures of {out.name}")
    shown = write_contact_sheet(copied, out / "vault", out / SHEET)
    if args.json:
        answer = {"ok": not faults, "out": str(out), "pictures": len(copied), "faults": faults}
        print(json.dumps(answer | {"contact_sheet": SHEET, "kml": KML, "on_contact_sheet": shown}))
    else:
        for fault in faults:
            print(f"not copied  {fault}")
        print(f"{len(copied)} pictures copied to {out}, each checked; {shown} on {SHEET}; {KML}")
    return Exit.FAILED if faults else Exit.OK

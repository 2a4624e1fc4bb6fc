"""``overflight leak``: try to get a kept picture out, to see who notices."""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from overflight.leaks.gallery import GALLERY
from overflight.leaks.sending import publish_packet, send
from overflight.leaks.trial import Row, run_gallery, table
from overflight_contract.commandline import Exit, host_port, subcommand
from overflight_contract.errors import InputError
from overflight_contract.identity import check_payload
from overflight_contract.topics import Kind, topic_for
from overflight_contract.vault import read_vault, vault_folder

_DEFAULT_PORT: Final = 1883


def build(parser: argparse.ArgumentParser) -> None:
    """Add the commands of ``overflight leak``."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    picture = subcommand(
        commands,
        "picture",
        "publish a kept picture in three ways, as the payload",
        run=run_picture,
        examples=(
            "overflight leak picture --vault run/vault --to mqtt://127.0.0.1:1884 --payload HAB-01",
        ),
    )
    picture.add_argument(
        "--vault", type=Path, required=True, metavar="DIR", help="the vault with the picture"
    )
    picture.add_argument(
        "--to", required=True, metavar="URL", help="the relay, as mqtt://127.0.0.1:1884"
    )
    picture.add_argument(
        "--payload", required=True, metavar="NAME", help="the payload in whose name to connect"
    )
    picture.add_argument("--json", action="store_true", help="print the attempts as JSON")
    _gallery_command(commands)


def _gallery_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    gallery = subcommand(
        commands,
        "gallery",
        "run the gallery of leaks past the relay's rules and the audit; say who notices",
        run=run_gallery_command,
        examples=("overflight leak gallery", "overflight leak gallery timing 'low digits, text'"),
    )
    gallery.add_argument("name", nargs="*", metavar="NAME", help="leaks to run (without: all)")
    gallery.add_argument("--list", action="store_true", help="only list the leaks")
    gallery.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    gallery.add_argument("--json", action="store_true", help="print one object a leak")
    gallery.add_argument(
        "--keep", type=Path, metavar="DIR",
        help="keep each leak's session, store and vault there, to audit them yourself",
    )  # fmt: skip


def run_gallery_command(args: argparse.Namespace) -> int:
    """Run leaks of the gallery."""
    unknown = [name for name in args.name if name not in GALLERY]
    if unknown:
        raise InputError(f"there is no leak {unknown[0]!r}; see 'overflight leak gallery --list'")
    names = args.name or list(GALLERY)
    if args.list:
        for name in names:
            print(f"{name:<24} {GALLERY[name].what}")
        return Exit.OK
    with contextlib.ExitStack() as stack:
        folder = args.keep
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="overflight-")))
        _show(run_gallery(folder, names), args)
    return Exit.OK


def _show(found: Iterable[Row], args: argparse.Namespace) -> None:
    rows: list[Row] = []
    for row in found:
        rows.append(row)
        if args.json:
            print(msgspec.json.encode(row).decode())
        elif not args.markdown:
            print(f"{row.name:<24} {row.verdict:<13} {', '.join(row.layers)}", flush=True)
    if args.markdown:
        print(table(rows), end="")


def run_picture(args: argparse.Namespace) -> int:
    """Try three ways; the exit status is 0 whatever became of them."""
    payload = check_payload(args.payload)
    relay = host_port(args.to.rpartition("//")[2].rstrip("/"), _DEFAULT_PORT)
    name, data = smallest_picture(args.vault)
    topic = topic_for(payload, Kind.POSITION)
    attempts = [
        ("as it is, as a position", topic, data),
        ("as base64 in a position message", topic, in_position(data)),
        ("in a topic that the contract does not have", f"overflight/1/{payload}/image", data),
    ]
    sent = [
        send(relay, payload, what, [publish_packet(where, body)]) for what, where, body in attempts
    ]
    if args.json:
        print(json.dumps({"picture": name, "attempts": [attempt._asdict() for attempt in sent]}))
        return Exit.OK
    print(f"the picture {name}, {len(data):,} bytes")
    for attempt in sent:
        print(f"{attempt.what}: {attempt.outcome}")
    return Exit.OK


def smallest_picture(vault: Path) -> tuple[str, bytes]:
    """Return name and bytes of the smallest picture of a vault; raises `InputError`."""
    place = vault_folder(vault)
    there = [entry for entry in read_vault(vault) if (place / entry.file).is_file()]
    if not there:
        raise InputError(f"there is no picture in {vault}")
    entry = min(there, key=lambda e: (e.bytes, e.file))
    return entry.file, (place / entry.file).read_bytes()


def in_position(data: bytes) -> bytes:
    """Return a position message with a picture in a key that the contract does not have."""
    text = base64.b64encode(data).decode()
    return json.dumps(
        {"flight": "20230128T060000Z-7f3a", "seq": 1, "lat_deg": 48.1, "note": text},
        separators=(",", ":"),
    ).encode()

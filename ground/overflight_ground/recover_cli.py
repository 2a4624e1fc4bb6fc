"""``overflight recover``: take in what came back from a flight."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import msgspec

from overflight_contract.commandline import Exit, duration_s, epilog
from overflight_contract.identity import check_payload
from overflight_ground.recover import RecoverInputs, Recovery, recover
from overflight_ground.store.store import store_url

EXAMPLES = (
    "overflight recover /media/card --store ground.sqlite",
    "overflight recover vault.tar.gz --payload HAB-01",
    "overflight recover pictures --payload HAB-01 --clock-offset=-3h",
)


def build(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``overflight recover``."""
    parser.epilog = epilog(EXAMPLES)
    parser.set_defaults(run=run)
    parser.add_argument(
        "source", type=Path, metavar="DIR|ARCHIVE",
        help="the payload's data folder, its vault, a bare folder of pictures, or a tar or zip",
    )  # fmt: skip
    parser.add_argument(
        "--store", default="ground.sqlite", metavar="URL", help="the ground's store: URL or file"
    )
    parser.add_argument(
        "--into", type=Path, metavar="DIR",
        help="where copies go (without it: recovered, beside the store)",
    )  # fmt: skip
    parser.add_argument(
        "--payload", metavar="NAME", help="whose vault it is, where neither it nor the store says"
    )
    parser.add_argument(
        "--clock-offset", type=_offset_s, metavar="TIME",
        help="what to add to the camera's times, as 90s or -3h (without it: estimated)",
    )  # fmt: skip
    parser.add_argument(
        "--max-gap", type=duration_s, default=900.0, metavar="TIME",
        help="longest gap in the track that a picture may be placed in",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print what was taken in as JSON")


def _offset_s(text: str) -> float:
    stripped = text.strip()
    if stripped.startswith("-"):
        return -duration_s(stripped[1:])
    return duration_s(stripped.removeprefix("+"))


def run(args: argparse.Namespace) -> int:
    """Take a vault in; 1 where something of it is missing or not what was kept."""
    if args.payload is not None:
        check_payload(args.payload)
    made = recover(
        RecoverInputs(
            source=args.source,
            store=args.store,
            into=args.into or _beside(args.store),
            now_ns=time.time_ns(),
            payload=args.payload,
            clock_offset_s=args.clock_offset,
            max_gap_s=args.max_gap,
        )
    )
    if args.json:
        print(msgspec.json.encode(made).decode())
    else:
        sys.stdout.write(to_text(made))
    amiss = made.missing or made.changed or made.swapped or made.damage or made.record_damage
    return Exit.FAILED if amiss and not made.bare else Exit.OK


def _beside(store: str) -> Path:
    url = store_url(store)
    if url.get_backend_name() == "sqlite" and url.database:
        return Path(url.database).parent / "recovered"
    return Path("recovered")


def to_text(made: Recovery) -> str:
    """Say what was taken in, in a few lines."""
    chain = "no manifest" if made.bare else "chain whole" if made.chain_ok else "chain damaged"
    what = f"{made.pictures:,} pictures, {made.bytes:,} bytes, of {made.payload}"
    lines = [
        f"recovered {what} from {made.source} ({chain})",
        f"  copied {made.copied:,}, already there {made.already_there:,}, into {made.into}",
        f"  clock offset {made.clock_offset_s:+.1f} s ({made.clock_offset}"
        + (f", ±{made.clock_spread_s:.1f} s)" if made.clock_spread_s is not None else ")"),
        f"  {made.matched:,} placed on the track, {len(made.unmatched):,} not",
        f"  {made.record_messages:,} messages in the payload's record",
    ]
    for word, names in (
        ("missing", made.missing),
        ("changed", made.changed),
        ("swapped", made.swapped),
        ("not in the manifest", made.extra),
        ("damaged", (*made.damage, *made.record_damage)),
        ("not placed", tuple(f"{u.file}: {u.reason}" for u in made.unmatched)),
    ):
        lines += [f"  {word}: {name}" for name in names[:5]]
        if len(names) > 5:
            lines.append(f"  {word}: and {len(names) - 5:,} more")
    return "\n".join(lines) + "\n"

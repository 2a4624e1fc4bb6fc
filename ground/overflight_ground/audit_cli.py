"""``overflight audit``: prove what left and what stayed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from overflight_contract.commandline import epilog
from overflight_contract.errors import InputError, UnavailableError
from overflight_ground.audit import AuditInputs, run_audit
from overflight_ground.audit.html import to_html
from overflight_ground.audit.report import to_json
from overflight_ground.audit.terminal import to_text

EXAMPLES = (
    "overflight audit --session run/session --store run/ground.sqlite --vault run/device/vault",
    "overflight audit --session a.mcap b.mcap --vault pictures --html audit.html",
    "overflight audit … --json --sign key.pem > audit.json",
    "overflight audit verify audit.json",
)


def build(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``overflight audit`` and its commands."""
    parser.epilog = epilog(EXAMPLES)
    parser.set_defaults(run=run)
    _options(parser)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--session", nargs="+", type=Path, default=[], metavar="FILE",
        help="session files, or folders of them, that the relay recorded",
    )  # fmt: skip
    parser.add_argument("--store", metavar="URL", help="the ground's store: a URL or a file")
    parser.add_argument(
        "--vault", nargs="+", type=Path, default=[], metavar="DIR",
        help="the recovered vault, or a bare folder of pictures",
    )  # fmt: skip
    parser.add_argument(
        "--record", nargs="+", type=Path, default=[], metavar="FILE",
        help="the payload's own record (without it: record.jsonl beside the vault)",
    )  # fmt: skip
    parser.add_argument(
        "--payload", nargs="+", default=[], metavar="NAME",
        help="names of payloads that may cross (without it: those of the record or the store)",
    )  # fmt: skip
    parser.add_argument(
        "--flight", nargs="+", default=[], metavar="ID",
        help="flights to compare (without it: those in the record, else all)",
    )  # fmt: skip
    parser.add_argument(
        "--others", nargs="+", default=[], metavar="NAME",
        help="payloads that share the relay and have audits of their own",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the JSON report there")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one page")


def run(args: argparse.Namespace) -> int:
    """Run an audit."""
    inputs = AuditInputs(
        sessions=args.session,
        store=args.store,
        vaults=args.vault,
        records=args.record,
        payloads=args.payload,
        others=args.others,
        flights=args.flight,
    )
    if not (inputs.sessions or inputs.store or inputs.vaults or inputs.records):
        raise InputError("nothing to audit: name --session, --store and --vault; see --help")
    report = run_audit(inputs)
    data = to_json(report)
    if args.report is not None:
        write(args.report, data)
    if args.html is not None:
        write(args.html, to_html(report).encode())
    if args.json:
        sys.stdout.write(data.decode())
    else:
        sys.stdout.write(to_text(report, colour=sys.stdout.isatty()))
    return report.exit_status


def write(path: Path, data: bytes) -> None:
    """Write a report's file; raises `UnavailableError` where that can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise UnavailableError(f"can't write {path}: {error.strerror}") from error

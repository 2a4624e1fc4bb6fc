"""``overflight audit``: prove what left and what stayed."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import msgspec

from overflight_contract.commandline import Exit, epilog, subcommand
from overflight_contract.errors import InputError, UnavailableError
from overflight_ground.audit import AuditInputs, AuditReport, run_audit
from overflight_ground.audit.checking import verify
from overflight_ground.audit.html import to_html
from overflight_ground.audit.keeping import keep
from overflight_ground.audit.report import json_schema, to_json
from overflight_ground.audit.signing import load_key, make_key, sign
from overflight_ground.audit.terminal import to_text

EXAMPLES = (
    "overflight audit --session run/session --store run/ground.sqlite --vault run/device/vault",
    "overflight audit --session a.mcap b.mcap --vault pictures --html audit.html",
    "overflight audit key audit.pem && overflight audit … --sign audit.pem --report audit.json",
    "overflight audit verify audit.json --session run/session --vault run/device/vault",
)


def build(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``overflight audit`` and its commands."""
    parser.epilog = (epilog(EXAMPLES) or "") + (
        "\n\nexit status: 0 the split held, 1 it is broken, 2 bad input, 3 can't tell"
    )
    parser.set_defaults(run=run)
    _inputs(parser)
    _options(parser)
    commands = parser.add_subparsers(metavar="COMMAND", required=False)
    _verify_command(commands)
    key = subcommand(commands, "key", "make a key to sign reports with", run=run_key)
    key.add_argument("file", type=Path, metavar="FILE", help="where the private key goes (PEM)")
    subcommand(commands, "schema", "print the JSON schema of a report", run=run_schema)


def _inputs(parser: argparse.ArgumentParser) -> None:
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
        "--flight", nargs="+", default=[], metavar="ID",
        help="flights to compare (without it: those in the record, else all)",
    )  # fmt: skip


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--payload", nargs="+", default=[], metavar="NAME",
        help="names of payloads that may cross (without it: those of the record or the store)",
    )  # fmt: skip
    parser.add_argument(
        "--others", nargs="+", default=[], metavar="NAME",
        help="payloads that share the relay and have audits of their own",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the JSON report there")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one page")
    parser.add_argument(
        "--sign", type=Path, metavar="KEY", help="sign the JSON report with this Ed25519 key"
    )
    parser.add_argument(
        "--save", action=argparse.BooleanOptionalAction, default=True,
        help="keep the report in the store, where the page shows it",
    )  # fmt: skip


def _verify_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    parser = subcommand(
        commands,
        "verify",
        "check a report's signature, and its inputs where they are named",
        run=run_verify,
        examples=("overflight audit verify audit.json --key 3b6a…",),
    )
    parser.add_argument("file", type=Path, metavar="REPORT", help="the JSON report")
    parser.add_argument("--key", metavar="HEX", help="the public key that it must be signed with")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    _inputs(parser)


def _named(args: argparse.Namespace) -> AuditInputs:
    return AuditInputs(
        sessions=args.session,
        store=args.store,
        vaults=args.vault,
        records=args.record,
        payloads=getattr(args, "payload", ()),
        others=getattr(args, "others", ()),
        flights=args.flight,
    )


def run(args: argparse.Namespace) -> int:
    """Run an audit."""
    inputs = _named(args)
    if not (inputs.sessions or inputs.store or inputs.vaults or inputs.records):
        raise InputError("nothing to audit: name --session, --store and --vault; see --help")
    key = load_key(args.sign) if args.sign is not None else None
    report = run_audit(inputs)
    data = to_json(report) if key is None else sign(report, key)
    if args.report is not None:
        write(args.report, data)
    if args.html is not None:
        write(args.html, to_html(report).encode())
    if inputs.store is not None and args.save:
        _keep(inputs.store, report)
    if args.json:
        sys.stdout.write(data.decode())
    else:
        sys.stdout.write(to_text(report, colour=sys.stdout.isatty()))
    return report.exit_status


def _keep(store: str, report: AuditReport) -> None:
    try:
        keep(store, report, time.time_ns())
    except (UnavailableError, InputError) as error:
        print(f"overflight: the report is not in the store: {error}", file=sys.stderr)


def run_verify(args: argparse.Namespace) -> int:
    """Check a report."""
    inputs = _named(args)
    given = inputs.sessions or inputs.store or inputs.vaults or inputs.records
    found = verify(args.file, inputs if given else None, args.key)
    if args.json:
        print(msgspec.json.encode(found).decode())
    else:
        signed = f"signed by {found.signed_by}" if found.signed_by else "not signed"
        print(f"{'ok' if found.ok else 'NOT OK'}: {found.verdict}, {signed}")
        print(f"{found.inputs_checked} inputs checked")
        for text in found.wrong:
            print(f"  · {text}")
    return Exit.OK if found.ok else Exit.FAILED


def run_key(args: argparse.Namespace) -> int:
    """Make a key."""
    print(make_key(args.file))
    return Exit.OK


def run_schema(_args: argparse.Namespace) -> int:
    """Print the schema."""
    schema = msgspec.json.encode(json_schema())
    sys.stdout.write(msgspec.json.format(schema, indent=2).decode() + "\n")
    return Exit.OK


def write(path: Path, data: bytes) -> None:
    """Write a report's file; raises `UnavailableError` where that can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise UnavailableError(f"can't write {path}: {error.strerror}") from error

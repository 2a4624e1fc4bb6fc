"""Checks a report against its signature and, where they are at hand, against its inputs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from overflight_contract.errors import InputError
from overflight_ground.audit import inputs as opening
from overflight_ground.audit.inputs import AuditInputs
from overflight_ground.audit.report import AuditReport, Input
from overflight_ground.audit.signing import check, read_report


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What `overflight audit verify` found; `ok` where nothing is wrong."""

    ok: bool
    verdict: str
    signed_by: str | None
    wrong: tuple[str, ...]
    inputs_checked: int


def verify(path: Path, inputs: AuditInputs | None = None, public_key: str | None = None) -> Checked:
    """Check the report at `path`; raises `InputError` where it is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"can't read the report {path}: {error.strerror}") from error
    report, signature, canonical = read_report(data)
    wrong = (
        [] if canonical else ["it is not spelt as a report is: it was edited, or has more in it"]
    )
    if signature is not None:
        fault = check(report, signature)
        wrong += [fault] if fault else []
        if public_key is not None and signature.public_key != public_key.lower():
            wrong.append(f"it is signed with the key {signature.public_key}, not with yours")
    elif public_key is not None:
        wrong.append("it is not signed")
    found = _inputs(inputs, report) if inputs is not None else []
    wrong += _differences(report, found)
    return Checked(
        ok=not wrong,
        verdict=str(report.verdict),
        signed_by=signature.public_key if signature is not None else None,
        wrong=tuple(wrong),
        inputs_checked=len(found),
    )


def _inputs(inputs: AuditInputs, report: AuditReport) -> list[Input]:
    found = [opening.session_input(path) for path in inputs.sessions]
    records = opening.default_records(inputs)
    content, made = opening.read_records(records)
    found += made
    if inputs.store is not None:
        flights = set(inputs.flights) or {m.flight for m in content.messages} or None
        found.append(opening.read_store(inputs.store, flights)[1])
    return found + [opening.read_vault(path)[1] for path in inputs.vaults]


def _differences(report: AuditReport, found: list[Input]) -> list[str]:
    named = {(item.kind, item.sha256) for item in report.inputs}
    return [
        f"the {item.kind} {item.name} is not the one that was audited"
        for item in found
        if (item.kind, item.sha256) not in named
    ]

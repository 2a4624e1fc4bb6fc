"""The end of the demonstration: recovery, audit, and the summary; and the leak on the way."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from overflight.demo.crew import command
from overflight.demo.plan import RunPlan
from overflight.demo.progress import Tally
from overflight_contract.commandline import Exit
from overflight_contract.errors import OverflightError

Say = Callable[[str], None]

COUNTED: Final = (
    "sent", "crossed", "stored", "lost", "duplicates", "quarantined", "refused", "bytes_crossed",
    "images_kept", "bytes_kept", "unexplained_bytes",
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """The summary (the object that ``--json`` prints) and the exit status."""

    summary: dict[str, Any]
    exit_status: int


def leak(plan: RunPlan, say: Say) -> None:
    """Let the payload try to publish one of its pictures, on a connection of its own."""
    payload = plan.payloads[0]
    say("The payload now tries to publish one of its pictures, in three ways.")
    done = _run(
        command(
            *("leak", "picture", "--vault", plan.device(payload) / "vault"),
            *("--to", f"mqtt://127.0.0.1:{plan.relay_port}", "--payload", payload),
        ),
        plan.folder / "logs" / "leak.log",
    )
    for line in done.stdout.strip().splitlines():
        say(f"  {line}")


def recover_and_audit(plan: RunPlan, tally: Tally, say: Say) -> Result:
    """Recover every vault, then audit the whole run."""
    for payload in plan.payloads:
        _recover(plan, payload, say)
    report, status = _audit(plan, say)
    summary = summarise(plan, tally, report)
    held = summary["verdict"] == "split held" and summary["lost"] == 0
    return Result(summary, Exit.OK if held else (status or Exit.FAILED))


def _recover(plan: RunPlan, payload: str, say: Say) -> None:
    done = _run(
        command(
            *("recover", plan.device(payload), "--store", plan.store_url, "--payload", payload)
        ),
        plan.folder / "logs" / f"recover-{payload}.log",
    )
    lines = done.stdout.strip().splitlines()
    for line in lines if len(plan.payloads) == 1 else lines[:1]:
        say(line)
    if done.returncode not in (Exit.OK, Exit.FAILED):
        raise OverflightError(f"the recovery failed: {_last(done.stderr)}")


def _audit(plan: RunPlan, say: Say) -> tuple[dict[str, Any], int]:
    devices = [plan.device(payload) for payload in plan.payloads]
    report = plan.folder / "audit.json"
    done = _run(
        command(
            *("audit", "--session", plan.session, "--store", plan.store_url),
            *("--vault", *(device / "vault" for device in devices)),
            *("--record", *(device / "record.jsonl" for device in devices)),
            *("--payload", *plan.payloads, "--html", plan.folder / "audit.html"),
            *("--report", report),
        ),
        plan.folder / "logs" / "audit.log",
    )
    say(done.stdout.rstrip())
    if not report.is_file():
        raise OverflightError(f"the audit failed: {_last(done.stderr)}")
    say(f"The whole report: {plan.folder / 'audit.html'}")
    return json.loads(report.read_text(encoding="utf-8")), done.returncode


def summarise(plan: RunPlan, tally: Tally, report: dict[str, Any]) -> dict[str, Any]:
    """Return the object that ``--json`` prints; of a fleet, lists and sums."""
    many = len(plan.payloads) > 1
    flights = [str(tally.payloads.get(name, {}).get("flight", "")) for name in plan.payloads]
    counts = {key: int(report.get(key) or 0) for key in COUNTED}
    return {
        "payload": list(plan.payloads) if many else plan.payloads[0],
        "flight": flights if many else flights[0],
        **{key: counts[key] for key in COUNTED[:3]},
        "receipted": tally.total("receipted_through"),
        **{key: counts[key] for key in COUNTED[3:]},
        "verdict": str(report.get("verdict")),
        "session_file": str(plan.session),
        "store": plan.store_url,
        "vault": str(
            plan.device(plan.payloads[0]) / "vault" if not many else plan.folder / "device"
        ),
    }


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _run(words: list[str], log: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"{done.stdout}\n{done.stderr}", encoding="utf-8")
    return done

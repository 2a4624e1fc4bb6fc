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
    """Recover every vault, audit every payload, and add up."""
    reports = [_audit_one(plan, payload, say) for payload in plan.payloads]
    summary = summarise(plan, tally, reports)
    held = summary["verdict"] == "split held" and summary["lost"] == 0
    statuses = [status for _, status in reports]
    worst = Exit.FAILED if Exit.FAILED in statuses else max(statuses, default=Exit.OK)
    return Result(summary, Exit.OK if held else (worst or Exit.FAILED))


def _audit_one(plan: RunPlan, payload: str, say: Say) -> tuple[dict[str, Any], int]:
    device = plan.device(payload)
    logs = plan.folder / "logs"
    name = "" if len(plan.payloads) == 1 else f"-{payload}"
    recovered = _run(
        command("recover", device, "--store", plan.store_url, "--payload", payload),
        logs / f"recover{name}.log",
    )
    for line in recovered.stdout.strip().splitlines():
        say(line)
    report = plan.folder / f"audit{name}.json"
    done = _run(
        command(
            *("audit", "--session", plan.session, "--store", plan.store_url),
            *("--vault", device / "vault", "--record", device / "record.jsonl"),
            *("--payload", payload, "--html", plan.folder / f"audit{name}.html"),
            *("--report", report),
        ),
        logs / f"audit{name}.log",
    )
    say(done.stdout.rstrip())
    if not report.is_file():
        raise OverflightError(f"the audit failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(report.read_text(encoding="utf-8")), done.returncode


def summarise(
    plan: RunPlan, tally: Tally, reports: list[tuple[dict[str, Any], int]]
) -> dict[str, Any]:
    """Return the object that ``--json`` prints; numbers of a fleet are sums."""
    counts = {key: sum(int(report.get(key) or 0) for report, _ in reports) for key in COUNTED}
    verdicts = [str(report.get("verdict")) for report, _ in reports]
    verdict = next(
        (worst for worst in ("split broken", "can't tell") if worst in verdicts), "split held"
    )
    many = len(plan.payloads) > 1
    flights = [str(tally.payloads.get(name, {}).get("flight", "")) for name in plan.payloads]
    return {
        "payload": list(plan.payloads) if many else plan.payloads[0],
        "flight": flights if many else flights[0],
        "sent": counts["sent"],
        "crossed": counts["crossed"],
        "stored": counts["stored"],
        "receipted": tally.total("receipted_through"),
        "lost": counts["lost"],
        "duplicates": counts["duplicates"],
        "quarantined": counts["quarantined"],
        "refused": counts["refused"],
        "bytes_crossed": counts["bytes_crossed"],
        "images_kept": counts["images_kept"],
        "bytes_kept": counts["bytes_kept"],
        "unexplained_bytes": counts["unexplained_bytes"],
        "verdict": verdict,
        "session_file": str(plan.session),
        "store": plan.store_url,
        "vault": str(plan.device(plan.payloads[0]) / "vault"),
    }


def _run(words: list[str], log: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"{done.stdout}\n{done.stderr}", encoding="utf-8")
    return done

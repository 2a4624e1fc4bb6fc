"""What ``overflight session`` tells a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from overflight.session.info import Reading
from overflight.session.picture import bars, draw_track
from overflight_contract.session.verify import Report


def info_text(found: Mapping[str, Any], reading: Reading | None) -> str:
    """Return what a session holds, line by line."""
    ways = f"{found['packets_up']:,} up, {found['packets_down']:,} down"
    judged = ", ".join(f"{number:,} {name}" for name, number in found["verdicts"].items())
    lines = [
        ("session", f"{found['session']}  ({_files(found)}, format {found['format_version']})"),
        ("state", _state(found)),
        ("time", _time(found)),
        ("packets", f"{found['packets']:,}: {ways}"),
        ("verdicts", judged),
        ("connections", f"{found['connections']:,}"),
        ("rate", _rate(found)),
    ]
    lines += [(f"  {key}", value) for key, value in found["metadata"].items()]
    if reading is not None:
        lines += _read_lines(found, reading)
    for note in found["notes_list"][:20]:
        detail = ", ".join(f"{key} {value}" for key, value in note["detail"].items())
        lines.append(("note", f"{note['at']} {note['kind']}: {_short(detail)}"))
    if found["notes"] > 20:
        lines.append(("", f"and {found['notes'] - 20:,} notes more (--json --full tells all)"))
    lines += [("damage", text) for text in found["damage"]]
    if found["damage"]:
        lines.append(("", f"'overflight session repair {found['session']} OUT' saves what is left"))
    text = "".join(f"{name:<12} {value}\n" for name, value in lines)
    if reading is None:
        return text + "\nOnly the index was read; --full reads every packet.\n"
    picture = draw_track(reading.track)
    return text + ("\n" + "\n".join(picture) + "\n" if picture else "")


def _read_lines(found: Mapping[str, Any], reading: Reading) -> Iterable[tuple[str, str]]:
    if not found["types"]:
        return
    yield "over time", bars(reading.per_bin)
    yield "types", _counts(found["types"])
    if found["payloads"]:
        yield "payloads", _counts(found["payloads"])
    clients = [name or "(none)" for name in found["clients"]]
    yield "clients", _short(", ".join(clients))
    for reason, number in list(found["reasons"].items())[:5]:
        yield "reason", f"{number:,} × {reason}"
    for gap in found["gaps"][:10]:
        yield "silence", f"{gap['from']} to {gap['until']} ({gap['seconds']:.0f} s)"


def _files(found: Mapping[str, Any]) -> str:
    files = found["files"]
    return f"{_size(found['bytes'])}" + (f" in {files} files" if files > 1 else "")


def _state(found: Mapping[str, Any]) -> str:
    if found["closed"]:
        return "closed"
    waiting = found["journal_items"]
    return f"not closed: being written, or its writer was killed ({waiting:,} items in the journal)"


def _time(found: Mapping[str, Any]) -> str:
    if found["start"] is None:
        return "nothing recorded"
    return f"{found['start']} to {found['end']} ({_duration(found['duration_s'])})"


def _rate(found: Mapping[str, Any]) -> str:
    if not found["packets_per_s"]:
        return "-"
    return f"{found['packets_per_s']:,g} packets/s, {found['bytes_per_packet']} bytes each on disk"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    days, hours = divmod(hours, 24)
    parts = [f"{days} d"] * bool(days) + [f"{hours} h"] * bool(hours)
    parts += [f"{minutes} min"] * bool(minutes) + [f"{rest:.3g} s"] * (not days)
    return " ".join(parts)


def _size(size: int) -> str:
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def _counts(counts: Mapping[str, int]) -> str:
    return _short(", ".join(f"{number:,} {name}" for name, number in counts.items()))


def _short(text: str, length: int = 160) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def verify_text(file: str, found: Report) -> str:
    """Return the outcome of a check."""
    lines = [f"{problem.file}: {problem.kind}: {problem.text}" for problem in found.problems]
    where = f", {found.journal_items:,} of them in the journal" if found.journal_items else ""
    state = "closed" if found.closed else "not closed"
    number = len(found.problems)
    verdict = ("whole", "1 problem")[number] if number < 2 else f"{number:,} problems"
    lines.append(
        f"{file}: {verdict}; {found.items:,} items{where}, {found.chunks:,} chunks, "
        f"{found.files} file{'s' * (found.files > 1)}, {state}"
    )
    return "\n".join(lines) + "\n"

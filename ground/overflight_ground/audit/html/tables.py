"""The page's tables: each row says where to look."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from overflight_ground.audit.findings import Evidence, Finding, Weight
from overflight_ground.audit.report import AuditReport, Statistic
from overflight_ground.audit.verdict import short

SHOWN = 60


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of HTML cells; a head that begins with ``>`` is of numbers."""
    if not rows:
        return ""
    numeric = [name.startswith(">") for name in head]
    cells = "".join(
        f"<th{' class=n' if n else ''}>{escape(name.removeprefix('>'))}</th>"
        for name, n in zip(head, numeric, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=n' if n else ''}>{cell}</td>"
            for cell, n in zip(row, numeric, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><tr>{cells}</tr>{body}</table></div>'


def place(evidence: Evidence) -> str:
    """Say where evidence lies."""
    parts = [escape(evidence.source)]
    if evidence.packet is not None:
        parts.append(f"packet {evidence.packet}")
    if evidence.connection is not None:
        parts.append(f"connection {evidence.connection}")
    if evidence.start is not None and evidence.end is not None:
        parts.append(f"bytes {evidence.start}–{evidence.end - 1}")
    if evidence.place:
        parts.append(escape(short(evidence.place)))
    if evidence.at:
        parts.append(escape(evidence.at))
    shown = f'<br><span class="hex">{evidence.hex[:64]}</span>' if evidence.hex else ""
    return ", ".join(parts) + shown


def classes(report: AuditReport) -> str:
    """Every field of every packet type, its class, its bytes, its room."""
    rows = [
        [
            escape(row.packet),
            escape(row.field),
            escape(row.byte_class),
            f"{row.count:,}",
            f"{row.bytes:,}",
            f"{row.room_bits:,.1f}",
        ]
        for row in report.classes
    ]
    head = ["packet", "field", "class", ">times", ">bytes", ">room, bits"]
    return f"<details><summary>All {len(rows)} fields</summary>{table(head, rows)}</details>"


def findings(report: AuditReport) -> str:
    """What the ledgers and inputs show, the gravest first; mere notes folded away."""
    grave = [f for f in report.findings if f.weight != Weight.NOTE and f.kind != "unexplained"]
    notes = [f for f in report.findings if f.weight == Weight.NOTE]
    text = ""
    if not grave:
        text = "<p><b>Nothing is missing without a reason, extra, altered or forged.</b></p>"
    text += _finding_table(grave)
    if notes:
        counts = {k: n for k, n in report.finding_counts.items() if k in {f.kind for f in notes}}
        words = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        text += (
            f"<details><summary>Notes: {escape(words)}</summary>{_finding_table(notes)}</details>"
        )
    return text


def unexplained(report: AuditReport) -> str:
    """The bytes that the contract does not explain, each with its place."""
    named = [f for f in report.findings if f.kind == "unexplained"]
    if not named:
        return "<p><b>No byte that crossed is unexplained.</b></p>"
    return "<h3>Unexplained</h3>" + _finding_table(named)


def _finding_table(items: Sequence[Finding]) -> str:
    rows = [
        [
            f'<span class="weight {item.weight}">{item.weight}</span>',
            escape(item.kind),
            escape(item.text),
            "<br>".join(place(e) for e in item.evidence[:3]),
        ]
        for item in items[:SHOWN]
    ]
    left = len(items) - len(rows)
    more = f"<p>and {left:,} more, in the JSON report</p>" if left > 0 else ""
    return table(["", "kind", "what", "where"], rows) + more


def found(report: AuditReport) -> str:
    """Pictures that were found, and beginnings of image files."""
    if report.search is None:
        return ""
    rows = [
        [
            escape(short(item.picture)),
            f"{item.matched_bytes:,} of {item.picture_bytes:,}",
            escape(item.form),
            escape(item.stream),
            place(item.first),
        ]
        for item in report.search.found[:SHOWN]
    ]
    text = table(["picture", ">bytes found", "form", "put together from", "first packet"], rows)
    begin = [
        [escape(item.name), escape(item.form), escape(item.stream), place(item.first)]
        for item in report.search.beginnings[:SHOWN]
    ]
    if begin:
        text += "<h3>Beginnings of image files</h3>"
        text += table(["kind", "form", "put together from", "packet"], begin)
    return text


def attempts(report: AuditReport) -> str:
    """What the relay refused."""
    if not report.refused:
        return ""
    rows = [
        [
            escape(item.packet),
            escape(item.topic or ""),
            f"{item.bytes:,}",
            escape(item.reason),
            place(item.evidence),
        ]
        for item in report.tried.attempts[:SHOWN]
    ]
    words = (
        f"{report.refused:,} packets, {report.tried.bytes:,} bytes, were refused by the relay: "
        "they did not cross, and count in none of the numbers above."
    )
    text = f"<p>{escape(words)}</p>"
    search = report.tried.search
    if search is not None and search.found:
        named = ", ".join(f"{short(f.picture)} ({f.form})" for f in search.found[:5])
        text += f"<p>They held kept pictures: {escape(named)}.</p>"
    return text + table(["packet", "topic", ">bytes", "reason", "where"], rows)


def counts(report: AuditReport) -> str:
    """Messages of each flight in each ledger."""
    rows = [
        [
            escape(flight.payload or ""),
            f'<code class="t">{escape(flight.flight)}</code>',
            *(
                "not given" if count is None else f"{count:,}"
                for count in (flight.sent, flight.crossed, flight.stored, flight.in_all)
            ),
        ]
        for flight in sorted(report.by_flight, key=lambda f: (f.payload or "", f.flight))[:SHOWN]
    ]
    return table(["payload", "flight", ">in the record", ">crossed", ">stored", ">in all"], rows)


def flights(report: AuditReport) -> str:
    """What the network saw of each flight, and over which countries."""
    rows = [
        [
            escape(seen.payload),
            f'<code class="t">{escape(seen.flight)}</code>',
            f"{seen.fixes:,}",
            _span(seen.first_fix_at, seen.last_fix_at),
            "" if seen.track_error_km is None else f"{seen.track_error_km * 1000:,.0f} m",
            "<br>".join(
                f"{escape(stay.country)} {_span(stay.from_at, stay.to_at)}"
                for stay in seen.countries
            ),
        ]
        for seen in report.learned.flights[:SHOWN]
    ]
    head = ["payload", "flight", ">fixes", "from, to", ">track known to within", "over"]
    return table(head, rows)


def _span(start: str, end: str) -> str:
    """Write a stretch of time to the minute; the date once where it is one day."""
    shown = end[11:16] if start[:10] == end[:10] else f"{end[:10]} {end[11:16]}"
    return f'<span class="t">{escape(f"{start[:10]} {start[11:16]} to {shown} UTC")}</span>'


def statistics(report: AuditReport) -> str:
    """All tests, the flagged ones first."""
    if not report.statistics:
        return "<p>Too few messages for statistics.</p>"
    ordered = sorted(report.statistics, key=lambda s: (not s.flagged, s.p_value is None))
    rows = [
        [
            "<b>look</b>" if item.flagged else "",
            escape(item.field),
            escape(item.test),
            f"{item.n:,}",
            _p_text(item),
            escape(item.text),
        ]
        for item in ordered
    ]
    return (
        "<p>A p-value says how often chance alone would look so. None is ever a verdict: what is "
        "encrypted first looks like noise, and odd receivers look like leaks.</p>"
        + table(["", "field", "test", ">n", ">p", "result"], rows)
    )


def _p_text(item: Statistic) -> str:
    if item.p_value is None:
        return ""
    return f"{item.p_value:.3f}" if item.p_value >= 0.001 else f"{item.p_value:.1e}"


def pictures(report: AuditReport) -> str:
    """Every kept picture and what is said of it."""
    rows = [
        [escape(short(p.file)), f"{p.bytes:,}", escape(p.state), f"<code>{p.sha256}</code>"]
        for p in report.pictures
    ]
    if not rows:
        return ""
    inner = table(["file", ">bytes", "state", "SHA-256"], rows)
    return f"<details><summary>All {len(rows):,} pictures</summary>{inner}</details>"

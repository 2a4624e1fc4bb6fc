"""Puts the page of a report together: the verdict, three numbers, and the evidence of each."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from overflight_ground.audit.html import drawing, tables
from overflight_ground.audit.html.drawing import size_text
from overflight_ground.audit.html.style import STYLE
from overflight_ground.audit.report import AuditReport, Verdict
from overflight_ground.audit.terminal import share_text

DRAWN: Final = 6
"""Tracks that are drawn; all flights are in the table."""
_CLASS: Final = {Verdict.HELD: "held", Verdict.BROKEN: "broken", Verdict.UNTOLD: "untold"}
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(report: AuditReport) -> str:
    """Return the report as one self-contained HTML page; the same report gives the same bytes."""
    sections = [
        _head(report),
        _section("bytes", "Every byte from the device", _bytes(report)),
        _section("room", "How much else could be in it", _room(report)),
        _section("search", "Search for the kept pictures", _search(report)),
        _section("ledgers", "Three ledgers", _ledgers(report)),
        _section("tried", "What was refused", tables.attempts(report)),
        _section("learned", "What the network learned", _learned(report)),
        _section("statistics", "Statistics", tables.statistics(report)),
        _section("pictures", "Pictures", tables.pictures(report)),
        _section("inputs", "Inputs, and what this report can't say", _inputs(report)),
    ]
    title = escape(f"Audit of {', '.join(report.payloads) or 'a session'}: {report.verdict}")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>"
        f"<main>{''.join(sections)}</main></body></html>\n"
    )


def _section(name: str, title: str, body: str) -> str:
    return f'<section id="{name}"><h2>{escape(title)}</h2>{body}</section>' if body else ""


def _list(texts: Sequence[str], css: str = "reasons") -> str:
    return f'<ul class="{css}">' + "".join(f"<li>{escape(t)}</li>" for t in texts) + "</ul>"


def _head(report: AuditReport) -> str:
    who = ", ".join(report.payloads) or "a session"
    flights = ", ".join(report.flights[:4]) + (" …" if len(report.flights) > 4 else "")
    body = f"<h1>Audit of {escape(who)}{', flight ' + escape(flights) if flights else ''}</h1>"
    verdict = report.verdict.capitalize()
    body += f'<div class="verdict {_CLASS[report.verdict]}">{escape(verdict)}</div>'
    body += _list(report.reasons)
    body += '<div class="numbers">'
    for target, number, words in _numbers(report):
        body += f'<a href="#{target}"><b>{escape(number)}</b><span>{escape(words)}</span></a>'
    body += "</div><nav>" + " ".join(
        f'<a href="#{name}">{words}</a>'
        for name, words in (
            ("bytes", "bytes"), ("room", "room"), ("search", "search"), ("ledgers", "ledgers"),
            ("learned", "what the network learned"), ("pictures", "pictures"), ("inputs", "inputs"),
        )
    ) + "</nav>"  # fmt: skip
    if report.unproved:
        body += "<h3>Left unproved</h3>" + _list(report.unproved)
    return body + "<h3>What would have changed the verdict</h3>" + _list(report.would_change)


def _numbers(report: AuditReport) -> list[tuple[str, str, str]]:
    found = len(report.search.found) if report.search else None
    share = report.bound.share_of_vault
    return [
        (
            "bytes",
            f"{report.unexplained_bytes:,}",
            f"unexplained of {report.bytes_crossed:,} bytes that crossed",
        ),
        (
            "room",
            size_text(report.bound.total_bytes),
            "of any other message could be in them at most"
            + (f": {share_text(share)} of the vault" if share else ""),
        ),
        (
            "search",
            "—" if found is None else f"{found:,}",
            f"of {report.images_kept or 0:,} kept pictures found in the traffic",
        ),
    ]


def _bytes(report: AuditReport) -> str:
    total = report.bytes_crossed
    words = (
        f"{total:,} bytes crossed from the device, {report.bytes_down:,} came down to it"
        f", {report.tried.bytes:,} were refused; the sessions hold {report.session_bytes:,}."
    )
    body = f"<p>{escape(words)} Each byte has one class, and the sums are the files' sums.</p>"
    body += f"<figure>{drawing.classes_bar(report)}</figure>"
    if report.volume:
        body += f"<figure>{drawing.volume(report)}<figcaption>Bytes from the device over time"
        body += " (relay's clock)</figcaption></figure>"
    if report.bytes_kept:
        body += f"<figure>{drawing.sent_and_kept(report)}<figcaption>Sent and kept, areas to scale"
        body += "</figcaption></figure>"
    return body + tables.unexplained(report) + tables.classes(report)


def _room(report: AuditReport) -> str:
    bound = report.bound
    body = (
        "<p>Whatever the contract accepts, it accepts in more than one form, and the choice could "
        "carry a message. Each free choice is counted with the length of a prefix code, so by "
        "Kraft’s inequality nobody can have said more than the sum (derivation: docs/audit.md). "
        f"Here that is at most {bound.total_bits:,.0f} bits, {size_text(bound.total_bytes)}.</p>"
    )
    sums: dict[str, float] = {
        "unexplained bytes": bound.unexplained_bits,
        "encrypted bytes": bound.opaque_bits,
        "times, to 1 ms": bound.timing_bits,
        "order and kinds of packets": bound.order_bits,
    }
    for row in report.classes:
        if row.room_bits:
            name = f"{row.packet} {row.field}".replace("PUBLISH message ", "")
            sums[name] = sums.get(name, 0.0) + row.room_bits
    entries = sorted(sums.items(), key=lambda item: -item[1])
    top = [(name, bits) for name, bits in entries if bits][:24]
    return body + f"<figure>{drawing.rooms(top)}</figure>"


def _search(report: AuditReport) -> str:
    search = report.search
    if search is None:
        return "<p>No vault was given: nothing could be looked for.</p>"
    body = (
        f"<p>{search.pictures:,} pictures, {search.picture_bytes:,} bytes, were looked for in "
        f"{search.scanned_bytes:,} bytes of traffic, and unexplained bytes put together, decoded "
        f"({search.decoded_bytes:,} bytes): as hex, base32, base64, base85 and kin, packed, "
        "reversed, veiled with a constant, in pieces (docs/audit.md lists the forms). Any run of "
        f"{search.smallest_run_bytes} bytes that a picture and the traffic share is found; a "
        "smaller version of a picture is not.</p>"
    )
    if not search.found and not search.beginnings:
        return body + "<p><b>Nothing was found.</b></p>"
    return body + tables.found(report)


def _ledgers(report: AuditReport) -> str:
    def count(value: int | None, words: str) -> str:
        return f"{words} (not given)" if value is None else f"{value:,} {words}"

    body = (
        f"<p>{count(report.sent, 'messages in the payload’s record')}, "
        f"{count(report.crossed, 'in the traffic')}, "
        f"{count(report.stored, 'in the ground’s store')}, distinct by flight and seq; "
        f"{report.in_all:,} stand in all of these, byte for byte unless named below. "
        f"{report.resent:,} were sent again, {report.late:,} came late, {report.given_up:,} were "
        f"given up, {report.lost or 0:,} lost.</p>"
    )
    several = tables.counts(report) if len(report.by_flight) > 1 else ""
    return body + several + tables.findings(report)


def _learned(report: AuditReport) -> str:
    seen = report.learned
    body = f"<p><b>By content:</b> {seen.fixes:,} fixes.</p>{tables.flights(report)}"
    body += "".join(
        f"<figure>{drawn}<figcaption>{escape(flight.payload)}, {escape(flight.flight)}</figcaption>"
        f"</figure>"
        for flight in seen.flights[:DRAWN]
        if (drawn := drawing.track(flight))
    )
    body += (
        f"<p><b>By metadata alone</b> (all that is left where content is encrypted): "
        f"{seen.contacts:,} {'contact' if seen.contacts == 1 else 'contacts'}, "
        f"{seen.contact_s:,.0f} s in all, {seen.packet_sizes:,} sizes "
        "of packet"
    )
    if seen.median_gap_s is not None:
        body += f", a packet every {seen.median_gap_s:g} s (median)"
    return body + f", at most {size_text(seen.busiest_hour_bytes)} in an hour; no position.</p>"


def _inputs(report: AuditReport) -> str:
    rows = [
        [escape(i.kind), escape(i.name), f"{i.bytes:,}", f"<code>{i.sha256}</code>"]
        for i in report.inputs
    ]
    body = tables.table(["input", "name", ">bytes", "SHA-256"], rows)
    return body + "<h3>Not covered</h3>" + _list(report.not_covered)

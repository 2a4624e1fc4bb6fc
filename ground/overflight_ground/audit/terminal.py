"""The report on one screen: verdict, three numbers, why, and what would have changed it."""

from __future__ import annotations

from overflight_ground.audit.report import AuditReport, Verdict
from overflight_ground.audit.verdict import short

_COLOURS = {Verdict.HELD: "32", Verdict.BROKEN: "31", Verdict.UNTOLD: "33"}
LINES_EACH = 8


def to_text(report: AuditReport, *, colour: bool = False) -> str:
    """Return the report as text of at most some forty lines."""
    verdict = report.verdict.upper()
    if colour:
        verdict = f"\x1b[1;{_COLOURS[report.verdict]}m{verdict}\x1b[0m"
    lines = [verdict, *_wrapped(report.reasons)]
    lines += ["", _messages(report), _bytes(report), _kept(report)]
    if report.refused:
        lines.append(
            f"tried       {report.refused:,} packets ({_size(report.tried.bytes)}) were refused by "
            "the relay and did not cross"
        )
        lines += [f"              {line}" for line in attempts(report)]
    lines += _learned(report)
    flagged = [s for s in report.statistics if s.flagged]
    lines += [
        f"statistics  {s.field}: {s.test}: p = {s.p_value:.1e} (no verdict: look)" for s in flagged
    ]
    if report.unproved:
        lines += ["", "unproved", *_wrapped(report.unproved)]
    lines += ["", "what would have changed the verdict", *_wrapped(report.would_change)]
    return "\n".join(lines) + "\n"


def _learned(report: AuditReport) -> list[str]:
    """Say what the network knows, a line a flight."""
    lines: list[str] = []
    for seen in report.learned.flights[:LINES_EACH]:
        over = list(dict.fromkeys(stay.country for stay in seen.countries))
        named = ", ".join(over[:6]) + (f" and {len(over) - 6} more" if len(over) > 6 else "")
        lines.append(
            f"{'' if lines else 'learned':<11} {seen.payload}: {seen.fixes:,} fixes, over "
            f"{named or 'no country'}"
        )
    more = len(report.learned.flights) - len(lines)
    return lines + ([f"            and {more} more flights"] if more > 0 else [])


def attempts(report: AuditReport) -> list[str]:
    """Name what was refused, each reason once."""
    lines: dict[str, int] = {}
    for attempt in report.tried.attempts:
        topic = f" to {attempt.topic}" if attempt.topic else ""
        line = f"{attempt.packet}{topic}: {attempt.reason}"
        lines[line] = lines.get(line, 0) + 1
    named = [f"{count} × {line}" if count > 1 else line for line, count in lines.items()]
    if report.tried.search is not None:
        named += [
            f"it held {found.matched_bytes:,} of {found.picture_bytes:,} bytes of the picture "
            f"{short(found.picture)}, {found.form}"
            for found in report.tried.search.found[:3]
        ]
    more = len(named) - LINES_EACH
    return named if more <= 0 else [*named[:LINES_EACH], f"and {more} more"]


def _wrapped(texts: tuple[str, ...]) -> list[str]:
    lines = [f"  · {text}" for text in texts[:LINES_EACH]]
    if len(texts) > LINES_EACH:
        lines.append(f"  · and {len(texts) - LINES_EACH} more, in the report")
    return lines


def _messages(report: AuditReport) -> str:
    given = [
        f"{count:,} {words}"
        for count, words in (
            (report.sent, "in the record"),
            (report.crossed, "crossed"),
            (report.stored, "stored"),
        )
        if count is not None
    ]
    line = f"messages    {', '.join(given) or 'no ledger was given'}"
    if len(given) > 1:
        line += f"; {report.in_all:,} in {'both' if len(given) == 2 else 'all'} of these"
    extras = [
        f"{number:,} {word}"
        for number, word in (
            (report.lost or 0, "lost"),
            (report.given_up, "given up"),
            (report.resent, "sent again"),
            (report.late, "late"),
            (report.quarantined, "in quarantine"),
        )
        if number
    ]
    return line + (f" ({', '.join(extras)})" if extras else "")


def _bytes(report: AuditReport) -> str:
    bound = report.bound
    share = f", {share_text(bound.share_of_vault)} of the vault" if bound.share_of_vault else ""
    return (
        f"bytes       {_size(report.bytes_crossed)} from the device: {report.fixed_bytes:,} fixed, "
        f"{report.explained_bytes:,} explained, {report.unexplained_bytes:,} unexplained"
        + (f", {report.opaque_bytes:,} encrypted" if report.opaque_bytes else "")
        + f"\nroom        at most {_size(bound.total_bytes)} of other messages fit into that{share}"
    )


def _kept(report: AuditReport) -> str:
    if report.images_kept is None:
        return "kept        no vault was given"
    kept, crossed = report.bytes_kept or 0, report.bytes_crossed
    ratio = f"; 1 byte crossed for {kept / crossed:,.0f} kept" if kept > crossed > 0 else ""
    found = len(report.search.found) if report.search else 0
    return (
        f"kept        {report.images_kept:,} pictures, {_size(kept)}{ratio}; "
        f"{found:,} of them found in the traffic"
    )


def share_text(share: float) -> str:
    """Write a share for people: 0.25 %, or 38 times."""
    return f"{share:.2%}" if share < 10 else f"{share:,.0f} times the size"


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"

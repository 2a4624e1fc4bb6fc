"""The page's plots as inline SVG: bars of byte classes, sent against kept, volume, room, track."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from overflight_ground.audit.report import AuditReport, FlightSeen

WIDTH = 1000


def size_text(count: float) -> str:
    """Write a number of bytes for people."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,.0f} bytes"


def _svg(height: float, body: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'
        f"{body}</svg>"
    )


def _rect(x: float, y: float, width: float, height: float, colour: str, title: str = "") -> str:
    tip = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(width, 0):.2f}" height="{max(height, 0):.2f}" '
        f'fill="var(--{colour})">{tip}</rect>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", soft: bool = False) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        f"{' class=soft' if soft else ''}>{escape(text)}</text>"
    )


def classes_bar(report: AuditReport) -> str:
    """Draw the bytes from the device in one bar, by class."""
    parts = [
        ("fixed", report.fixed_bytes, "fixed by the MQTT standard"),
        ("explained", report.explained_bytes, "explained by the contract"),
        ("opaque", report.opaque_bytes, "encrypted, unread"),
        ("unexplained", report.unexplained_bytes, "unexplained"),
    ]
    total = max(1, sum(count for _, count, _ in parts))
    x, body = 0.0, ""
    for colour, count, words in parts:
        width = WIDTH * count / total
        if count:
            width = max(width, 2.0)
            body += _rect(x, 0, width, 46, colour, f"{words}: {count:,} bytes")
        x += width
    return _svg(46, body, f"{report.unexplained_bytes:,} of {total:,} bytes unexplained") + key(
        [(colour, f"{words} {count:,}") for colour, count, words in parts]
    )


def key(entries: Sequence[tuple[str, str]]) -> str:
    """Return the key of a plot."""
    items = "".join(
        f'<span><i style="background:var(--{colour})"></i>{escape(text)}</span>'
        for colour, text in entries
    )
    return f'<div class="key">{items}</div>'


def sent_and_kept(report: AuditReport) -> str:
    """Draw sent against kept as squares, areas to scale."""
    kept, sent = report.bytes_kept or 0, report.bytes_crossed
    largest = max(kept, sent, 1)
    side = 230.0
    body, x = "", 0.0
    for colour, count, words in (
        ("kept", kept, "kept on board"),
        ("explained", sent, "crossed the network"),
        ("unexplained", report.unexplained_bytes, "of it unexplained"),
    ):
        edge = side * math.sqrt(count / largest)
        shown = max(edge, 0.6 if count else 0.0)
        body += _rect(x, side - edge, shown, shown, colour, f"{words}: {count:,} bytes")
        body += _text(x, side + 18, words, soft=True) + _text(x, side + 35, size_text(count))
        x += max(edge, 150) + 40
    return _svg(side + 42, body, f"{kept:,} bytes kept, {sent:,} bytes crossed")


def volume(report: AuditReport) -> str:
    """Draw bytes from the device over time."""
    bins = report.volume
    if not bins:
        return ""
    height, left = 170.0, 74.0
    highest = max(max(b.crossed, b.refused) for b in bins) or 1
    step = (WIDTH - left) / len(bins)
    body = _text(left - 6, 12, size_text(highest), anchor="end", soft=True)
    body += _text(left - 6, height, "0", anchor="end", soft=True)
    for n, entry in enumerate(bins):
        x = left + n * step
        tall = height * entry.crossed / highest
        bad = height * entry.unexplained / highest
        tried = height * entry.refused / highest
        title = f"{entry.at}: {entry.crossed:,} bytes crossed, {entry.refused:,} refused"
        body += _rect(x, height - tall, step * 0.82, tall, "explained", title)
        body += _rect(x, height - bad, step * 0.82, bad, "unexplained", title) if bad else ""
        if tried:
            body += (
                f'<rect x="{x:.2f}" y="{height - tried:.2f}" width="{step * 0.82:.2f}" '
                f'height="{tried:.2f}" fill="none" stroke="var(--tried)" stroke-width="2">'
                f"<title>{escape(title)}</title></rect>"
            )
    body += _text(left, height + 18, bins[0].at, soft=True)
    body += _text(WIDTH, height + 18, bins[-1].at, anchor="end", soft=True)
    colours = [("explained", "crossed"), ("unexplained", "of it unexplained")]
    return _svg(height + 24, body, "bytes from the device over time") + key(
        [*colours, ("tried", "refused by the relay: did not cross (outline)")]
    )


def rooms(entries: Sequence[tuple[str, float]]) -> str:
    """Draw the room of each field, in bytes, the largest first."""
    if not entries:
        return ""
    row, left = 22.0, 300.0
    highest = max(bits for _, bits in entries) or 1.0
    body = ""
    for n, (name, bits) in enumerate(entries):
        y = n * row
        body += _text(left - 8, y + 15, name, anchor="end")
        width = (WIDTH - left - 110) * bits / highest
        body += _rect(left, y + 4, max(width, 1), row - 8, "explained", f"{bits:,.0f} bits")
        body += _text(left + max(width, 1) + 6, y + 15, size_text(bits / 8), soft=True)
    return _svg(row * len(entries), body, "room by field")


def track(flight: FlightSeen) -> str:
    """Draw the track that the network saw, plate carrée, continuous over the antimeridian."""
    points = list(flight.track)
    if len(points) < 2:
        return ""
    lons, last = [], points[0][1]
    for _, lon in points:
        last += (lon - last + 180) % 360 - 180
        lons.append(last)
    lats = [lat for lat, _ in points]
    west, east, south, north = min(lons), max(lons), min(lats), max(lats)
    scale = math.cos(math.radians((south + north) / 2))
    span = max((east - west) * scale, (north - south) * 2.2, 1e-3)
    factor = (WIDTH - 40) / span
    height = (north - south) * factor + 60
    path = " ".join(
        f"{20 + (lon - west) * scale * factor:.1f},{30 + (north - lat) * factor:.1f}"
        for lat, lon in zip(lats, lons, strict=True)
    )
    body = (
        f'<polyline points="{path}" fill="none" stroke="var(--explained)" stroke-width="2.5" '
        'stroke-linejoin="round"/>'
    )
    first, final = path.split(" ")[0].split(","), path.split(" ")[-1].split(",")
    for (x, y), words in ((first, "first fix"), (final, "last fix")):
        body += f'<circle cx="{x}" cy="{y}" r="5" fill="var(--explained)"/>'
        anchor = "start" if float(x) < WIDTH / 2 else "end"
        body += _text(float(x) + (9 if anchor == "start" else -9), float(y) - 9, words,
                      anchor=anchor)  # fmt: skip
    return _svg(height, body, "the track as the network saw it")

"""Puts the page of a report together."""

from __future__ import annotations

from html import escape

from overflight_ground.audit.report import AuditReport
from overflight_ground.audit.terminal import to_text


def to_html(report: AuditReport) -> str:
    """Return the report as one self-contained HTML page."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Audit</title><pre>"
        f"{escape(to_text(report))}</pre></html>"
    )

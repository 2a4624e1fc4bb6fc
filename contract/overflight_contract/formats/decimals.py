"""Numbers for XML: ``xsd:decimal`` has no exponent (XML Schema 1.1 Part 2 §3.3.3)."""

from __future__ import annotations

from decimal import Decimal


def decimal(value: float) -> str:
    """Write a finite number without an exponent: ``0.00005``, not ``5e-05``."""
    text = str(value)
    return format(Decimal(text), "f") if "e" in text else text

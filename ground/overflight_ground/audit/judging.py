"""Short ways to write a judgement of a field, shared by the rules of all packet types."""

from __future__ import annotations

from overflight_ground.audit import walk
from overflight_ground.audit.tally import ByteClass, Judged
from overflight_ground.audit.walk import Field


def fixed(field: Field, bits: float = 0.0) -> list[Judged]:
    """Judge a field as fixed by the standard."""
    return [Judged(field.name, field.start, field.end, ByteClass.FIXED, bits)]


def explained(field: Field, bits: float = 0.0) -> list[Judged]:
    """Judge a field as explained by the contract, with its room."""
    return [Judged(field.name, field.start, field.end, ByteClass.EXPLAINED, bits)]


def unexplained(field: Field, why: str) -> list[Judged]:
    """Judge a field as unexplained."""
    return [Judged(field.name, field.start, field.end, ByteClass.UNEXPLAINED, 0.0, why)]


def text(field: Field, bits: float = 0.0) -> list[Judged]:
    """Judge a string as explained; its length prefix follows from it."""
    middle = min(field.start + 2, field.end)
    return [
        Judged(f"{field.name} length", field.start, middle, ByteClass.FIXED),
        Judged(field.name, middle, field.end, ByteClass.EXPLAINED, bits),
    ]


def common(field: Field) -> list[Judged] | None:
    """Judge the fields that every packet has; None for any other."""
    if field.name == walk.LENGTH or (
        field.name == walk.PROPERTY_PREFIX + "length" and field.end - field.start
    ):
        return fixed(field)
    if field.name == walk.PADDING:
        return unexplained(field, "a length spelt longer than it must be")
    if field.name == walk.MALFORMED:
        return unexplained(field, "does not parse")
    if field.name == walk.TRAILING:
        return unexplained(field, "bytes after the end of what the packet says")
    return None

"""What the audit found, each thing by name and with where to look."""

from __future__ import annotations

import enum

import msgspec


class Weight(enum.StrEnum):
    """What a finding does to the verdict."""

    BREAKS = "breaks"
    """The split is broken."""
    DOUBT = "doubt"
    """Something can't be told."""
    NOTE = "note"
    """Worth knowing; the verdict stays."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where to look: a place in one of the inputs."""

    source: str
    """Name of the input: a session file, ``record``, ``store``, ``vault``."""
    at: str = ""
    """Time, ISO 8601."""
    connection: int | None = None
    packet: int | None = None
    """Sequence number of the packet in its session."""
    start: int | None = None
    end: int | None = None
    place: str = ""
    """A line of the record, a row of the store, a file of the vault."""
    hex: str = ""
    """The bytes found, up to 64 of them."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing found. `kind` is a short stable word; `text` a sentence for people."""

    kind: str
    weight: Weight
    text: str
    flight: str | None = None
    seq: int | None = None
    picture: str | None = None
    evidence: tuple[Evidence, ...] = ()

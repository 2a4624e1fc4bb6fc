"""The audit's report as values: what is printed, written as JSON, drawn as HTML, and signed.

The same inputs give the same bytes: nothing in it depends on the clock, on where files lie or on
the order in which a file system lists them. Its JSON schema is `json_schema`.
"""

from __future__ import annotations

import enum
from typing import Any, Final

import msgspec

from overflight_contract.errors import InputError
from overflight_ground.audit.findings import Evidence, Finding

SCHEMA: Final = "overflight-audit-2"


class Verdict(enum.StrEnum):
    """What the audit says."""

    HELD = "split held"
    BROKEN = "split broken"
    UNTOLD = "can't tell"


EXIT_STATUS: Final = {Verdict.HELD: 0, Verdict.BROKEN: 1, Verdict.UNTOLD: 3}


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One input, so that the report can be checked against it."""

    kind: str
    """``session``, ``record``, ``store`` or ``vault``."""
    name: str
    sha256: str
    """Of the file; of a folder or a database, of its content in order (docs/audit.md)."""
    bytes: int


class ClassRow(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of one field of one packet type in one class, and the room in them, in bits."""

    packet: str
    field: str
    byte_class: str
    count: int
    bytes: int
    room_bits: float


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """How much beside what the contract says can have crossed, at the most; in bits."""

    unexplained_bits: float
    opaque_bits: float
    field_bits: float
    timing_bits: float
    order_bits: float
    total_bits: float
    total_bytes: int
    share_of_vault: float | None


class FoundPicture(msgspec.Struct, frozen=True, kw_only=True):
    """A kept picture of which bytes were found in the traffic."""

    picture: str
    sha256: str
    picture_bytes: int
    matched_bytes: int
    longest_run: int
    form: str
    stream: str
    first: Evidence
    last: Evidence


class FoundBeginning(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of an image file, of whatever image."""

    name: str
    form: str
    stream: str
    first: Evidence


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked for where, and what was found."""

    pictures: int
    picture_bytes: int
    scanned_bytes: int
    decoded_bytes: int
    smallest_run_bytes: int
    complete: bool
    found: tuple[FoundPicture, ...] = ()
    beginnings: tuple[FoundBeginning, ...] = ()


class FlightCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages of one flight each ledger has; None: that ledger was not given."""

    payload: str | None
    """None where the record alone has it: a record names flights, not payloads."""
    flight: str
    sent: int | None
    crossed: int | None
    stored: int | None
    in_all: int


class Statistic(msgspec.Struct, frozen=True, kw_only=True):
    """One test. Its p-value says how often chance alone would look so; it is never a verdict."""

    test: str
    field: str
    n: int
    statistic: float
    p_value: float | None
    flagged: bool
    text: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A packet that the relay refused: it did not cross."""

    packet: str
    bytes: int
    reason: str
    topic: str | None
    evidence: Evidence


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What the relay refused."""

    packets: int
    bytes: int
    unexplained_bytes: int
    attempts: tuple[Attempt, ...] = ()
    search: Search | None = None


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes from the device in one stretch of time."""

    at: str
    crossed: int
    unexplained: int
    refused: int


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """A time over one country, by the fixes that crossed."""

    country: str
    from_at: str
    to_at: str
    fixes: int


class FlightSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One flight as the network saw it, in its messages."""

    payload: str
    flight: str
    fixes: int
    first_fix_at: str
    last_fix_at: str
    track_error_km: float | None
    """The greatest distance of a recorded fix from what the network knew; None without a record."""
    track: tuple[tuple[float, float], ...]
    """(latitude, longitude) of at most 500 of the fixes, in degrees."""
    countries: tuple[Stay, ...]
    """In the order in which they were crossed; over the sea there is none."""


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """What the network learned: by content, and by metadata alone."""

    fixes: int
    flights: tuple[FlightSeen, ...]
    contacts: int
    contact_s: float
    busiest_hour_bytes: int
    median_gap_s: float | None
    packet_sizes: int
    opaque_bytes: int


class PictureState(msgspec.Struct, frozen=True, kw_only=True):
    """One kept picture and what the audit says of it."""

    file: str
    sha256: str
    bytes: int
    state: str
    """``not found in the traffic``, ``found in the traffic``, ``missing``, ``changed``, …"""


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report. Counts of messages are distinct by (flight, seq); None: not given."""

    schema: str = SCHEMA
    verdict: Verdict
    reasons: tuple[str, ...]
    unproved: tuple[str, ...]
    would_change: tuple[str, ...]
    not_covered: tuple[str, ...]
    payloads: tuple[str, ...]
    flights: tuple[str, ...]
    sent: int | None
    crossed: int | None
    stored: int | None
    lost: int | None
    given_up: int
    duplicates: int
    resent: int
    late: int
    in_all: int
    by_flight: tuple[FlightCounts, ...]
    quarantined: int
    refused: int
    marked: int
    bytes_crossed: int
    bytes_down: int
    session_bytes: int
    fixed_bytes: int
    explained_bytes: int
    unexplained_bytes: int
    opaque_bytes: int
    images_kept: int | None
    bytes_kept: int | None
    bound: Bound
    classes: tuple[ClassRow, ...]
    findings: tuple[Finding, ...]
    findings_left_out: dict[str, int]
    finding_counts: dict[str, int]
    search: Search | None
    tried: Tried
    statistics: tuple[Statistic, ...]
    learned: Learned
    volume: tuple[Bin, ...]
    pictures: tuple[PictureState, ...]
    inputs: tuple[Input, ...]

    @property
    def exit_status(self) -> int:
        """0 held, 1 broken, 3 can't tell."""
        return EXIT_STATUS[self.verdict]


def to_json(report: AuditReport) -> bytes:
    """Return the report's canonical JSON: what is hashed and signed."""
    return msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=1) + b"\n"


def from_json(data: bytes) -> AuditReport:
    """Read a report; keys that it does not know are passed over.

    Raises `InputError` where it is none, or one of another version.
    """
    try:
        return msgspec.json.decode(data, type=AuditReport)
    except msgspec.MsgspecError as error:
        made_as = _schema_of(data)
        if made_as is not None and made_as != SCHEMA:
            text = f"this report is of another version ({made_as}, here {SCHEMA}); audit again"
            raise InputError(text) from error
        raise InputError(f"this is no report of an audit: {error}") from error


class _Headed(msgspec.Struct, frozen=True):
    schema: str


def _schema_of(data: bytes) -> str | None:
    try:
        return msgspec.json.decode(data, type=_Headed).schema
    except msgspec.MsgspecError:
        return None


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a report."""
    return msgspec.json.schema(AuditReport)

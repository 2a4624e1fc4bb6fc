"""The rules, as a TOML file may set them; docs/alerts.md shows each.

Every kind of alert has a table with ``enabled`` and its thresholds; what is not named keeps the
default below. What would never begin, or never end, is refused.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from overflight_contract.errors import InputError
from overflight_ground.areas import read_areas
from overflight_ground.areas.countries import unknown_countries

Severity = Literal["info", "warning", "severe"]
Count = Annotated[int, Meta(ge=1)]
Length = Annotated[float, Meta(ge=0)]
Fall = Annotated[float, Meta(le=0)]
"""A climb that is none."""
Word = Annotated[str, Meta(min_length=1)]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all kinds have."""

    enabled: bool = True
    severity: Severity | None = None
    """`None` is the kind's own."""


class AreaRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entered or left an area. A fence (``on = "leave"``) is an area one must not leave."""

    countries: list[str] = msgspec.field(default_factory=lambda: ["*"])
    files: list[str] = msgspec.field(default_factory=list)
    on: Literal["enter", "leave", "both"] = "enter"
    margin_m: Length = 2_000.0


class CourseRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Off course: further beside the leg than the plan's width."""

    width_m: Annotated[float, Meta(gt=0)] = 300_000.0
    back_within: Annotated[float, Meta(gt=0, le=1)] = 0.9
    confirm: Count = 2


class LateRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Late against the payload's own rhythm."""

    rhythms: Annotated[float, Meta(ge=1)] = 4.0
    at_least_s: Length = 30.0
    after_landing: bool = False


class DescendingRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Going down while the payload says that it ascends or floats."""

    climb_mps: Fall = -3.0
    steady_mps: float = -1.0
    confirm: Count = 3


class BurstRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From ascent straight into a fall."""

    climb_mps: Fall = -5.0


class LandedRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload says that it has landed."""


class GapRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Messages are missing; the alert ends when the gap is closed."""

    at_least: Count = 10


class DoubtfulRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Positions that are hard to believe, several in a row."""

    confirm: Count = 3
    clear: Count = 10


class ClockRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times that can't be right, several in a row."""

    confirm: Count = 3
    clear: Count = 10


class GivenUpRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload let messages go that never arrived."""


class ConflictRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same flight and seq came with other bytes."""


class Notify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of begins and ends."""

    webhook: str | None = None
    secret: Word | None = None
    command: list[str] = msgspec.field(default_factory=list)
    severities: Annotated[list[Severity], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["warning", "severe"]
    )
    attempts: Count = 5


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """All rules."""

    area: AreaRule = AreaRule()
    off_course: CourseRule = CourseRule()
    late: LateRule = LateRule()
    descending: DescendingRule = DescendingRule()
    burst: BurstRule = BurstRule()
    landed: LandedRule = LandedRule()
    gap: GapRule = GapRule()
    doubtful: DoubtfulRule = DoubtfulRule()
    clock: ClockRule = ClockRule()
    given_up: GivenUpRule = GivenUpRule()
    conflict: ConflictRule = ConflictRule()
    notify: Notify = Notify()


_CHOICES: Final = {"on": "enter, leave or both"}


def read_rules(file: Path | None) -> Rules:
    """Read a rules file; `None` gives the defaults. `InputError` says what does not fit."""
    if file is None:
        return Rules()
    try:
        rules = msgspec.convert(tomllib.loads(file.read_text("utf-8")), Rules)
    except OSError as error:
        raise InputError(f"can't read the rules in {file}: {error.strerror}") from error
    except msgspec.ValidationError as error:
        raise _unfit(file, _placed(str(error))) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unfit(file, str(error)) from error
    for wrong in _wrong(rules):
        raise _unfit(file, wrong)
    for name in rules.area.files:
        read_areas(file.parent / name)
    return rules


def _unfit(file: Path, what: str) -> InputError:
    return InputError(f"the rules in {file} do not fit: {what}")


def _placed(text: str) -> str:
    """Put in front what msgspec says last: the setting, as ``[late] rhythms``."""
    what, _, path = text.partition(" - at `$.")
    if not path:
        return text
    table, _, name = path.rstrip("`").partition(".")
    if what.startswith("Invalid enum value"):
        value = what.removeprefix("Invalid enum value ")
        what = f"{value} is not {_CHOICES.get(name, 'info, warning or severe')}"
    return f"[{table}] {name}: {what}" if name else f"[{table}]: {what}"


def _wrong(rules: Rules) -> Iterator[str]:
    """Yield what fits its type and can't be meant."""
    for field in msgspec.structs.fields(rules):
        table = getattr(rules, field.name)
        for name in table.__struct_fields__:
            value = getattr(table, name)
            if isinstance(value, float) and not math.isfinite(value):
                yield f"[{field.encode_name}] {name}: {value} is not finite"
    if rules.descending.steady_mps < rules.descending.climb_mps:
        yield "[descending] steady_mps: it is below climb_mps, so that the alert would not end"
    unknown = unknown_countries(rules.area.countries)
    if unknown:
        yield (
            f"[area] countries: no country is called {unknown[0]!r};"
            " a name or an ISO 3166 code of 3 letters"
        )
    yield from _wrong_receivers(rules.notify)


def _wrong_receivers(notify: Notify) -> Iterator[str]:
    if notify.webhook is not None and (why := _wrong_url(notify.webhook)):
        yield f"[notify] webhook: the URL {why}"  # which may hold a password
    if notify.command and not notify.command[0]:
        yield "[notify] command: the name of the program is empty"
    if any("\0" in word for word in notify.command):
        yield "[notify] command: there is a NUL in it"


def _wrong_url(text: str) -> str | None:
    """Say why no request can go to `text`; `None` where one can."""
    import httpx  # takes a while, and most have no webhook

    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
        sendable = "%" not in host and bool(url.host)
        host.encode("idna")  # as the resolver does
    except (httpx.InvalidURL, ValueError):
        return "can't be taken apart, or its host can't be looked up"
    if url.scheme not in ("http", "https"):
        return "begins with neither http:// nor https://"
    if not sendable:
        return "names no host"
    if url.port is not None and not 1 <= url.port <= 65_535:
        return "has a port that is not between 1 and 65535"
    return None

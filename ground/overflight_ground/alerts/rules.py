"""The rules, as a TOML file may set them; docs/alerts.md shows each.

Every kind of alert has a table with ``enabled`` and its thresholds; what is not named keeps the
default below.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from overflight_contract.errors import InputError
from overflight_ground.areas import read_areas
from overflight_ground.areas.countries import unknown_countries


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all kinds have."""

    enabled: bool = True
    severity: str | None = None
    """``info``, ``warning`` or ``severe``; each kind has its own default."""


class AreaRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entered or left an area. A fence (``on = "leave"``) is an area one must not leave."""

    countries: list[str] = msgspec.field(default_factory=lambda: ["*"])
    files: list[str] = msgspec.field(default_factory=list)
    on: str = "enter"
    margin_m: float = 2_000.0


class CourseRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Off course: further beside the leg than the plan's width."""

    width_m: float = 300_000.0
    back_within: float = 0.9
    confirm: int = 2


class LateRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Late against the payload's own rhythm."""

    rhythms: float = 4.0
    at_least_s: float = 30.0
    after_landing: bool = False


class DescendingRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Going down while the payload says that it ascends or floats."""

    climb_mps: float = -3.0
    steady_mps: float = -1.0
    confirm: int = 3


class BurstRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From ascent straight into a fall."""

    climb_mps: float = -5.0


class LandedRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload says that it has landed."""


class GapRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Messages are missing; the alert ends when the gap is closed."""

    at_least: int = 10


class DoubtfulRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Positions that are hard to believe, several in a row."""

    confirm: int = 3
    clear: int = 10


class ClockRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times that can't be right, several in a row."""

    confirm: int = 3
    clear: int = 10


class GivenUpRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload let messages go that never arrived."""


class ConflictRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same flight and seq came with other bytes."""


class Notify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of begins and ends."""

    webhook: str | None = None
    secret: str | None = None
    command: list[str] = msgspec.field(default_factory=list)
    severities: list[str] = msgspec.field(default_factory=lambda: ["warning", "severe"])
    attempts: int = 5


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


SEVERITIES = ("info", "warning", "severe")


def read_rules(file: Path | None) -> Rules:
    """Read a rules file; `None` gives the defaults. `InputError` says what does not fit."""
    if file is None:
        return Rules()
    try:
        rules = msgspec.convert(tomllib.loads(file.read_text("utf-8")), Rules)
    except OSError as error:
        raise InputError(f"can't read the rules in {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InputError(f"the rules in {file} do not fit: {error}") from error
    for name in Rules.__struct_fields__:
        severity = getattr(getattr(rules, name), "severity", None)
        if severity not in (None, *SEVERITIES):
            raise InputError(f"the rules in {file} do not fit: {severity!r} is no severity")
    unknown = unknown_countries(rules.area.countries)
    if unknown:
        raise InputError(
            f"the rules in {file} do not fit: no country is called {unknown[0]!r};"
            " a name or an ISO 3166 code"
        )
    for name in rules.area.files:
        read_areas(file.parent / name)
    if rules.area.on not in ("enter", "leave", "both"):
        raise InputError(f"the rules in {file} do not fit: [area] on is enter, leave or both")
    return rules

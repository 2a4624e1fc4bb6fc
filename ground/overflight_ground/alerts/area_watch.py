"""Watches areas: entered, left. Pure.

Inside counts at once; outside only beyond a margin, so that a payload that drifts along a border
raises one alert, not hundreds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from overflight_contract.errors import InputError
from overflight_ground.alerts.rules import AreaRule
from overflight_ground.alerts.signals import Seen, Signal, State
from overflight_ground.alerts.watchers import Key, signal
from overflight_ground.areas import Area, AreaMap, read_areas
from overflight_ground.areas.countries import find_countries
from overflight_ground.ingest.plausible import believable

ALT_MARGIN_M = 50.0


def watched_areas(rule: AreaRule, base: Path) -> AreaMap:
    """Return the areas of a rule; file names are relative to `base`."""
    found, unknown = find_countries(list(rule.countries))
    if unknown:
        raise InputError(f"no country is called {unknown[0]!r}; a name or an ISO 3166 code")
    own = [area for name in rule.files for area in read_areas(base / name)]
    return AreaMap([*found, *own])


class AreaWatch:
    """Which areas each payload is in."""

    kind = "area"

    def __init__(self, rule: AreaRule, areas: AreaMap) -> None:
        self._rule = rule
        self._areas = areas
        self._inside: dict[Key, set[str]] = defaultdict(set)
        self._newest: dict[Key, int] = defaultdict(int)

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        place = seen.place
        key = (seen.payload, seen.flight)
        if place is None or not believable(seen.suspect) or seen.at_ns < self._newest[key]:
            return
        self._newest[key] = seen.at_ns
        lat_deg, lon_deg, alt_m = place
        now = {area.name for area in self._areas.at(lat_deg, lon_deg, alt_m)}
        before = self._inside[key]
        for name in sorted(now - before):
            before.add(name)
            yield from self._entered(seen, self._areas.by_name[name])
        for name in sorted(before - now):
            area = self._areas.by_name[name]
            away_m = area.distance_m(lat_deg, lon_deg)
            if away_m <= self._rule.margin_m and area.at_height(alt_m, ALT_MARGIN_M):
                continue
            before.discard(name)
            yield from self._left(seen, area, away_m)

    def resume(self, payload: str, flight: str, name: str) -> None:
        """Go on from an alert that was open when the ground stopped."""
        if name in self._areas.by_name:
            self._inside[payload, flight].add(name)

    def _entered(self, seen: Seen, area: Area) -> Iterator[Signal]:
        severity = self._rule.severity or ("info" if area.kind == "country" else "severe")
        evidence = {"area": area.name, "area_kind": area.kind}
        words = (f"entered {area.name}", f"a fix inside {area.name}")
        fence = self._rule.on == "leave" and area.kind == "own"
        if fence:
            words = (f"left {area.name}", f"back inside {area.name}")
        state = State.OFF if fence else State.ON
        yield signal(seen, self.kind, state, severity, words, evidence, area.name)

    def _left(self, seen: Seen, area: Area, away_m: float) -> Iterator[Signal]:
        severity = self._rule.severity or ("info" if area.kind == "country" else "severe")
        evidence = {"area": area.name, "area_kind": area.kind, "away_m": round(away_m)}
        fence = self._rule.on == "leave" and area.kind == "own"
        words = (f"left {area.name}", f"{away_m / 1000:.1f} km outside {area.name}")
        state = State.ON if fence else State.OFF
        yield signal(seen, self.kind, state, severity, words, evidence, area.name)
        if self._rule.on == "both":
            yield signal(seen, "left", State.ONCE, severity, words, evidence, area.name)

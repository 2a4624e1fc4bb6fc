"""Watches areas: entered, left. Pure.

Inside counts at once; outside only beyond a margin, so that a payload that drifts along a border
raises one alert, not hundreds. A fence is the reverse: its alert is on while the payload is
outside. A crossing that only a backlog shows is told once, as over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from overflight_contract.errors import InputError
from overflight_contract.times import NS_PER_S, iso
from overflight_ground.alerts.rules import AreaRule
from overflight_ground.alerts.signals import Seen, Signal, State
from overflight_ground.alerts.watchers import InOrder, Key, signal
from overflight_ground.areas import Area, AreaMap, read_areas
from overflight_ground.areas.countries import find_countries
from overflight_ground.bounded import Bounded
from overflight_ground.ingest.flights import began
from overflight_ground.ingest.plausible import believable

ALT_MARGIN_M: Final = 50.0

ONE_CROSSING_NS: Final = 3600 * NS_PER_S
"""Fixes in an area that are no further apart, nothing known between, belong to one crossing."""


def watched_areas(rule: AreaRule, base: Path) -> AreaMap:
    """Return the areas of a rule; file names are relative to `base`."""
    found, unknown = find_countries(list(rule.countries))
    if unknown:
        name = unknown[0]
        raise InputError(f"no country is called {name!r}; a name or an ISO 3166 code of 3 letters")
    taken = {area.name for area in found}
    own = read_areas(*(base / name for name in rule.files))
    return AreaMap([*found, *(_told_apart(area, taken) for area in own)])


def _told_apart(area: Area, countries: set[str]) -> Area:
    """Give an own area another name than the country that it is called after."""
    return replace(area, name=f"{area.name} (own area)") if area.name in countries else area


@dataclass(slots=True)
class _Span:
    """From when to when an alert tells of an area, in ns; `None` is open."""

    begin_ns: int
    end_ns: int | None
    late: bool = False

    def tells_of(self, at_ns: int) -> bool:
        """Tell whether a fix at that time is no news; a late span grows with it."""
        slack_ns = ONE_CROSSING_NS if self.late else 0
        if at_ns < self.begin_ns - slack_ns:
            return False
        if self.end_ns is not None and at_ns > self.end_ns + slack_ns:
            return False
        if self.late and self.end_ns is not None:
            self.begin_ns, self.end_ns = min(self.begin_ns, at_ns), max(self.end_ns, at_ns)
        return True


class AreaWatch(InOrder):
    """Which areas have an alert, by flight: those it is in, and the fences it is outside of."""

    kind = "area"

    def __init__(self, rule: AreaRule, areas: AreaMap) -> None:
        super().__init__()
        self._rule = rule
        self._areas = areas
        self._fences = [area for area in areas.areas if self._is_fence(area)]
        self._flights: dict[str, str] = {}
        """When each payload's newest flight began."""
        self._on = Bounded[Key, set[str]](set)
        self._told = Bounded[tuple[Key, str], list[_Span]](list)

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        newest = self._flights.get(seen.payload, "")
        if not seen.ahead:
            self._flights[seen.payload] = max(began(seen.flight), newest)
        if seen.place is None or not believable(seen.suspect):
            return
        lat_deg, lon_deg, alt_m = seen.place
        inside = {area.name for area in self._areas.at(lat_deg, lon_deg, alt_m)}
        before_ns = self._newest.before(seen)
        if began(seen.flight) >= newest and self._newest.takes(seen):
            yield from self._live(seen, inside, 0 if before_ns is None else before_ns)
        else:
            yield from self._late(seen, inside)

    def recall(self, payload: str, flight: str, at_ns: int) -> None:
        """Learn the newest flight that is stored, and its newest time."""
        super().recall(payload, flight, at_ns)
        self._flights[payload] = began(flight)

    def resume(self, payload: str, flight: str, name: str) -> None:
        """Go on from an alert that was open when the ground stopped."""
        if name in self._areas.by_name:
            key = (payload, flight)
            self._on[key].add(name)
            self._told[key, name].append(_Span(0, None))

    def _is_fence(self, area: Area) -> bool:
        return self._rule.on == "leave" and area.kind == "own"

    def _live(self, seen: Seen, inside: set[str], before_ns: int) -> Iterator[Signal]:
        """Begin and end alerts; the newest fix before this one was at `before_ns`."""
        key = (seen.payload, seen.flight)
        on = self._on[key]
        ended = [name for name in sorted(on) if self._is_over(name, seen, inside)]
        for area in self._alarming(seen, inside, on):
            on.add(area.name)
            begin_ns = max(before_ns, seen.at_ns - ONE_CROSSING_NS)
            self._told[key, area.name].append(_Span(begin_ns, None))
            yield self._signal(seen, area, State.ON, outside=self._is_fence(area))
        for name in ended:
            on.discard(name)
            for span in self._told[key, name]:
                span.end_ns = seen.at_ns if span.end_ns is None else span.end_ns
            area = self._areas.by_name[name]
            over = self._signal(seen, area, State.OFF, outside=not self._is_fence(area))
            yield over
            if self._rule.on == "both":
                yield over._replace(kind="left", state=State.ONCE)

    def _late(self, seen: Seen, inside: set[str]) -> Iterator[Signal]:
        """Tell of a crossing that is over, unless an alert told of it."""
        for area in self._alarming(seen, inside, set()):
            told = self._told[(seen.payload, seen.flight), area.name]
            if any(span.tells_of(seen.at_ns) for span in told):
                continue
            told.append(_Span(seen.at_ns, seen.at_ns, late=True))
            outside = self._is_fence(area)
            late = self._signal(seen, area, State.ONCE, outside=outside)
            when = iso(seen.at_ns, milliseconds=False)
            where = "outside" if outside else "in"
            yield late._replace(
                subject=f"{area.name} at {when}",
                title=f"{seen.payload} was {where} {area.name}",
                cause=f"at {when}, as a late message shows: {late.cause}",
            )

    def _alarming(self, seen: Seen, inside: set[str], known: set[str]) -> list[Area]:
        """Return the areas, but for those `known`, that a fix is in, and the fences it has left."""
        entered = [self._areas.by_name[name] for name in sorted(inside - known)]
        found = [area for area in entered if not self._is_fence(area)]
        outside = [area for area in self._fences if area.name not in inside | known]
        return found + [area for area in outside if self._is_beyond(area, seen)]

    def _is_over(self, name: str, seen: Seen, inside: set[str]) -> bool:
        area = self._areas.by_name[name]
        if self._is_fence(area):
            return name in inside
        return name not in inside and self._is_beyond(area, seen)

    def _is_beyond(self, area: Area, seen: Seen) -> bool:
        """Tell whether a fix outside an area is further outside than the margin."""
        assert seen.place is not None
        lat_deg, lon_deg, alt_m = seen.place
        if not area.at_height(alt_m, ALT_MARGIN_M):
            return True
        return area.distance_m(lat_deg, lon_deg) > self._rule.margin_m

    def _signal(self, seen: Seen, area: Area, state: State, *, outside: bool) -> Signal:
        assert seen.place is not None
        severity = self._rule.severity or ("info" if area.kind == "country" else "severe")
        evidence: dict[str, Any] = {"area": area.name, "area_kind": area.kind}
        words = (f"entered {area.name}", f"a fix inside {area.name}")
        if outside:
            away_m = area.distance_m(*seen.place[:2])
            evidence["away_m"] = round(away_m)
            how = f"{away_m / 1000:.1f} km outside" if away_m else "above or below"
            words = (f"left {area.name}", f"{how} {area.name}")
        return signal(seen, self.kind, state, severity, words, evidence, area.name)

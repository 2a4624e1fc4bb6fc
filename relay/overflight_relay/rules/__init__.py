"""The rules of the policy, one file each; a new file with a `RULE` in it is found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from overflight_relay.rule import Rule


@cache
def all_rules() -> dict[str, Rule]:
    """Return every rule by name, in the order of names."""
    found: dict[str, Rule] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda entry: entry.name):
        rule: Rule = importlib.import_module(f"{__name__}.{module.name}").RULE
        found[rule.name] = rule
    return dict(sorted(found.items()))

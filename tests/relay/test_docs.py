"""The chapters name every rule, setting, profile, key of a profile and benchmark result."""

import re
from pathlib import Path

import msgspec

from overflight_relay.link.model import Outage, Way
from overflight_relay.link.profiles import named_profiles
from overflight_relay.rules import all_rules

ROOT = Path(__file__).resolve().parents[2]


def words(*names):
    text = "".join((ROOT / "docs" / name).read_text("utf-8") for name in names)
    return set(re.findall(r"[a-z0-9][a-z0-9_-]+", text))


def fields(kind):
    return {field.name for field in msgspec.structs.fields(kind)}


def test_rules_and_their_settings():
    found = words("policy.md")
    assert set(all_rules()) <= found
    for rule in all_rules().values():
        assert fields(rule.settings) - {"connect"} <= found, rule.name


def test_link_profiles_and_their_keys():
    found = words("link.md")
    assert set(named_profiles()) <= found
    assert fields(Way) | fields(Outage) <= found


def test_benchmark_results():
    keys = re.findall(r'^    "(\w+)",$', (ROOT / "benchmarks" / "relay.py").read_text(), re.M)
    assert len(keys) == 11
    assert set(keys) <= words("performance.md")


def test_every_rule_has_a_test():
    text = (ROOT / "tests" / "relay" / "test_refusals.py").read_text("utf-8")
    for name in all_rules():
        assert f'"{name}"' in text or f"{name}:" in text, name

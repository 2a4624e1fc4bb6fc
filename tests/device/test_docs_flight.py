"""What the code names, the chapters on scenarios and on the vault explain."""

import re
from pathlib import Path

import pytest

from overflight_contract.vault import VaultEntry
from overflight_device import scenario
from overflight_device.camera import KINDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
SPECS = [
    scenario.LaunchSpec,
    scenario.BalloonSpec,
    scenario.SteeringSpec,
    scenario.PlanSpec,
    scenario.StreamSpec,
    scenario.WindSpec,
    scenario.ReceiverSpec,
    scenario.FaultSpec,
    scenario.MissionSpec,
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_every_key_of_a_scenario_is_documented(spec):
    text = (DOCS / "scenarios.md").read_text(encoding="utf-8")
    tables = {"launch", "balloon", "steering", "plan", "wind", "stream", "receiver", "faults"}
    for key in set(spec.__struct_fields__) - tables:
        assert re.search(rf"^\|[^|]*`{key}`[^|]*\|", text, re.MULTILINE), key


def test_every_scenario_and_fault_is_documented():
    text = (DOCS / "scenarios.md").read_text(encoding="utf-8")
    for one in scenario.list_scenarios():
        assert f"| `{one.name}` |" in text
    for kind in ("receiver-silent", "link", "camera", "reboot", "brown-out"):
        assert f"`{kind}`" in text


def test_cameras_fields_and_commands_of_the_vault_are_documented():
    text = (DOCS / "vault.md").read_text(encoding="utf-8")
    for kind in KINDS:
        assert re.search(rf"^\| `{kind}", text, re.MULTILINE)
    for field in VaultEntry.__struct_fields__:
        assert f"`{field}`" in text
    for command in ("verify", "list", "export"):
        assert f"vault {command}" in text

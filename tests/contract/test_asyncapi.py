"""The checked-in AsyncAPI document is the one that the types give."""

import json
from pathlib import Path

import jsonschema
import pytest

from overflight_contract import asyncapi

FILE = Path(__file__).parents[2] / "contract" / "asyncapi.json"


def test_is_current():
    assert FILE.read_text() == asyncapi.text(), (
        "write it anew: python -m overflight_contract.asyncapi > contract/asyncapi.json"
    )


@pytest.mark.parametrize("kind", ["position", "navigation", "receipt"])
def test_schemas_are_valid_json_schema(kind):
    document = json.loads(FILE.read_text())
    reference = document["components"]["messages"][kind]["payload"]["$ref"]
    schema = {"$ref": reference, "components": document["components"]}
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert not validator.is_valid({"flight": "nonsense"})

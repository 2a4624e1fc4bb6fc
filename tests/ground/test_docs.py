"""What the code names, the documentation explains."""

from pathlib import Path

import msgspec

from overflight_ground.alerts.rules import Rules
from overflight_ground.http.application import ROUTERS, session_routes
from overflight_ground.http.metrics import METRICS
from overflight_ground.store.tables import metadata

DOCS = Path(__file__).parents[2] / "docs"


def test_every_metric_is_in_the_documentation() -> None:
    text = (DOCS / "api.md").read_text("utf-8")
    for name, (kind, meaning) in METRICS.items():
        assert f"| `{name}` | {meaning} ({kind}) |" in text


def test_every_endpoint_is_in_the_documentation() -> None:
    text = (DOCS / "api.md").read_text("utf-8")
    for router in (*ROUTERS, session_routes.router):
        for route in router.routes:
            words = [part for part in route.path.split("/") if part and "{" not in part]
            assert all(word in text for word in words), route.path


def test_every_rule_and_its_default_is_in_the_documentation() -> None:
    text = (DOCS / "alerts.md").read_text("utf-8")
    for field in msgspec.structs.fields(Rules):
        assert f"[{field.encode_name}]" in text
        rule = getattr(Rules(), field.name)
        for name in rule.__struct_fields__:
            value = getattr(rule, name)
            assert name in text
            if type(value) in (int, float) and name not in ("severity",):
                assert f"{name} = {value}" in text, (field.name, name)


def test_every_table_is_in_the_documentation() -> None:
    text = (DOCS / "ground.md").read_text("utf-8")
    for table in metadata.tables.values():
        assert f"`{table.name}`" in text
    for column in (*metadata.tables["quarantine"].c, *metadata.tables["flights"].c):
        assert f"`{column.name}`" in text or column.name == "id", column.name


def test_the_dashboard_asks_for_metrics_that_are_there() -> None:
    import json
    import re

    text = (DOCS.parent / "ground" / "grafana.json").read_text("utf-8")
    assert json.loads(text)["panels"]
    asked = set(re.findall(r"overflight_ground_([a-z_]+)", text))
    assert asked <= set(METRICS)
    assert len(asked) > 12

"""compose.yaml has the shape of the specification, and does as the design says."""

import json
import os
from pathlib import Path

import jsonschema
import pytest
import yaml

from overflight.cli import build_parser

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = {name: s for name, s in COMPOSE["services"].items() if "build" in s}


def test_is_of_the_specifications_shape():
    schema = json.loads((Path(__file__).parent / "compose" / "compose-spec.json").read_text())
    # the specification spells its draft in a way of its own: with http and an empty fragment
    jsonschema.validate(COMPOSE, schema, cls=jsonschema.Draft201909Validator)


@pytest.mark.parametrize("name", OURS)
def test_every_command_parses(name):
    words = OURS[name]["command"]
    args = build_parser(words[:1]).parse_args(words)
    assert callable(args.run)


@pytest.mark.parametrize("name", OURS)
def test_every_dockerfile_and_file_is_there(name):
    assert (ROOT / OURS[name]["build"]["dockerfile"]).is_file()


def test_a_payload_reaches_the_broker_only_through_the_relay():
    networks = {name: set(s["networks"]) for name, s in COMPOSE["services"].items()}
    for name, own in networks.items():
        if name.startswith("payload"):
            meets = {other for other in networks if networks[other] & own and other != name}
            assert meets
            assert all(other.startswith(("relay", "payload")) for other in meets)
    assert COMPOSE["networks"]["field"]["internal"] is True


def test_nothing_is_published_but_on_loopback():
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_every_service_that_is_waited_for_has_a_health_check():
    for service in COMPOSE["services"].values():
        for name, wait in service.get("depends_on", {}).items():
            assert wait["condition"] == "service_healthy"
            assert "healthcheck" in COMPOSE["services"][name]


def test_the_brokers_settings_are_those_of_the_embedded_one():
    from overflight_ground.broker import ACK_WAIT_S, MAX_ACK_PENDING, MAX_PAYLOAD

    text = (ROOT / "ground" / "nats-server.conf").read_text()
    assert f'ack_wait: "{ACK_WAIT_S}s"' in text
    assert f"max_ack_pending: {MAX_ACK_PENDING}" in text
    assert f"max_payload: {MAX_PAYLOAD}" in text


@pytest.mark.skipif(os.environ.get("OVERFLIGHT_COMPOSE") != "1", reason="needs a container engine")
def test_comes_up_where_an_engine_runs():
    import subprocess

    subprocess.run(["docker", "compose", "config", "--quiet"], cwd=ROOT, check=True)

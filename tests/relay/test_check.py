"""New rules over an old session."""

import json

import pytest

from overflight.cli import main
from overflight_contract.mqtt import Publish, Version, encode
from overflight_contract.session import SessionWriter

TOPIC = "overflight/1/HAB-01/position"


@pytest.fixture
def session(tmp_path, wire, make_position):
    """A session in which one good and one retained message crossed, and a picture was refused."""
    path = tmp_path / "old.mcap"
    talk = wire(Version.V5)
    effects = [talk.connect()]
    for number, fields in enumerate(({}, {"retain": True}, {"topic": "pictures"}), 1):
        packet = Publish(
            **({"topic": TOPIC, "payload": make_position(number), "qos": 1} | fields),
            packet_id=number,
        )
        effects.append(talk.raw_up(encode(packet, Version.V5)))
    with SessionWriter(path) as writer:
        for effect in effects:
            writer.write_packets(effect.records)
    return path


def run(capsys, rules, session):
    assert main(["relay", "check", str(rules), str(session), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_same_rules_change_nothing(capsys, tmp_path, session):
    rules = tmp_path / "same.toml"
    rules.write_text("")
    result = run(capsys, rules, session)
    assert (result["newly_refused"], result["newly_allowed"]) == (0, 0)
    assert result["still_refused"] == 2


def test_what_would_pass_and_what_would_be_refused(capsys, tmp_path, session):
    rules = tmp_path / "other.toml"
    rules.write_text("[retained]\nenabled = false\n[size]\nmax_payload = 100\n")
    result = run(capsys, rules, session)
    assert result["newly_refused"] == 1
    assert result["changes"][0]["after"] == "refused"
    assert "size" in result["changes"][0]["reason"]
    rules.write_text("[retained]\nenabled = false\n")
    result = run(capsys, rules, session)
    assert (result["newly_refused"], result["newly_allowed"]) == (0, 1)
    assert main(["relay", "check", str(rules), str(session)]) == 0
    assert "1 would pass that did not" in capsys.readouterr().out


def test_a_rule_that_nobody_knows(capsys, tmp_path, session):
    rules = tmp_path / "bad.toml"
    rules.write_text("[colour]\n")
    assert main(["relay", "check", str(rules), str(session)]) == 2
    assert "colour" in capsys.readouterr().err

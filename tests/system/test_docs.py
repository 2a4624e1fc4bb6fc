"""The docs are as the code is: every command, option, setting, topic and field is in them."""

import argparse
import re
import shlex
from pathlib import Path

import msgspec
import pytest

from overflight import reference
from overflight.cli import COMMANDS, build_parser
from overflight_contract import messages
from overflight_contract.topics import Kind, topic_for

ROOT = Path(__file__).parents[2]
DOCS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), *ROOT.glob("*/README.md")]


def test_the_reference_of_commands_is_current():
    assert (ROOT / "docs" / "commands.md").read_text() == reference.text(), (
        "write it anew: python -m overflight.reference > docs/commands.md"
    )


def test_every_option_has_a_help_text():
    for path, parser in reference.commands(build_parser(list(COMMANDS))):
        for action in parser._actions:
            named = action.help or isinstance(action, argparse._SubParsersAction)
            assert named, f"overflight {' '.join(path)}: {action.dest} has no help"


def test_every_topic_and_field_is_in_the_docs():
    text = (ROOT / "docs" / "contract.md").read_text()
    for kind in Kind:
        assert topic_for("{payload}", kind) in text
    for message in (messages.Position, messages.Navigation, messages.Waypoint, messages.Receipt):
        for field in msgspec.structs.fields(message):
            assert f"`{field.name}`" in text, field.name


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_docs_parse(path):
    for block in re.findall(r"```(?:sh|console|bash)\n(.*?)```", path.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for command in re.split(r"&&|\|(?!\|)|;|\$\(", line.split(" #")[0]):
                _parses(command.strip().removeprefix("$ "))


def _parses(command):
    words = shlex.split(command) if command.count("'") % 2 == 0 else []
    while words and ("=" in words[0] or words[0] in ("sudo", "time")):
        words.pop(0)
    if not words or Path(words[0]).name != "overflight":
        return
    words = [word for word in words[1:] if word not in ("&", ">", "2>&1")]
    if ">" in command:
        words = shlex.split(command.split(">")[0])[1:]
    if any("…" in word or word.startswith("[") for word in words):
        return
    names = [word for word in words if word in COMMANDS][:1]
    try:
        build_parser(names).parse_args(words)
    except SystemExit as stop:
        assert stop.code in (0, None), f"does not parse: {command}"  # noqa: PT017


def test_no_path_of_a_machine_and_no_registry_is_named():
    for path in ROOT.rglob("*.md"):
        if ".venv" in path.parts:
            continue
        text = path.read_text()
        assert "pypi.org" not in text
        assert "/work/" not in text

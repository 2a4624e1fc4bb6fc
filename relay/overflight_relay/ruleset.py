"""A rule set: which rules are on, and with what settings.

A TOML file with one table for each rule::

    name = "contract"
    max_packet = "64k"

    [keep-alive]
    step_s = 1

    [rate]
    per_second = 5

Rules that the file does not name are on with their defaults; ``enabled = false`` switches one off.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from overflight_contract.commandline import size_bytes
from overflight_contract.errors import InputError
from overflight_contract.mqtt import Packet, PacketType
from overflight_relay.known import Known
from overflight_relay.quick import LONGEST
from overflight_relay.rule import Refusal, Rule, Settings
from overflight_relay.rules import all_rules

DEFAULT_MAX_PACKET: Final = 1 << 16
"""Bytes of a packet that are collected before the verdict; above, the fixed header decides."""


class RuleSet:
    """Rules with their settings, ready to be asked."""

    def __init__(
        self,
        settings: Mapping[str, Settings] | None = None,
        *,
        name: str = "contract",
        max_packet: int = DEFAULT_MAX_PACKET,
    ) -> None:
        """`settings` by name of the rule; those that are absent have their defaults."""
        given = settings or {}
        self.name = name
        self.max_packet = max_packet
        self.settings = {
            rule.name: given.get(rule.name) or rule.settings() for rule in all_rules().values()
        }
        enabled = [rule for rule in all_rules().values() if self.settings[rule.name].enabled]
        self._up = {kind: self._of(enabled, kind, up=True) for kind in PacketType}
        self._down = {kind: self._of(enabled, kind, up=False) for kind in PacketType}
        self.quick = max_packet >= LONGEST and all(
            rule.quick(settings) for rule, settings in self._up[PacketType.PUBLISH]
        )

    def _of(self, rules: list[Rule], kind: PacketType, *, up: bool) -> list[tuple[Rule, Settings]]:
        return [
            (rule, self.settings[rule.name])
            for rule in rules
            if kind in (rule.upward if up else rule.downward)
        ]

    def upward(self, packet: Packet, known: Known) -> Refusal | None:
        """Judge a packet of a client; the first rule that refuses has the word."""
        return _first(self._up[packet.type], packet, known)

    def downward(self, packet: Packet, known: Known) -> Refusal | None:
        """Judge a packet of the broker."""
        return _first(self._down[packet.type], packet, known)

    def describe(self) -> dict[str, dict[str, Any]]:
        """Return all settings by rule, for the control port and the session file."""
        return {name: msgspec.to_builtins(settings) for name, settings in self.settings.items()}


def _first(rules: list[tuple[Rule, Settings]], packet: Packet, known: Known) -> Refusal | None:
    for rule, settings in rules:
        refusal = rule.refuse(packet, known, settings)
        if refusal is not None:
            return refusal
    return None


def load_rules(path: Path) -> RuleSet:
    """Read a rule set file; raises `InputError`."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"can't read the rule set {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the rule set {path} is not valid TOML: {error}") from error
    return parse_rules(table, str(path))


def parse_rules(table: dict[str, Any], where: str) -> RuleSet:
    """Build a rule set from what a file says."""
    table = dict(table)
    name = str(table.pop("name", Path(where).stem))
    limit = table.pop("max_packet", DEFAULT_MAX_PACKET)
    settings: dict[str, Settings] = {}
    try:
        max_packet = size_bytes(str(limit))
        for key, value in table.items():
            rule = all_rules().get(key)
            if rule is None:
                known = ", ".join(all_rules())
                raise InputError(f"{where}: no rule is called {key!r}; there are {known}")
            settings[key] = msgspec.convert(value, rule.settings)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: [{key}]: {error}") from error
    except argparse.ArgumentTypeError as error:
        raise InputError(f"{where}: max_packet: {error}") from error
    return RuleSet(settings, name=name, max_packet=max_packet)

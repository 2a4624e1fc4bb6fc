"""The short way for canonical messages: a regular expression, then a decoder that trusts it.

A flight's pattern is what takes longest in decoding; what the quick check has accepted need not be
held against it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from overflight_contract import fastpath
from overflight_contract.messages import Navigation, Position, Telemetry
from overflight_contract.topics import Kind


class _KnownPosition(Position, frozen=True, kw_only=True, gc=False):
    flight: str


class _KnownNavigation(Navigation, frozen=True, kw_only=True, gc=False):
    flight: str


class ShortWay(NamedTuple):
    """The short way for one kind: `decode` may only be given what `fits`."""

    fits: Callable[[bytes], object]
    decode: Callable[[bytes], Telemetry]


SHORT_WAYS: Final = {
    Kind.POSITION: ShortWay(
        re.compile(fastpath.POSITION).fullmatch, msgspec.json.Decoder(_KnownPosition).decode
    ),
    Kind.NAVIGATION: ShortWay(
        re.compile(fastpath.NAVIGATION).fullmatch, msgspec.json.Decoder(_KnownNavigation).decode
    ),
}

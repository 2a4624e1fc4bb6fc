"""The quick check of a message: one regular expression that accepts only canonical messages.

What a pattern accepts, `overflight_contract.messages.decode` accepts too (a property test holds
that); what it does not accept may still be valid, as a message without a fix. So it is a short
cut for the many, never the judge of the few: who gets ``False`` from `looks_valid` decodes.

The patterns have two groups, ``seq`` and ``held_from``, since an expression can't compare numbers.
They are bytes patterns without anchors and without other groups, to be put into larger ones, as
the relay does with a whole PUBLISH packet (`HEAD`, then the tail of the kind that the topic names).
"""

from __future__ import annotations

import re
from typing import Final

from overflight_contract import messages
from overflight_contract.errors import ContractError
from overflight_contract.topics import Kind

# Almost every step that may have to be taken back costs as much as ten characters. So digits are
# possessive (`\d{1,5}+`), alternatives differ in their first character and stand side by side, and
# a few values that hardly occur are left to `decode`: ±90.0, -180.0, 60000.0, -1000.0, years 19xx.

_COUNT: Final = rb"[1-9]\d{0,14}+"
_FLIGHT: Final = rb"\d{8}+T\d{6}+Z-[0-9a-f]{4}+"
_DAY: Final = (
    rb"(?:0[1-9]-(?:0[1-9]|1\d|2[0-8])|1[0-2]-(?:0[1-9]|1\d|2[0-8])"
    rb"|0[13-9]-(?:29|30)|1[0-2]-(?:29|30)|0[13578]-31|1[02]-31)"
)
_TIME: Final = rb"20\d\d-" + _DAY + rb"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:Z|\.(?!000)\d\d\d000Z)"
_FRACTION: Final = rb"\.\d{1,5}+(?<!\d0)"
_LATITUDE: Final = rb"(?:[1-8]\d?+|-[1-8]\d?+|0|9|-9|-0(?!\.0[,}]))" + _FRACTION
_LONGITUDE: Final = rb"(?:1[0-7]\d|[1-9]\d?+|-1[0-7]\d|-[1-9]\d?+|0|-0(?!\.0[,}]))" + _FRACTION
_ALTITUDE: Final = rb"(?:[1-5]\d{4}+\.\d|[1-9]\d{0,3}+\.\d|0\.\d|-[1-9]\d{0,2}+\.\d|-0\.[1-9]|null)"
_HDOP: Final = rb"(?:\d\.\d|[1-9]\d\.\d|null)"
_ANGLE: Final = rb"(?:[12]\d\d|3[0-5]\d|[1-9]\d?+|0)\.\d"
_SPEED: Final = rb"(?:[1-4]\d\d\.\d|[1-9]\d?+\.\d|0\.\d|500\.0|null)"
_CLIMB: Final = (
    rb"(?:[12]\d\d\.\d|[1-9]\d?+\.\d|0\.\d|-[12]\d\d\.\d|-[1-9]\d?+\.\d|-0\.[1-9]|-?300\.0|null)"
)
_WAYPOINT: Final = (
    rb'(?:\{"number":(?:[1-9]\d{0,2}+|0),"distance_m":(?:1\d{7}+|[1-9]\d{0,6}+|0),"bearing_deg":'
    + _ANGLE
    + rb"\}|null)"
)
HEAD: Final = (
    rb'\{"flight":"'
    + _FLIGHT
    + rb'","seq":('
    + _COUNT
    + rb'),"held_from":('
    + _COUNT
    + rb'),"measured_at":"'
    + _TIME
    + rb'",'
)
"""How both kinds begin, up to what is their own; groups: seq, held_from."""

POSITION_TAIL: Final = (
    rb'"lat_deg":'
    + _LATITUDE
    + rb',"lon_deg":'
    + _LONGITUDE
    + rb',"alt_msl_m":'
    + _ALTITUDE
    + rb',"alt_hae_m":'
    + _ALTITUDE
    + rb',"fix":"[23]d","sats":(?:[1-9]\d?+|0|null),"hdop":'
    + _HDOP
    + rb"\}"
)
"""The rest of a position."""

NAVIGATION_TAIL: Final = (
    rb'"track_deg":(?:'
    + _ANGLE
    + rb'|null),"speed_mps":'
    + _SPEED
    + rb',"climb_mps":'
    + _CLIMB
    + rb',"phase":"(?:prelaunch|ascent|float|descent|landed)","waypoint":'
    + _WAYPOINT
    + rb',"cross_track_m":(?:1\d{7}+|[1-9]\d{0,6}+|-1\d{7}+|-[1-9]\d{0,6}+|0|null)\}'
)
"""The rest of a navigation message."""

POSITION: Final = HEAD + POSITION_TAIL
"""Accepts most canonical positions; groups: seq, held_from."""

NAVIGATION: Final = HEAD + NAVIGATION_TAIL
"""Accepts most canonical navigation messages; groups: seq, held_from."""

_PATTERNS: Final = {
    Kind.POSITION: re.compile(POSITION),
    Kind.NAVIGATION: re.compile(NAVIGATION),
}


def looks_valid(kind: Kind, payload: bytes) -> bool:
    """Tell whether the quick check accepts `payload`; ``False`` says nothing yet."""
    pattern = _PATTERNS.get(kind)
    match = None if pattern is None else pattern.fullmatch(payload)
    return match is not None and int(match[2]) <= int(match[1])


def is_valid(kind: Kind, payload: bytes) -> bool:
    """Tell whether `payload` is a valid message of `kind`, without building it where possible."""
    if looks_valid(kind, payload):
        return True
    try:
        messages.decode(kind, payload)
    except ContractError:
        return False
    return True

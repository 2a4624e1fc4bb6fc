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
_FIX: Final = rb'"[23]d"'
_SATS: Final = rb"(?:[1-9]\d?+|0|null)"
_PHASE: Final = rb'"(?:prelaunch|ascent|float|descent|landed)"'
_NUMBER: Final = rb"(?:[1-9]\d{0,2}+|0)"
_DISTANCE: Final = rb"(?:1\d{7}+|[1-9]\d{0,6}+|0)"
_WAYPOINT: Final = (
    rb'(?:\{"number":'
    + _NUMBER
    + rb',"distance_m":'
    + _DISTANCE
    + rb',"bearing_deg":'
    + _ANGLE
    + rb"\}|null)"
)
_CROSS_TRACK: Final = rb"(?:1\d{7}+|[1-9]\d{0,6}+|-1\d{7}+|-[1-9]\d{0,6}+|0|null)"
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
    + rb',"fix":'
    + _FIX
    + rb',"sats":'
    + _SATS
    + rb',"hdop":'
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
    + rb',"phase":'
    + _PHASE
    + rb',"waypoint":'
    + _WAYPOINT
    + rb',"cross_track_m":'
    + _CROSS_TRACK
    + rb"\}"
)
"""The rest of a navigation message."""

POSITION: Final = HEAD + POSITION_TAIL
"""Accepts most canonical positions; groups: seq, held_from."""

NAVIGATION: Final = HEAD + NAVIGATION_TAIL
"""Accepts most canonical navigation messages; groups: seq, held_from."""

PLACES: Final = 8
"""So many fields of their own have the two kinds, side by side (`columns`)."""


def columns(position: int) -> bytes:
    """Return a pattern of both kinds that has a group for each value, to be read in columns.

    Its groups: flight, seq, held_from, measured_at, then `PLACES` of which the first is the
    latitude of a position or the track of a navigation message, and so on in the order of their
    fields; a waypoint has three of them. It is to follow something that has set the group with the
    number `position` where a position is wanted, and left it unset elsewhere. Values are as they
    stand in the JSON, texts with their quotes; the groups of a waypoint that is null are unset, and
    the last place of a position is empty.
    """

    def either(of_position: bytes, of_navigation: bytes) -> bytes:
        return b"(?(%d)%s|%s)" % (position, of_position, of_navigation)

    def place(name: bytes, value: bytes, other_name: bytes, other: bytes) -> bytes:
        return either(b'"%s":' % name, b'"%s":' % other_name) + b"(" + either(value, other) + b")"

    head = HEAD.replace(_FLIGHT, b"(" + _FLIGHT + b")").replace(_TIME, b"(" + _TIME + b")")
    angle_or_none = b"(?:" + _ANGLE + b"|null)"
    first = b",".join(
        (
            place(b"lat_deg", _LATITUDE, b"track_deg", angle_or_none),
            place(b"lon_deg", _LONGITUDE, b"speed_mps", _SPEED),
            place(b"alt_msl_m", _ALTITUDE, b"climb_mps", _CLIMB),
            place(b"alt_hae_m", _ALTITUDE, b"phase", _PHASE),
        )
    )
    waypoint = either(b'"fix":', rb'"waypoint":\{"number":') + b"(" + either(_FIX, _NUMBER) + b"),"
    waypoint += place(b"sats", _SATS, b"distance_m", _DISTANCE) + b","
    waypoint += place(b"hdop", _HDOP, b"bearing_deg", _ANGLE) + either(b"", rb"\}")
    no_waypoint = either(b"(?!)", b'"waypoint":null')
    last = either(b"", b',"cross_track_m":') + b"(" + either(b"", _CROSS_TRACK) + b")"
    return head + first + b",(?:" + waypoint + b"|" + no_waypoint + b")" + last + rb"\}"


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

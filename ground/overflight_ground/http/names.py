"""Query parameters that many endpoints share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from overflight_contract.identity import FLIGHT_PATTERN, PAYLOAD_PATTERN

_PAYLOAD = PAYLOAD_PATTERN.replace(r"\Z", "$")
_FLIGHT = FLIGHT_PATTERN.replace(r"\Z", "$")

PayloadName = Annotated[
    str | None, Query(pattern=_PAYLOAD, examples=["HAB-01"], description="name of the payload")
]
FlightName = Annotated[
    str | None,
    Query(pattern=_FLIGHT, examples=["20230128T060000Z-7f3a"], description="id of the flight"),
]
PayloadPath = Annotated[
    str, Path(pattern=_PAYLOAD, examples=["HAB-01"], description="name of the payload")
]
Limit = Annotated[int, Query(ge=1, le=1000, description="entries a page")]
Cursor = Annotated[
    str | None, Query(max_length=128, description="`next` of the page before, to go on after it")
]

"""Query parameters: those that many endpoints share, and those that none has."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request

from overflight_contract.identity import FLIGHT_PATTERN, PAYLOAD_PATTERN
from overflight_ground.http.replies import ProblemError

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


async def refuse_unknown(request: Request) -> None:
    """Raise a 422 where the query has a parameter that the endpoint does not know."""
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        what = "there is no such parameter"
        raise ProblemError(
            422,
            "The request does not fit",
            "; ".join(f"query.{name}: {what}" for name in unknown),
            errors=[{"where": f"query.{name}", "what": what} for name in unknown],
        )

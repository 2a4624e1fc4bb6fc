"""The wire, narrowed by a filter on the server."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from overflight_contract.filters import FilterError
from overflight_contract.times import bounded_ns
from overflight_ground import wire
from overflight_ground.http.live_routes import station_of
from overflight_ground.http.names import Limit
from overflight_ground.http.replies import Moment, ProblemError, plain_json

router = APIRouter()


@router.get("/wire", tags=["live"])
def lines(
    request: Request,
    source: Annotated[
        Literal["arrivals", "provider"], Query(description="what arrived, or the relay's tap")
    ] = "arrivals",
    filter: Annotated[  # noqa: A002
        str, Query(max_length=2000, examples=['payload == "HAB-01" and type == publish'])
    ] = "",
    after: Annotated[
        str | None,
        Query(pattern=r"^\d{1,18}(\.\d{1,18})?$", description="`sequence` of the last line known"),
    ] = None,
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 500,
) -> Response:
    """Return lines of the wire, oldest first, as the stream has them.

    `since` and `until` narrow what arrived by when it was measured; quarantined messages, of which
    that is not known, are left out then.
    """
    station = station_of(request)
    place = None if after is None else wire.place_of(after)
    try:
        if source == "arrivals":
            found = wire.arrivals(
                station.store,
                filter,
                after=place,
                limit=limit,
                since_ns=bounded_ns(since),
                until_ns=bounded_ns(until),
            )
        else:
            known = None if place is None else place.message
            found = wire.provider(list(station.provider), filter, after=known, limit=limit)
    except FilterError as error:
        raise ProblemError(
            422,
            "The filter does not fit",
            str(error),
            position=getattr(error, "position", None),
        ) from error
    return plain_json({"lines": found})

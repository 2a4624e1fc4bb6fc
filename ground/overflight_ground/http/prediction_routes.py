"""Where a payload will be."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from overflight_contract.formats import TrackPoint
from overflight_contract.messages import Phase
from overflight_contract.times import iso
from overflight_ground.http.live_routes import station_of
from overflight_ground.http.names import FlightName, PayloadPath
from overflight_ground.http.replies import ProblemError, plain_json
from overflight_ground.prediction import Predicted, Prediction, phase_of, predict
from overflight_ground.store import reading
from overflight_ground.track import merge

router = APIRouter()
METHOD: Final = (
    "from the flight so far: winds met reused by altitude, descent by the standard atmosphere;"
    " the radius is what two of three such predictions stayed within"
)
HEARD: Final = "the ground is as high as the launch"
UNHEARD: Final = "the launch was not heard, so the ground is taken at sea level"
TOO_LITTLE: Final = "too little was heard yet"


@router.get("/prediction/{payload}", tags=["payloads"])
def prediction(request: Request, payload: PayloadPath, flight: FlightName = None) -> Response:
    """Predict where a payload will be in 1, 6 and 24 hours and where it will land.

    While there is nothing to predict, ``points`` is empty and ``none_because`` says why.
    """
    station = station_of(request)
    with station.store.reading() as connection:
        chosen = flight or reading.last_flight(connection, payload)
        if chosen is None:
            raise ProblemError(404, "No such payload", f"nothing was heard from {payload}")
        if (payload, chosen) not in station.live.rows:
            raise ProblemError(404, "No such flight", f"nothing of it was heard from {payload}")
        track = list(merge(reading.sampled_rows(connection, payload, chosen)))
    made = predict(track)
    body = _nothing(track) if made is None else _prediction(made)
    return plain_json({"payload": payload, "flight": chosen, **body})


def _prediction(made: Prediction) -> dict[str, Any]:
    ground = UNHEARD if made.launch_m is None else HEARD
    return {
        "method": f"{METHOD}; {ground}",
        "made_at": iso(made.made_at_ns),
        "phase": made.phase,
        "points": [_point(point) for point in made.points],
        "landing": None if made.landing is None else _point(made.landing),
        "none_because": None,
    }


def _nothing(track: list[TrackPoint]) -> dict[str, Any]:
    phase = phase_of(track)
    because = {Phase.LANDED: "it has landed", Phase.PRELAUNCH: "it has not been launched yet"}
    return {
        "method": METHOD,
        "made_at": None,
        "phase": phase,
        "points": [],
        "landing": None,
        "none_because": because.get(Phase(phase) if phase else Phase.FLOAT, TOO_LITTLE),
    }


def _point(point: Predicted) -> dict[str, Any]:
    return {
        "label": point.label,
        "hours": point.hours,
        "at": iso(point.at_ns),
        "lat_deg": round(point.lat_deg, 5),
        "lon_deg": round(point.lon_deg, 5),
        "alt_msl_m": round(point.alt_m, 1),
        "radius_m": round(point.radius_m),
    }

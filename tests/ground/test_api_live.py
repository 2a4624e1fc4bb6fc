"""The API as a program meets it over time: streams, pages, wires, what is asked wrongly."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import httpx
import pytest

from overflight.cli import main
from overflight_contract.messages import Fix
from overflight_ground.http.application import create_app
from overflight_ground.http.live_routes import _events
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.judge import Arrival
from overflight_ground.ingest.plausible import Clock
from overflight_ground.station import Station

FLIGHT = "20230128T060000Z-7f3a"
NOW_NS = 1_700_000_000_000_000_000
TOKEN = "a-token-for-tests"
STRAY = b"overflight/1/HAB-01/image"
NO_FIX = dict.fromkeys(("lat_deg", "lon_deg", "alt_msl_m", "alt_hae_m", "sats", "hdop"))
NO_FIX |= {"fix": Fix.NONE}


@pytest.fixture
def station(store, intake, arrival, position, navigation) -> Station:
    made = Station(store, lambda: NOW_NS + 5_000_000_000, clock=Clock.DATA)
    made.load([])
    batch = [arrival(position(n) if n % 2 else navigation(n)) for n in range(1, 41)]
    batch += [Arrival(STRAY, b"\xff" * n, 1, False, False, NOW_NS) for n in (1, 9_000)]
    made.on_outcome(intake.commit(batch))
    return made


@pytest.fixture
async def client(station):
    transport = httpx.ASGITransport(create_app(station, TOKEN), client=("127.0.0.1", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as made:
        yield made


async def get(client, path, **parameters):
    reply = await client.get(f"/api/v1/{path}", params=parameters)
    assert reply.status_code == 200, reply.text
    return reply.json()


def parsed(block: bytes) -> tuple[int, dict]:
    lines = dict(line.split(": ", 1) for line in block.decode().strip().split("\n"))
    return int(lines["id"]), json.loads(lines["data"])


# The stream


async def test_an_id_ahead_of_the_store_starts_from_now(station, intake, arrival, position) -> None:
    station.tick()
    events = _events(station, station.hub.join(), known=999_999)
    await anext(events)
    assert parsed(await anext(events))[0] == 40
    station.on_outcome(intake.commit([arrival(position(41))]))
    station.tick()
    number, data = parsed(await anext(events))
    assert (number, [p["seq"] for p in data["positions"]]) == (41, [41])
    await events.aclose()


# HEAD, compression, versions


@pytest.mark.parametrize("path", ["/api/v1/payloads", "/api/v1/messages", "/metrics"])
async def test_head_is_get_without_a_body(client, path) -> None:
    whole = await client.get(path, headers={"Accept-Encoding": "identity"})
    head = await client.head(path, headers={"Accept-Encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == whole.headers


async def test_head_of_the_stream_ends(client, station) -> None:
    head = await client.head("/api/v1/stream")
    assert head.headers["content-type"].startswith("text/event-stream")
    assert station.hub.listeners == 0


@pytest.mark.parametrize("path", ["/api/v1/messages", "/js/main.js"])
@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("gzip", "gzip"),
        ("br, GZIP;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.000, *", None),
        ("br", None),
        ("", None),
    ],
)
async def test_gzip_only_where_it_is_taken(client, path, accept, encoding) -> None:
    reply = await client.get(path, headers={"Accept-Encoding": accept})
    assert reply.headers.get("content-encoding") == encoding


@pytest.mark.parametrize("path", ["/api/v1/messages", "/js/main.js"])
async def test_plain_and_compressed_share_a_weak_etag(client, path) -> None:
    packed = await client.get(path, headers={"Accept-Encoding": "gzip"})
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    tag = packed.headers["etag"]
    assert (tag[:3], plain.headers["etag"]) == ('W/"', tag)
    for known in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
        reply = await client.get(path, headers={"If-None-Match": known})
        assert (reply.status_code, reply.headers["vary"]) == (304, "Accept-Encoding")
    assert (await client.get(path, headers={"If-None-Match": '"x"'})).status_code == 200


# Pages


@pytest.mark.parametrize(
    ("path", "limit"), [("messages", 20), ("messages?payload=HAB-01", 20), ("quarantine", 1)]
)
async def test_a_last_page_that_is_full_names_no_next(client, path, limit) -> None:
    first = (await client.get(f"/api/v1/{path}", params={"limit": limit})).json()
    parameters = {"limit": limit, "cursor": first["next"]}
    last = (await client.get(f"/api/v1/{path}", params=parameters)).json()
    (name,) = set(last) - {"next"}
    assert (len(last[name]), last["next"]) == (limit, None)


async def test_overviews_have_at_most_as_many_points_as_asked(client) -> None:
    rows = (await get(client, "payloads/HAB-01/overview", points=2))["rows"]
    assert [row[7] for row in rows] == [1, 39]
    body = await get(client, "overviews", points=5)
    assert body["points"] == 5
    assert [len(track["rows"]) for track in body["tracks"]] == [5]


# Tracks


@pytest.mark.parametrize("form", ["json", "geojson", "csv"])
@pytest.mark.parametrize(
    ("payload", "flight"), [("HAB-01", FLIGHT[:-4] + "0000"), ("HAB-99", FLIGHT)]
)
async def test_no_track_of_an_unknown_flight(client, form, payload, flight) -> None:
    reply = await client.get(
        f"/api/v1/payloads/{payload}/track", params={"flight": flight, "format": form}
    )
    assert (reply.status_code, reply.json()["title"]) == (404, "No such flight")


async def test_what_was_said_before_since_still_holds(client, station, intake, arrival) -> None:
    whole = (await get(client, "payloads/HAB-01/track"))["rows"]
    since = "2023-01-28T06:10:30Z"
    assert (await get(client, "payloads/HAB-01/track", since=since))["rows"] == whole[5:]


async def test_motion_is_carried_into_the_span(
    client, station, intake, arrival, position, navigation
) -> None:
    batch = [arrival(navigation(42)), *(arrival(position(n)) for n in (43, 47, 49))]
    station.on_outcome(intake.commit(batch))
    whole = (await get(client, "payloads/HAB-01/track"))["rows"][-3:]
    assert [row[4] for row in whole] == [24.5, None, None]
    assert {row[6] for row in whole} == {"float"}
    for since, rows in (("06:42:30", whole), ("06:48:30", whole[2:])):
        found = await get(client, "payloads/HAB-01/track", since=f"2023-01-28T{since}Z")
        assert found["rows"] == rows


def looped(station, intake, arrival, position) -> None:
    """A flight that leaves the box 0…1° east, 0…1° north twice, once with a fix lost."""
    places = [(0.1, 0.1), (0.2, 0.5), (0.3, 2.0), (0.9, 0.5), (0.9, 0.2), (None, None), (0.1, 0.5)]
    batch = []
    for seq, (lat, lon) in enumerate(places, 1):
        fields = {"lat_deg": lat, "lon_deg": lon} if lat else NO_FIX
        batch.append(arrival(position(seq, **fields), "HAB-02"))
    station.on_outcome(intake.commit(batch))


@pytest.mark.parametrize("simplify", [0, 1e6])
async def test_passes_through_a_box_are_not_joined(
    client, station, intake, arrival, position, simplify
) -> None:
    looped(station, intake, arrival, position)
    parameters = {"bbox": "0,0,1,1", "simplify": simplify, "suspect": True, "format": "gpx"}
    reply = await client.get("/api/v1/payloads/HAB-02/track", params=parameters)
    tree = ET.fromstring(reply.content)
    space = {"g": "http://www.topografix.com/GPX/1/1"}
    segments = tree.findall(".//g:trkseg", space)
    assert [len(segment.findall("g:trkpt", space)) for segment in segments] == [2, 2, 1]
    found = await get(client, "payloads/HAB-02/track", **parameters | {"format": "geojson"})
    kinds = [feature["geometry"]["type"] for feature in found["features"]]
    assert kinds == ["LineString", "LineString", "Point"]
    assert {feature["properties"]["payload"] for feature in found["features"]} == {"HAB-02"}
    rows = (await get(client, "payloads/HAB-02/track", **parameters | {"format": "json"}))["rows"]
    assert [row[7] for row in rows] == [1, 2, 4, 5, 7]


async def test_a_flight_is_simulated_by_its_own_row(client, station) -> None:
    station.simulated = True
    rows = await get(client, "payloads/HAB-01/track", format="sondehub")
    assert not any("dev" in row for row in rows)


async def test_a_simulated_flight_says_so(store, client, station, arrival, position) -> None:
    simulating = Intake(store, clock=Clock.DATA, now_ns=lambda: NOW_NS, simulated=True)
    simulating.load()
    station.on_outcome(simulating.commit([arrival(position(1), "HAB-03")]))
    assert [row["dev"] for row in await get(client, "payloads/HAB-03/track", format="sondehub")]


# The wire


async def test_the_wire_has_what_is_in_quarantine(client) -> None:
    lines = (await get(client, "wire"))["lines"]
    assert [line["quarantined"] for line in lines] == [False] * 40 + [True] * 2
    assert lines[-1]["summary"].startswith("topic: ")
    (large,) = (await get(client, "wire", filter="size > 1k"))["lines"]
    assert (large["size"], large["id"], large["payload"]) == (9_000, None, "HAB-01")
    named = await get(client, "wire", filter='type == publish and topic contains "image"')
    assert len(named["lines"]) == 2


async def test_the_wire_goes_on_after_each_line(client, station, intake, arrival, position) -> None:
    lines = (await get(client, "wire"))["lines"]
    assert (await get(client, "wire", after=lines[-1]["sequence"]))["lines"] == []
    station.on_outcome(
        intake.commit(
            [
                arrival(position(41), at_ns=NOW_NS + 1),
                Arrival(STRAY, b"new", 0, False, False, NOW_NS + 2),
            ]
        )
    )
    lines = (await get(client, "wire"))["lines"]
    for place in (0, 20, 39, 40, 41, 42, 43):
        later = (await get(client, "wire", after=lines[place]["sequence"]))["lines"]
        assert later == lines[place + 1 :]
    assert (await get(client, "wire", after=41))["lines"] == lines[43:]
    assert (await get(client, "wire", limit=2))["lines"] == lines[-2:]
    assert (await get(client, "wire", after="999.999"))["lines"] == lines  # of another store


async def test_what_has_no_time_of_measurement_is_in_no_span(client) -> None:
    lines = (await get(client, "wire", since="2023-01-28T06:10:00Z"))["lines"]
    assert lines
    assert not any(line["quarantined"] for line in lines)


# What is asked wrongly


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("payloads/HAB-01/track?sinse=x", ["sinse"]),
        ("timeline?start=2023-01-28&end=2023-01-29", ["start", "end"]),
        ("flights?limit=3", ["limit"]),
        ("health?verbose=1", ["verbose"]),
        ("wire?after=x", ["after"]),
    ],
)
async def test_what_an_endpoint_does_not_know_is_refused(client, path, names) -> None:
    reply = await client.get(f"/api/v1/{path}")
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert [error["where"] for error in reply.json()["errors"]] == [f"query.{n}" for n in names]


async def test_parameters_with_another_name_than_in_python_are_known(client) -> None:
    await get(client, "payloads/HAB-01/track", simplify=2000, format="geojson")
    assert (await client.get(f"/?token={TOKEN}&payload=HAB-01")).status_code == 303
    assert (await client.get("/?payload=HAB-01&any=thing")).status_code == 200


@pytest.mark.parametrize("url", ["nonsense", "127.0.0.1:18830", "ftp://x", "http://", "http://x:y"])
def test_a_tap_that_is_no_url_is_told_at_once(url, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ground", "run", "--tap", url])
    assert ended.value.code == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert f"{url!r} is no URL" in sentence

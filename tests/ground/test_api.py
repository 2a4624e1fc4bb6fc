"""The API over a store with one flight in it."""

from __future__ import annotations

import json
import math

import httpx
import pytest

from overflight_contract.messages import Phase
from overflight_ground.http.application import create_app
from overflight_ground.http.live_routes import _events
from overflight_ground.ingest.judge import Arrival
from overflight_ground.ingest.plausible import Clock
from overflight_ground.station import Station

FLIGHT = "20230128T060000Z-7f3a"
NOW_NS = 1_700_000_000_000_000_000
TOKEN = "a-token-for-tests"


@pytest.fixture
def station(store, intake, arrival, position, navigation) -> Station:
    made = Station(store, lambda: NOW_NS + 5_000_000_000, clock=Clock.DATA)
    made.load([])
    batch = [arrival(position(n) if n % 2 else navigation(n)) for n in range(1, 41)]
    batch.append(Arrival(b"overflight/1/HAB-01/image", b"\xff\xd8", 1, False, False, NOW_NS))
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


async def test_health_counts(client) -> None:
    body = await get(client, "health")
    assert body["status"] == "ok"
    assert (body["messages"], body["quarantined"], body["duplicates"]) == (40, 1, 0)
    assert body["clock"] == "data"
    assert (await client.get("/api/v1/ready")).status_code == 200


async def test_degraded_is_told_and_not_ready(client, station) -> None:
    station.store_trouble = lambda: "the disk is full"
    body = await get(client, "health")
    assert (body["status"], body["store"]) == ("degraded", "the disk is full")
    assert (await client.get("/api/v1/ready")).status_code == 503


async def test_payloads_tell_last_fix_motion_and_receipt(client) -> None:
    (entry,) = (await get(client, "payloads"))["payloads"]
    assert entry["payload"] == "HAB-01"
    assert entry["fix"]["measured_at"] == "2023-01-28T06:39:00.000Z"
    assert entry["motion"]["waypoint"] == 3
    assert (entry["phase"], entry["receipt_through"], entry["age_s"]) == ("float", 40, 5.0)


async def test_flights_and_receipts(client) -> None:
    (flight,) = (await get(client, "flights"))["flights"]
    assert (flight["flight"], flight["messages"]) == (FLIGHT, 40)
    (receipt,) = (await get(client, "receipts"))["receipts"]
    assert receipt["through"] == 40


async def test_track_joins_positions_with_motion(client) -> None:
    body = await get(client, "payloads/HAB-01/track")
    assert body["columns"][0] == "measured_at_ms"
    assert len(body["rows"]) == 20
    first = dict(zip(body["columns"], body["rows"][0], strict=True))
    assert (first["seq"], first["speed_mps"], first["phase"]) == (1, 24.5, "float")


async def test_track_between_times_and_in_a_box(client) -> None:
    rows = (
        await get(
            client,
            "payloads/HAB-01/track",
            since="2023-01-28T06:10:00Z",
            until="2023-01-28T06:20:00Z",
        )
    )["rows"]
    assert [row[7] for row in rows] == [11, 13, 15, 17, 19]
    over = await get(client, "payloads/HAB-01/track", bbox="179.99,40,-179.9,60")
    assert all(abs(row[2]) > 179.89 for row in over["rows"])
    assert 0 < len(over["rows"]) < 20


async def test_a_straight_track_is_simplified_to_its_ends(client) -> None:
    rows = (await get(client, "payloads/HAB-01/track", simplify=2000))["rows"]
    assert [row[7] for row in rows] == [1, 39]


@pytest.mark.parametrize(
    "name", ["geojson", "gpx", "kml", "czml", "csv", "jsonl", "parquet", "sondehub"]
)
async def test_track_in_every_format(client, name) -> None:
    reply = await client.get("/api/v1/payloads/HAB-01/track", params={"format": name})
    assert reply.status_code == 200
    assert reply.content
    assert f"HAB-01_{FLIGHT}" in reply.headers["content-disposition"]


@pytest.mark.parametrize("whose", [{}, {"payload": "HAB-01"}])
async def test_messages_page_by_page_give_each_once(client, whose) -> None:
    seen, cursor = [], None
    while True:
        parameters = {"limit": 7, **whose} | ({"cursor": cursor} if cursor else {})
        body = await get(client, "messages", **parameters)
        seen += [message["seq"] for message in body["messages"]]
        cursor = body["next"]
        if cursor is None:
            break
    assert sorted(seen, reverse=True) == list(range(40, 0, -1))


async def test_one_message_with_its_bytes(client) -> None:
    body = await get(client, "messages/1")
    assert bytes.fromhex(body["raw"]).decode() == body["text"]
    assert json.loads(body["text"])["seq"] == 1
    assert (await client.get("/api/v1/messages/999")).status_code == 404


async def test_the_fleet_at_a_glance(client) -> None:
    body = await get(client, "overviews", points=100)
    assert body["columns"][:3] == ["measured_at_ms", "lat_deg", "lon_deg"]
    assert [(track["payload"], track["flight"]) for track in body["tracks"]] == [("HAB-01", FLIGHT)]
    whole = await get(client, "payloads/HAB-01/track")
    assert body["tracks"][0]["rows"] == whole["rows"]


async def test_no_prediction_yet_says_why(client) -> None:
    body = await get(client, "prediction/HAB-01")
    assert body["points"]
    assert body["none_because"] is None
    reply = await client.get("/api/v1/prediction/HAB-99")
    assert reply.status_code == 404
    reply = await client.get(f"/api/v1/prediction/HAB-01?flight={FLIGHT[:-4]}0000")
    assert reply.status_code == 404


@pytest.mark.parametrize(
    ("phase", "because"),
    [
        ("prelaunch", "it has not been launched yet"),
        ("landed", "it has landed"),
        (None, "too little was heard yet"),
    ],
)
async def test_why_there_is_no_prediction(
    station, client, intake, arrival, position, navigation, phase, because
) -> None:
    batch = [arrival(position(seq), "HAB-02") for seq in range(1, 40 if phase else 4)]
    if phase:
        batch.append(arrival(navigation(40, phase=Phase(phase)), "HAB-02"))
        batch.append(arrival(position(41), "HAB-02"))
    station.on_outcome(intake.commit(batch))
    body = await get(client, "prediction/HAB-02")
    assert (body["points"], body["landing"], body["made_at"]) == ([], None, None)
    assert body["none_because"] == because


async def test_messages_by_kind(client) -> None:
    found = (await get(client, "messages", kind="navigation", limit=1000))["messages"]
    assert len(found) == 20


async def test_quarantine_has_bytes_and_reason(client) -> None:
    (entry,) = (await get(client, "quarantine"))["quarantine"]
    assert (entry["reason"], entry["raw"], entry["payload"]) == ("topic", "ffd8", "HAB-01")


async def test_timeline_counts_all(client) -> None:
    body = await get(client, "timeline", bins=7)
    assert len(body["bins"]) == 7
    assert sum(body["bins"]) == 40


async def test_split_knows_nothing_of_the_kept_side(client) -> None:
    body = await get(client, "split")
    assert body["crossed_messages"] == 40
    assert body["kept"] == {
        "state": "unknown",
        "bytes": None,
        "images": None,
        "label": "unknown until recovered",
    }


async def test_the_wire_is_narrowed_by_a_filter(client) -> None:
    found = await get(client, "wire", filter='topic contains "navigation"')
    assert len(found["lines"]) == 20
    wrong = await client.get("/api/v1/wire", params={"filter": "payload =="})
    assert wrong.status_code == 422
    assert wrong.headers["content-type"] == "application/problem+json"


async def test_the_wire_of_a_time_is_narrowed_by_a_filter(client) -> None:
    span = {"since": "2023-01-28T06:10:00Z", "until": "2023-01-28T06:20:00Z"}
    lines = (await get(client, "wire", filter='topic contains "position"', **span))["lines"]
    assert len(lines) == 5
    assert all(line["topic"].endswith("position") for line in lines)
    times = [line["measured_at_ms"] for line in lines]
    assert times == sorted(times)
    assert times[0] >= 1674886200000
    assert times[-1] < 1674886800000


async def test_the_providers_packets_are_narrowed_too(client, station) -> None:
    packet = {"at_ns": 1, "sequence": 7, "direction": "up", "type": "publish", "hex": ""}
    station.provider_packets(
        [{**packet, "verdict": "refused", "reason": "topic"}, {**packet, "verdict": "ok"}]
    )
    found = await get(client, "wire", source="provider", filter="verdict == refused")
    assert [line["verdict"] for line in found["lines"]] == ["refused"]


async def test_an_etag_saves_sending_it_again(client) -> None:
    first = await client.get("/api/v1/flights")
    again = await client.get("/api/v1/flights", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_large_answers_are_compressed(client) -> None:
    reply = await client.get("/api/v1/messages", headers={"Accept-Encoding": "gzip"})
    assert reply.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("nothing", 404),
        ("messages?limit=0", 422),
        ("messages?cursor=%21%21", 400),
        ("messages?payload=HAB-01&cursor=MTIz", 400),
        ("messages?payload=HAB-01&cursor=%21%21", 400),
        ("messages?since=yesterday", 422),
        ("payloads/HAB-99/track", 404),
        ("payloads/hab/track", 422),
        ("payloads/HAB-01/track?bbox=1,2,3", 422),
        ("payloads/HAB-01/track?bbox=0,50,10,40", 422),
        ("payloads/HAB-01/track?simplify=nan", 422),
        ("timeline?bins=0", 422),
        ("pictures/" + "0" * 64, 404),
        ("alerts?kind=%00", 422),
    ],
)
async def test_errors_are_problems(client, path, status) -> None:
    reply = await client.get(f"/api/v1/{path}")
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["status"] == status


async def test_metrics_for_prometheus(client) -> None:
    text = (await client.get("/metrics")).text
    assert 'overflight_ground_messages_total{payload="HAB-01"} 40' in text
    assert "overflight_ground_broker_connected 0" in text


async def test_openapi_names_every_endpoint(client) -> None:
    paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
    for path in ("health", "payloads", "payloads/{payload}/track", "messages", "stream", "wire"):
        assert f"/api/v1/{path}" in paths


# Who may do what


async def ask(station, method, path, *, peer="127.0.0.1", host="127.0.0.1:8080", headers=None):
    transport = httpx.ASGITransport(create_app(station, TOKEN), client=(peer, 5000))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        return await client.request(method, path, headers=headers or {})


@pytest.mark.parametrize(
    ("method", "path", "peer", "host", "headers", "status"),
    [
        ("GET", "/api/v1/health", "127.0.0.1", "localhost:8080", {}, 200),
        ("GET", "/api/v1/health", "::1", "[::1]:8080", {}, 200),
        ("GET", "/api/v1/health", "192.0.2.7", "192.0.2.1:8080", {}, 401),
        ("GET", "/metrics", "192.0.2.7", "192.0.2.1:8080", {}, 401),
        ("GET", "/api/v1/health", "127.0.0.1", "evil.example", {}, 401),
        ("GET", "/api/v1/health", "127.0.0.1", "localhost", {"Host": "[::1"}, 401),
        ("GET", "/api/v1/health", "127.0.0.1", "localhost", {"X-Forwarded-For": "192.0.2.7"}, 401),
        (
            "GET",
            "/api/v1/health",
            "192.0.2.7",
            "192.0.2.1",
            {"Authorization": f"Bearer {TOKEN}"},
            200,
        ),
        ("GET", "/api/v1/health", "192.0.2.7", "192.0.2.1", {"Authorization": "Bearer x"}, 401),
        ("POST", "/api/v1/alerts/1/ack", "127.0.0.1", "localhost", {}, 401),
        (
            "POST",
            "/api/v1/alerts/1/ack",
            "127.0.0.1",
            "localhost",
            {"Authorization": f"Bearer {TOKEN}"},
            404,
        ),
        (
            "POST",
            "/api/v1/alerts/1/ack",
            "127.0.0.1",
            "localhost",
            {"Cookie": f"overflight_token={TOKEN}", "Origin": "http://localhost"},
            404,
        ),
        (
            "POST",
            "/api/v1/alerts/1/ack",
            "127.0.0.1",
            "localhost",
            {"Cookie": f"overflight_token={TOKEN}", "Origin": "http://evil.example"},
            403,
        ),
        (
            "POST",
            "/api/v1/alerts/1/ack",
            "127.0.0.1",
            "localhost",
            {"Cookie": f"overflight_token={TOKEN}", "Origin": "http://["},
            403,
        ),
    ],
)
async def test_who_may_do_what(station, method, path, peer, host, headers, status) -> None:
    reply = await ask(station, method, path, peer=peer, host=host, headers=headers)
    assert reply.status_code == status


async def test_the_token_in_the_address_becomes_a_cookie(station) -> None:
    reply = await ask(station, "GET", f"/?token={TOKEN}", peer="192.0.2.7", host="192.0.2.1")
    assert reply.status_code == 303
    assert "HttpOnly" in reply.headers["set-cookie"]


async def test_the_page_may_load_nothing_from_elsewhere(client) -> None:
    reply = await client.get("/")
    assert reply.headers["content-security-policy"].startswith("default-src 'self'")


async def test_the_pages_files_are_sent_compressed_and_named_by_version(client) -> None:
    packed = {"Accept-Encoding": "gzip"}
    reply = await client.get("/js/main.js", headers=packed)
    assert reply.headers["content-type"].startswith("text/javascript")
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["cache-control"] == "no-cache"
    assert b"import" in reply.content
    plain = await client.get("/js/main.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == reply.content
    again = await client.get("/js/main.js", headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/js", 404),
        ("GET", "/js/none.js", 404),
        ("GET", "/js/../../http/access.py", 404),
        ("GET", "/%2e%2e/http/access.py", 404),
        ("GET", "/..%5chttp%5caccess.py", 404),
        ("GET", "/js/%00", 404),
        ("DELETE", "/js/main.js", 405),
    ],
)
async def test_nothing_but_the_pages_files_is_served(station, method, path, status) -> None:
    reply = await ask(station, method, path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"


# The stream


def parsed(block: bytes) -> tuple[int | None, str, dict]:
    lines = dict(line.split(": ", 1) for line in block.decode().strip().split("\n"))
    number = int(lines["id"]) if "id" in lines else None
    return number, lines["event"], json.loads(lines["data"])


async def test_last_event_id_closes_the_gap_then_live_goes_on(
    station, intake, arrival, position
) -> None:
    listener = station.hub.join()
    events = _events(station, listener, known=30)
    assert await anext(events) == b"retry: 1000\n\n"
    number, event, data = parsed(await anext(events))
    assert (number, event) == (40, "batch")
    seqs = [p["seq"] for p in data["positions"]] + [n["seq"] for n in data["navigation"]]
    assert sorted(seqs) == list(range(31, 41))
    assert parsed(await anext(events))[0] == 40  # the greeting
    station.tick()  # what is known already is not sent again
    station.on_outcome(intake.commit([arrival(position(41))]))
    station.tick()
    number, event, data = parsed(await anext(events))
    assert (number, [p["seq"] for p in data["positions"]]) == (41, [41])
    assert data["wire"][0]["topic"] == "overflight/1/HAB-01/position"
    await events.aclose()
    assert station.hub.listeners == 0


async def test_a_listener_that_is_too_slow_is_closed(station) -> None:
    listener = station.hub.join()
    for number in range(200):
        station.hub.send("batch", {}, number)
    assert not listener.open
    last = None
    while not listener.queue.empty():
        last = listener.queue.get_nowait()
    assert last is None


async def test_the_live_map_does_not_jump_back(station, intake, arrival, position) -> None:
    station.on_outcome(intake.commit([arrival(position(90, held_from=1))]))
    newest = station.live.payloads["HAB-01"].fix.measured_at_ns
    station.on_outcome(intake.commit([arrival(position(n)) for n in range(42, 60)]))
    assert station.live.payloads["HAB-01"].fix.measured_at_ns == newest


async def test_states_go_by_the_rhythm(station, intake, arrival, position) -> None:
    for n in range(50, 60):
        at_ns = NOW_NS + n * 10_000_000_000
        station.on_outcome(intake.commit([arrival(position(n), at_ns=at_ns)]))
    live = station.live.payloads["HAB-01"]
    last_ns = NOW_NS + 59 * 10_000_000_000
    assert live.rhythm_s == 10.0
    assert live.state(last_ns + 30_000_000_000) == "ok"
    assert live.state(last_ns + 50_000_000_000) == "late"
    assert live.state(last_ns + 500_000_000_000) == "stale"
    assert live.state(last_ns, alert=True) == "alert"
    assert math.isclose(live.age_s(last_ns + 1_000_000_000), 1.0)


async def test_the_examples_have_the_keys_of_the_answers(client) -> None:
    from overflight_ground.http.examples import EXAMPLES

    def fits(example, real) -> bool:
        if isinstance(example, dict) and isinstance(real, dict):
            return set(example) == set(real) and all(fits(example[k], real[k]) for k in example)
        if isinstance(example, list) and isinstance(real, list) and example and real:
            return fits(example[0], real[-1])
        return True

    for path, example in EXAMPLES.items():
        real = path.removeprefix("/api/v1/").replace("{payload}", "HAB-01")
        answer = await get(client, real.replace("{message_id}", "1"))
        assert fits(example, answer), path
    described = (await client.get("/api/v1/openapi.json")).json()["paths"]
    answers = described["/api/v1/payloads"]["get"]["responses"]
    assert answers["200"]["content"]["application/json"]["example"]["payloads"]
    assert "application/problem+json" in answers["default"]["content"]


async def test_a_new_stream_begins_with_what_no_event_has_told_yet(station) -> None:
    station.hub.join()  # somebody listens, so that nothing is forgotten
    listener = station.hub.join()
    events = _events(station, listener, known=None)
    await anext(events)
    assert parsed(await anext(events))[0] == 0, "the 40 messages of the store are still to be told"
    station.tick()
    number, _, data = parsed(await anext(events))
    assert number == 40
    assert len(data["positions"]) == 20
    await events.aclose()

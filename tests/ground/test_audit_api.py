"""Recovery and audit over the API."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from overflight.leaks import scene as scenes
from overflight_ground.http.application import create_app
from overflight_ground.ingest.plausible import Clock
from overflight_ground.station import Station
from overflight_ground.store import Store

TOKEN = {"Authorization": "Bearer secret"}


@pytest.fixture
async def there(tmp_path: Path):
    scene = scenes.make_scene(tmp_path, messages=40)
    store = Store.open(str(scene.store))
    station = Station(store, lambda: scenes.START_NS, clock=Clock.DATA)
    transport = httpx.ASGITransport(create_app(station, "secret"), client=("127.0.0.1", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1") as client:
        yield scene, client
    store.close()


async def test_recover_and_audit_over_the_api(there) -> None:
    scene, client = there
    made = await client.post(
        "/api/v1/recoveries", json={"source": str(scene.vault.parent)}, headers=TOKEN,
        params={},
    )  # fmt: skip
    assert made.status_code == 201, made.text
    assert made.json()["pictures"] == 6
    wanted = {"sessions": [str(scene.session)], "vaults": [str(scene.vault)]}
    audit = await client.post("/api/v1/audits", json=wanted, headers=TOKEN)
    assert audit.status_code == 201, audit.text
    assert audit.json()["verdict"] == "split held"

    (listed,) = (await client.get("/api/v1/audits")).json()["audits"]
    assert (listed["verdict"], listed["unexplained_bytes"]) == ("split held", 0)
    assert (await client.get(listed["report"])).json() == audit.json()
    page = await client.get(listed["page"])
    assert page.status_code == 200
    assert "Split held" in page.text
    (recovery,) = (await client.get("/api/v1/recoveries")).json()["recoveries"]
    assert recovery["flight"] == scenes.FLIGHT
    pictures = (await client.get("/api/v1/pictures")).json()["pictures"]
    assert {p["verdict"] for p in pictures} == {"kept: not found in the traffic"}


async def test_doing_needs_the_token_and_bad_input_is_said(there) -> None:
    _, client = there
    assert (await client.post("/api/v1/audits", json={})).status_code == 401
    wrong = await client.post("/api/v1/audits", json={"sessions": ["/none"]}, headers=TOKEN)
    assert wrong.status_code == 422
    assert "no session" in wrong.json()["detail"]
    assert (await client.get(f"/api/v1/audits/HAB-01/{scenes.FLIGHT}")).status_code == 404


async def test_running_total_grows_with_the_store(there) -> None:
    scene, client = there
    reply = (await client.get("/api/v1/audit/live")).json()
    (total,) = reply["totals"]
    assert reply["complete"] is True
    assert total["messages"] == len(scene.messages)
    assert total["unexplained_bytes"] == total["implausible"] == 0
    assert total["room_bits"] > 100 * len(scene.messages) / 2
    metrics = (await client.get("/metrics")).text
    assert 'overflight_ground_audit_unexplained_bytes{payload="HAB-01"} 0' in metrics

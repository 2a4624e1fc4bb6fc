"""The page over a fleet of 500 payloads: found, filtered, walked through, and quick."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest

from overflight_contract import messages as m
from overflight_contract.topics import Kind, topic_for
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.judge import Arrival
from overflight_ground.ingest.plausible import Clock
from overflight_ground.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

FLIGHT = "20230128T060000Z-7f3a"
START = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)
PAYLOADS = 500
POINTS = 30


@pytest.fixture(scope="module", autouse=True)
def stored(system: Any, browser: Any) -> None:
    store = Store.open(str(system.folder / "ground.sqlite"))
    intake = Intake(store, clock=Clock.DATA, simulated=True, now_ns=lambda: 0)
    intake.load()
    for number in range(1, PAYLOADS + 1):
        intake.commit([_arrival(number, seq) for seq in range(1, POINTS + 1)])
    store.close()
    system.start_ground()


def _arrival(number: int, seq: int) -> Arrival:
    message = m.Position(
        flight=FLIGHT, seq=seq, held_from=1, measured_at=START + dt.timedelta(minutes=seq),
        lat_deg=round(60 * math.sin(number), 5) + 0.0,
        lon_deg=round((number * 7.3 + seq * 0.05) % 360 - 180, 5) + 0.0,
        alt_msl_m=18_000.0 + number, alt_hae_m=None, fix=m.Fix.THREE_D, sats=9, hdop=0.9,
    )  # fmt: skip
    topic = topic_for(f"HAB-{number:03d}", Kind.POSITION).encode()
    at_ns = int((START + dt.timedelta(minutes=seq)).timestamp()) * 1_000_000_000
    return Arrival(topic, m.encode(message), 1, False, False, at_ns)


def test_a_fleet_of_500_is_found_filtered_and_walked_through(tab: Any) -> None:
    page = tab.open()
    page.locator("#fleet-title", has_text=f"Fleet ({PAYLOADS})").wait_for()
    tab.until(f"[...o.model.tracks.values()].filter((t) => t.loaded).length === {PAYLOADS}", 120)
    assert page.locator(".fleet-row").count() < 60  # only those in view are there
    tab.shot("fleet_500")
    page.keyboard.press("/")
    page.keyboard.type("hab-43")
    page.locator("#fleet-title", has_text=f"Fleet (10 of {PAYLOADS})").wait_for()
    page.keyboard.press("Escape")
    page.locator("#payload-HAB-437").click()
    page.locator("#payload-HAB-437[aria-selected=true]").wait_for()
    tab.until("o.view.payload === 'HAB-437' && o.model.tracks.get('HAB-437').complete")
    page.keyboard.press("j")
    tab.until("o.view.payload === 'HAB-438'")
    page.locator("#fleet-filter").fill("")
    page.locator(".fleet-list").focus()
    page.keyboard.press("End")
    tab.until("document.activeElement.getAttribute('aria-activedescendant') !== null")
    page.keyboard.press("4")
    page.locator(".positions caption", has_text=f"{PAYLOADS} payloads").wait_for()
    assert page.locator(".positions tbody tr").count() == PAYLOADS
    assert tab.errors == []


def test_one_reply_shows_sixty_of_them_at_once(system: Any) -> None:
    tracks = system.get("overviews")["tracks"]
    assert len(tracks) == 60
    assert all(len(track["rows"]) == POINTS for track in tracks)

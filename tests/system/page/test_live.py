"""The page over a flight that is in the air: first fix, a leak, small screens, keys, links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

AXE = Path(__file__).parents[2] / "ground" / "page" / "vendor" / "axe.min.js"


@pytest.fixture(scope="module", autouse=True)
def flying(system: Any, browser: Any) -> None:
    system.start_ground("--vault-peek", "device/vault")
    system.start_relay()
    system.start_payload("sim:transcontinental", "600")
    system.until(lambda: system.get("payloads")["payloads"][0]["messages"] > 40, "a flight")


def test_the_first_fix_appears_and_goes_on(tab: Any) -> None:
    page = tab.open()
    page.locator("#payload-HAB-01").wait_for()
    page.locator("#mode", has_text="LIVE").wait_for()
    tab.until("o.model.tracks.get('HAB-01')?.length > 10")
    before = tab.model("o.model.tracks.get('HAB-01').length")
    tab.until(f"o.model.tracks.get('HAB-01').length > {before}")
    tab.until("o.eye.lon > 100 && o.eye.lon < 140")  # follows it, over the South China Sea
    page.locator(".legend .alt b", has_text=" m").wait_for()
    page.locator(".wire-rows .line", has_text="position").first.wait_for()
    assert page.locator(".split .kept.big").inner_text().endswith("B")
    assert "on this machine" in page.locator(".words").inner_text()
    tab.shot("live_dark_1440x900")
    assert tab.errors == []
    assert tab.elsewhere == []


FED = """async () => {
  const { onEvent } = await import("/js/feed.js");
  const { overflight: o } = await import("/js/main.js");
  const flight = "20230128T060000Z-0001";
  const position = (payload, i) => ({ payload, flight, seq: i, measured_at_ms: 1675e9 + i * 1000,
    lat_deg: 40, lon_deg: i / 100, alt_msl_m: 18000, fix: "3d", sats: 9 });
  for (let i = 0; i < 3000; i += 1) onEvent("batch", { positions: [position("HAB-98", i), position("HAB-99", i)] });
  const [chosen, other] = ["HAB-01", "HAB-98"].map((name) => o.model.tracks.get(name));
  const found = [other.length, other.complete, o.view.payload, chosen.complete];
  for (const name of ["HAB-98", "HAB-99"]) [o.model.payloads, o.model.tracks].forEach((map) => map.delete(name));
  return found;
}"""  # noqa: E501


def test_tracks_of_others_are_thinned_while_they_grow(tab: Any) -> None:
    page = tab.open()
    tab.until("o.model.tracks.get('HAB-01')?.complete")
    length, complete, chosen, whole = page.evaluate(FED)
    assert 250 <= length <= 500
    assert (complete, chosen, whole) == (False, "HAB-01", True)


def test_a_leak_shows_as_refused(tab: Any, system: Any) -> None:
    page = tab.open()
    page.locator("#mode", has_text="LIVE").wait_for()
    tab.until("o.model.hasProvider")
    system.until(lambda: list(system.folder.glob("device/vault/**/*.jpg")), "a picture", 40)
    system.run(
        "leak", "picture", "--vault", "device/vault", "--to", f"mqtt://127.0.0.1:{system.relay}",
        "--payload", "HAB-01",
    )  # fmt: skip
    tab.until("o.model.provider.items.some((p) => p.verdict === 'refused')")
    page.keyboard.press("x")  # pause, so that it stays in view
    refused = page.locator(".line.refused")
    index = tab.model("o.model.provider.items.findIndex((p) => p.verdict === 'refused')")
    page.locator(".wire-scroll").evaluate("(e, i) => { e.scrollTop = (i - 5) * 18; }", index)
    refused.first.click()
    page.locator(".packet-top .chip", has_text="refused").wait_for()
    assert page.locator(".hex-row").count() > 2
    assert "provider" in page.locator(".packet-top").inner_text()
    tab.shot("refused_packet")
    assert tab.errors == []


def test_the_wire_is_filtered_by_the_language_of_watch(tab: Any) -> None:
    page = tab.open()
    page.locator("#mode", has_text="LIVE").wait_for()
    tab.until("o.model.hasProvider")
    page.keyboard.press("\\")
    page.keyboard.type("type == puback")
    assert page.locator("#wire-filter").input_value() == "type == puback"
    page.keyboard.press("Enter")
    lines = page.locator(".wire-rows .line:not([hidden]) .what")
    tab.until(
        "((e) => e.length > 0 && e.every((one) => one.textContent.endsWith('puback')))"
        "([...document.querySelectorAll('.wire-rows .line:not([hidden]) .what')])"
    )
    assert lines.count() > 0
    assert tab.errors == []
    page.locator("#wire-filter").fill("type = puback")
    page.keyboard.press("Enter")
    page.locator(".filter-error", has_text="=").wait_for()
    page.locator("#wire-filter").fill("")
    page.keyboard.press("Enter")
    page.locator(".line .what", has_text="position").first.wait_for()


@pytest.mark.parametrize("size", [(800, 480), (390, 844), (1024, 768)])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_screens_of_all_sizes_show_the_map_and_never_scroll(
    browser: Any, tab: Any, size: tuple[int, int], scheme: str
) -> None:
    tab.page.set_viewport_size({"width": size[0], "height": size[1]})
    tab.page.emulate_media(color_scheme=scheme)
    page = tab.open()
    page.locator("#mode", has_text="LIVE").wait_for()
    tab.until("o.model.tracks.get('HAB-01')?.length > 10")
    box = page.locator("#map").bounding_box()
    assert box["width"] * box["height"] > 0.25 * size[0] * size[1]
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    tab.shot(f"live_{scheme}_{size[0]}x{size[1]}")
    for name in ("fleet", "dock"):
        if page.locator("#tabs").is_visible():
            page.locator(f"#tabs [data-panel={name}]").click()
            page.locator(f"#{name}").wait_for()
    assert tab.errors == []


def test_keys_are_listed_and_work(tab: Any) -> None:
    page = tab.open()
    page.locator("#payload-HAB-01").wait_for()
    page.keyboard.press("?")
    page.locator("dialog.help").wait_for()
    assert page.locator("dialog.help kbd").count() > 30
    tab.shot("keys")
    page.keyboard.press("?")
    page.locator("dialog.help").wait_for(state="detached")
    page.keyboard.press("f")
    tab.until("o.view.map === 'flat'")
    page.keyboard.press("4")
    page.locator(".positions tbody tr", has_text="HAB-01").wait_for()
    page.keyboard.press("u")
    page.locator(".positions td", has_text=re.compile(r"FL \d+|ft$")).first.wait_for()
    page.keyboard.press("/")
    page.keyboard.type("nobody")
    page.locator(".fleet-empty", has_text="No payload fits").wait_for()
    assert tab.errors == []


def test_a_link_shows_the_same(tab: Any, browser: Any) -> None:
    page = tab.open("#map=flat&tab=positions&units=aviation&layers=names&fleet=HAB&wide=1")
    page.locator("#payload-HAB-01").wait_for()
    page.locator(".positions tbody tr", has_text="HAB-01").wait_for()
    tab.until("o.view.map === 'flat' && !o.view.layers.has('night') && o.view.wide")
    page.keyboard.press("n")
    tab.until("location.hash.includes('night.names')")
    assert "units=aviation" in page.url
    assert page.locator("#fleet-filter").input_value() == "HAB"


def test_replay_is_always_clear_and_one_key_leads_back(tab: Any) -> None:
    page = tab.open()
    page.locator("#mode", has_text="LIVE").wait_for()
    tab.until("o.model.timeline && o.model.tracks.get('HAB-01')?.complete")
    box = page.locator(".seek").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2)
    page.locator("#mode", has_text="REPLAY").wait_for()
    assert tab.model("!o.when.live && o.when.time < o.when.until")
    assert page.title().startswith("Replay")
    page.locator(".wire-rows .line").first.wait_for()
    last = page.locator(".wire-rows .line:not([hidden]) .text").last.inner_text()
    assert last.startswith("#")
    tab.shot("replay")
    at = tab.model("o.when.time")
    page.keyboard.press(".")
    tab.until(f"o.when.time > {at}")
    page.keyboard.press(" ")
    page.locator("#mode", has_text="REPLAY 60×").wait_for()
    assert "time=" in tab.model("(await import('/js/link.js')).linkNow()")
    page.keyboard.press("l")
    page.locator("#mode", has_text="LIVE").wait_for()
    assert tab.errors == []


def test_measure(tab: Any) -> None:
    page = tab.open()
    page.locator("#payload-HAB-01").wait_for()
    page.keyboard.press("m")
    box = page.locator(".stage").bounding_box()
    page.mouse.click(box["x"] + 300, box["y"] + 200)
    page.mouse.click(box["x"] + 420, box["y"] + 300)
    tab.until("o.view.measure?.done")
    page.locator("#announce", has_text=re.compile(r"\d km, \d{3}°")).wait_for(state="attached")
    page.keyboard.press("Escape")
    tab.until("!o.view.measure")


@pytest.mark.parametrize(("scheme", "size"), [("dark", (1440, 900)), ("light", (800, 480))])
def test_axe_finds_no_violation(tab: Any, scheme: str, size: tuple[int, int]) -> None:
    tab.page.set_viewport_size({"width": size[0], "height": size[1]})
    tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page = tab.open()
    page.locator("#payload-HAB-01").wait_for(state="attached")
    tab.until("o.model.tracks.get('HAB-01')?.complete")
    tab.until("o.model.tracks.get('HAB-01').length > 10")
    page.locator(".over-timeline").wait_for(state="hidden")
    page.evaluate(AXE.read_text())
    for key in ("1", "2", "3", "4", "?"):
        page.keyboard.press(key)
        if key == "2" and page.locator(".line").first.is_visible():
            page.locator(".line").first.click()
        found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        assert [
            (item["id"], [node["html"][:200] for node in item["nodes"]]) for item in found
        ] == [], key

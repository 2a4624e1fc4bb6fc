"""The page over a flight that is in the air: first fix, a leak, small screens, keys, links."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


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


def test_the_wire_names_its_chosen_line_only_while_that_is_in_view(tab: Any) -> None:
    page = tab.open()
    tab.until("o.model.provider.items.length > 100")
    page.keyboard.press("x")  # pause, so that lines stay where they are
    wire = page.locator(".wire-scroll")
    page.locator("#wire-chosen").wait_for(state="detached")
    assert wire.get_attribute("aria-activedescendant") is None
    page.locator(".wire-rows .line:visible").last.click()
    page.locator("#wire-chosen[aria-selected=true]").wait_for()
    assert wire.get_attribute("aria-activedescendant") == "wire-chosen"
    wire.evaluate("(e) => { e.scrollTop = 0; }")
    page.locator("#wire-chosen").wait_for(state="detached")
    assert wire.get_attribute("aria-activedescendant") is None
    wire.evaluate("(e) => { e.scrollTop = e.scrollHeight; }")
    page.locator("#wire-chosen").wait_for()
    assert wire.get_attribute("aria-activedescendant") == "wire-chosen"


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
    page.keyboard.press("\\")
    page.keyboard.type('topic contains "navigation"')
    page.keyboard.press("Enter")
    shown = "[...document.querySelectorAll('.wire-rows .line:not([hidden]) .what')]"
    tab.until(f"((e) => e.length && e.every((one) => one.textContent === 'navigation'))({shown})")
    page.locator("#wire-filter").fill("")
    page.keyboard.press("Enter")
    tab.until(f"{shown}.some((one) => one.textContent === 'position')")
    page.keyboard.press("Escape")
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


@pytest.mark.parametrize("key", ["1", "2", "3", "4", "?"])
def test_axe_finds_no_violation(tab: Any, key: str) -> None:
    page = tab.open()
    page.locator("#payload-HAB-01").wait_for(state="attached")
    tab.until("o.model.tracks.get('HAB-01')?.complete")
    tab.until("o.model.tracks.get('HAB-01').length > 10")
    page.locator(".over-timeline").wait_for(state="hidden")
    page.keyboard.press(key)
    if key == "2":
        page.locator(".line").first.click()
    tab.check_accessibility(key)


DRAWING = """async () => {
  const { trackColour } = await import("/js/map/tracks.js");
  const draw = () => { trackColour(0); setTimeout(draw); };
  draw();
}"""


def test_the_theme_follows_the_system_also_while_the_map_is_drawn(tab: Any) -> None:
    page = tab.open()
    page.locator("#payload-HAB-01").wait_for(state="attached")
    page.evaluate(DRAWING)
    for scheme in ("light", "dark") * 5:
        page.emulate_media(color_scheme=scheme)
        tab.system.until(
            lambda scheme=scheme: page.locator("html").get_attribute("data-theme") == scheme, scheme
        )


HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_hidden_tab_has_no_stream_and_no_gap_when_it_is_shown_again(
    tab: Any, system: Any
) -> None:
    page = tab.open()
    page.locator("#mode", has_text="LIVE").wait_for()
    tab.until("o.model.tracks.get('HAB-01')?.complete && o.model.arrivals.items.length > 10")
    page.evaluate(HIDE, True)
    tab.until("o.model.stream === 'hidden'")
    length = tab.model("o.model.tracks.get('HAB-01').length")
    stored = system.get("health")["messages"]
    system.until(lambda: system.get("health")["messages"] > stored + 100, "more messages")
    came = tab.model("o.model.tracks.get('HAB-01').length") - length
    assert came < 20, "what was on its way may still come, but not these 50 positions"
    page.evaluate(HIDE, False)
    page.locator("#mode", has_text="LIVE").wait_for()
    tab.until(f"o.model.tracks.get('HAB-01').length > {length + 40}")
    rhythm = [row[0] for row in system.get("payloads/HAB-01/track")["rows"]][-200:]
    widest = max(b - a for a, b in itertools.pairwise(rhythm))
    tab.until(
        "(({ time, length }) => { let most = 0; for (let i = Math.max(1, length - 150);"
        " i < length; i += 1) most = Math.max(most, time.data[i] - time.data[i - 1]);"
        f" return most <= {widest}; }})(o.model.tracks.get('HAB-01'))"
    )
    tab.until(
        "((ids) => ids.every((id, n) => n === 0 || id - ids[n - 1] === 1))"
        "(o.model.arrivals.items.map((line) => line.id).filter(Boolean))"
    )
    assert tab.errors == []


def test_every_part_is_reached_and_used_by_keyboard_alone(tab: Any) -> None:
    page = tab.open()
    tab.until("o.model.tracks.get('HAB-01')?.complete && o.model.timeline")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Positions as a table"
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        where = page.evaluate(
            "(({ id, className, tagName, ariaLabel }) => [tagName, id, className, ariaLabel])"
            "(document.activeElement)"
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        if where[0] == "BODY":
            break
        assert outline != "none", where
        reached.append(" ".join(str(part) for part in where))
    assert where[0] == "BODY", "the last thing leads out of the page: no trap"
    for part in (
        "mode", "alert-count", "fleet-filter", "fleet-list", "stage", "Zoom in", "tab-charts",
        "tall", "wire-filter", "wire-scroll", "play", "speed", "seek",
    ):  # fmt: skip
        assert any(part in one for one in reached), part
    page.locator(".wire-scroll").focus()
    page.keyboard.press("x")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.locator(".packet-top").wait_for()
    page.locator("#tab-packet").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#tab-pictures[aria-selected=true]").wait_for()
    page.locator(".seek").focus()
    page.keyboard.press("Home")
    page.locator("#mode", has_text="REPLAY").wait_for()
    tab.until("o.when.time === o.when.from")
    page.keyboard.press("PageUp")
    tab.until("o.when.time > o.when.from")
    page.keyboard.press("l")
    page.locator("#mode", has_text="LIVE").wait_for()
    assert tab.errors == []


def test_the_running_total_of_the_audit_is_told(tab: Any, system: Any) -> None:
    page = tab.open()
    line = page.locator(".so-far")
    line.wait_for()
    assert re.match(r"[\d,]+ of [\d,]+ bytes unexplained", line.inner_text())
    assert "room for at most" in line.inner_text()
    before = int(system.get("audit/live")["totals"][0]["unexplained_bytes"])
    assert (before > 0) == ("bad" in line.get_attribute("class"))
    page.evaluate(
        """async () => {
        const { overflight: o } = await import("/js/main.js");
        o.model.soFar.get("HAB-01").unexplained_bytes = 412;
        o.touch("split");
    }"""
    )
    page.locator(".so-far.bad", has_text="412 of").wait_for()
    assert "quarantine" in line.inner_text()
    assert tab.errors == []


def test_dragging_the_timeline_moves_through_the_flight(tab: Any) -> None:
    page = tab.open()
    tab.until("o.model.timeline && o.model.tracks.get('HAB-01')?.complete")
    box = page.locator(".seek").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.8, middle)
    page.mouse.down()
    seen = []
    for share in (0.8, 0.5, 0.2):
        page.mouse.move(box["x"] + box["width"] * share, middle, steps=4)
        page.locator("#mode", has_text="REPLAY").wait_for()
        seen.append(tab.model("o.when.time"))
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"] * 0.9, middle)
    assert seen == sorted(seen, reverse=True)
    assert tab.model("o.when.time") == seen[-1]
    for speed in ("1×", "10×", "300×", "1000×"):
        page.locator(".transport .speed", has_text=re.compile(f"^{speed}$")).click()
        page.locator("#mode", has_text=f"REPLAY {speed}").wait_for()
    page.keyboard.press(" ")
    page.locator("#mode", has_text="paused").wait_for()
    before = tab.model("o.when.time")
    page.keyboard.press(",")
    tab.until(f"o.when.time < {before}")
    assert tab.errors == []

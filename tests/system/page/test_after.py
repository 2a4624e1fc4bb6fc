"""One flight from before its first message to after it was found, and what goes wrong between."""

from __future__ import annotations

import base64
import re
import signal
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def test_from_before_the_first_message_to_after_the_recovery(
    browser: Any, system: Any, opened_tab: Any
) -> None:
    steps = (
        before_anything_is_heard_each_panel_says_what_it_waits_for,
        a_ground_that_was_killed_is_caught_up_with_without_a_gap,
        alerts_are_listed_and_acknowledged_by_key,
        a_dropped_session_is_replayed_on_the_same_screens,
        what_is_no_session_is_refused_in_words,
        after_recovery_the_pictures_are_on_the_track_and_in_the_gallery,
        after_the_audit_the_verdict_stands_with_its_bounds,
    )
    for step in steps:
        with opened_tab(browser, system) as tab:
            step(tab, system)


def before_anything_is_heard_each_panel_says_what_it_waits_for(tab: Any, system: Any) -> None:
    system.start_ground()
    system.start_relay()
    page = tab.open()
    page.locator("#mode", has_text="LIVE").wait_for()
    page.locator("#waiting", has_text="Waiting for the first message").wait_for()
    assert "overflight device run" in page.locator("#waiting code").inner_text()
    assert "No payload heard yet" in page.locator(".fleet-empty").inner_text()
    assert "unknown" in page.locator(".split .kept.big").inner_text()
    assert "No alerts" in page.locator("#alerts .empty").inner_text()
    assert "listed here" in page.locator("#wire .empty").inner_text()
    assert "The timeline fills" in page.locator(".over-timeline").inner_text()
    tab.shot("empty")
    assert tab.errors == []


LISTEN = """() => {
  window.alarms = [];
  const alarm = document.getElementById("alarm");
  const note = () => window.alarms.push(alarm.textContent);
  new MutationObserver(note).observe(alarm, { childList: true });
}"""


def a_ground_that_was_killed_is_caught_up_with_without_a_gap(tab: Any, system: Any) -> None:
    system.start_payload("sim:transcontinental", "1500", "--for", "14s")
    page = tab.open()
    page.locator("#payload-HAB-01").wait_for(timeout=30_000)
    tab.until("o.model.tracks.get('HAB-01')?.complete")
    page.evaluate(LISTEN)
    system.end("ground", signal.SIGKILL)
    page.locator("#mode", has_text="DISCONNECTED").wait_for()
    system.until(lambda: any("connection" in said for said in page.evaluate("alarms")), "the word")
    assert not [said for said in page.evaluate("alarms") if "met an error" in said]
    tab.shot("disconnected")
    system.start_ground()
    page.locator("#mode", has_text="LIVE").wait_for(timeout=20_000)
    assert system.children["payload"].wait(90) == 0
    stored = len(system.get("payloads/HAB-01/track")["rows"])
    tab.until(f"o.model.tracks.get('HAB-01').length === {stored}", 30)
    gaps = tab.model(
        "(() => { const t = o.model.tracks.get('HAB-01'); let most = 0;"
        " for (let i = 1; i < t.length; i += 1)"
        " most = Math.max(most, t.time.data[i] - t.time.data[i - 1]); return most; })()"
    )
    assert gaps <= 120_000


def alerts_are_listed_and_acknowledged_by_key(tab: Any, system: Any) -> None:
    page = tab.open(allowed=True)
    page.locator(".alert-card", has_text="HAB-01").first.wait_for(timeout=60_000)
    page.locator(".fleet-row", has_text=re.compile("late|silent|alert")).first.wait_for()
    assert page.locator(".alert-card .ack").count() > 0
    tab.shot("alert")
    tab.check_accessibility("alert")
    page.keyboard.press("K")
    page.locator(".alert-card .ack").first.wait_for(state="detached")
    page.locator("#alert-count", has_text="no alerts").wait_for()
    system.until(
        lambda: all(alert["acked_at"] for alert in system.get("alerts")["alerts"]), "the word"
    )
    assert tab.errors == []


DROP = """async ([name, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  window.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""


def a_dropped_session_is_replayed_on_the_same_screens(tab: Any, system: Any) -> None:
    system.end("relay")
    page = tab.open(allowed=True)
    page.locator("#payload-HAB-01").wait_for()
    content = base64.b64encode((system.folder / "session.mcap").read_bytes()).decode()
    page.evaluate(DROP, ["flight.mcap", content])
    page.locator(".session-bar", has_text="Session flight").wait_for(timeout=60_000)
    page.locator("#mode", has_text="REPLAY").wait_for()
    tab.until("o.model.tracks.get('HAB-01')?.complete")
    tab.until("o.when.time === o.when.from")
    page.keyboard.press(">")
    page.keyboard.press(">")
    page.locator("#mode", has_text="REPLAY 1000×").wait_for()
    tab.until("o.when.time > o.when.from + 60_000")
    page.keyboard.press(" ")
    page.locator("#mode", has_text="paused").wait_for()
    tab.shot("session_replay")
    assert "session=" in page.url
    tab.check_accessibility("replay")
    live_data_never_mixes_with_a_session(tab, system)
    a_link_into_a_session_shows_the_same_moment(tab)
    page.keyboard.press("L")
    page.locator("#mode", has_text="LIVE").wait_for()
    page.locator(".session-bar").wait_for(state="hidden")
    page.locator("#payload-HAB-02").wait_for()
    assert tab.errors == []


def live_data_never_mixes_with_a_session(tab: Any, system: Any) -> None:
    """Another payload flies while the session is on show: not a trace of it on the page."""
    system.start(
        "another", "device", "run", "sim:sounding", "--speed", "300", "--payload", "HAB-02",
        "--data", "other", "--broker", f"mqtt://127.0.0.1:{system.broker}", "--for", "5s",
    )  # fmt: skip
    system.until(lambda: len(system.get("payloads")["payloads"]) == 2, "a live payload")
    last = tab.model("o.model.arrivals.end")
    tab.page.keyboard.press(" ")
    assert system.children["another"].wait(90) == 0
    tab.page.locator("#mode", has_text="REPLAY 1000×").wait_for()
    assert tab.model("[...o.model.payloads.keys()]") == ["HAB-01"]
    assert tab.model("[...o.model.tracks.keys()]") == ["HAB-01"]
    assert tab.model("o.model.arrivals.end") == last
    assert "HAB-02" not in tab.page.locator("body").inner_text()
    tab.page.keyboard.press(" ")
    tab.page.locator("#mode", has_text="paused").wait_for()


def a_link_into_a_session_shows_the_same_moment(tab: Any) -> None:
    page = tab.page
    tab.until("location.hash.includes(new Date(Math.round(o.when.time)).toISOString().slice(0, 19)"
              ".replaceAll(':', '%3A'))")  # fmt: skip
    link, time = page.url, tab.model("o.when.time")
    page.goto("about:blank")
    page.goto(link)
    page.locator(".session-bar", has_text="Session flight").wait_for()
    page.locator("#mode", has_text="REPLAY, paused").wait_for()
    tab.until("o.model.tracks.get('HAB-01')?.complete")
    assert abs(tab.model("o.when.time") - time) < 2


def what_is_no_session_is_refused_in_words(tab: Any, _system: Any) -> None:
    page = tab.open(allowed=True)
    page.locator("#payload-HAB-01").wait_for()
    page.evaluate(DROP, ["holiday.mcap", base64.b64encode(b"no session").decode()])
    page.locator(".session-bar", has_text="holiday.mcap:").wait_for()
    page.locator("#mode", has_text="LIVE").wait_for()


def after_recovery_the_pictures_are_on_the_track_and_in_the_gallery(tab: Any, system: Any) -> None:
    page = tab.open("#payload=HAB-01")
    page.locator(".split .kept.big", has_text="unknown").wait_for()
    system.run("recover", "device", "--store", "ground.sqlite")
    page.reload()
    page.locator(".bar.recovered").wait_for()
    pictures = len(system.get("pictures")["pictures"])
    assert pictures > 3
    page.keyboard.press("3")
    page.locator(".gallery li").first.wait_for()
    assert page.locator(".gallery li").count() == pictures
    tab.until("[...document.querySelectorAll('.gallery img')].some((i) => i.naturalWidth > 50)")
    tab.shot("recovered")
    page.locator(".gallery .thumb").first.click()
    page.locator("dialog.picture", has_text="sha256").wait_for()
    page.locator("dialog.picture button", has_text="Show on the map").click()
    tab.until("o.eye.zoom > 5")
    tab.check_accessibility("recovered")
    assert tab.errors == []


def after_the_audit_the_verdict_stands_with_its_bounds(tab: Any, system: Any) -> None:
    system.audit("--session", "session.mcap", "--store", "ground.sqlite", "--payload", "HAB-01",
                 "--vault", "device/vault", "--record", "device/record.jsonl")  # fmt: skip
    verdict = {"split held": "held", "split broken": "broken"}
    page = tab.open("#payload=HAB-01&tab=pictures")
    line = page.locator(".verdict")
    line.wait_for()
    made = system.get("split?payload=HAB-01")["audit"]
    assert verdict.get(made["verdict"], "can't tell") in line.inner_text()
    assert "unexplained" in line.inner_text()
    assert "could hide" in line.inner_text()
    page.locator(".so-far").wait_for(state="hidden")
    page.locator(".gallery li").first.wait_for()
    words = page.locator(".gallery .verdict-line").all_inner_texts()
    assert set(words) == {"kept: not found in the traffic"}
    tab.shot("audited")
    with page.expect_download() as report:
        line.locator("a", has_text="Report").click()
    assert "HAB-01" in report.value.suggested_filename
    tab.check_accessibility("audited")
    assert tab.errors == []

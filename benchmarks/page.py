# ruff: noqa: E501
"""Measures the page in Chromium, with software rendering, over a real ground.

    python benchmarks/page.py [--quick] [--json]

Printed, and with --json as one object on the last line:

- ``fps_50x100k``: frames a second while the globe turns with 50 payloads of 100,000 points each;
- ``first_paint_s``: from the request of the page to the first frame with the track, of a ground
  with 100,000 stored positions, on loopback (median; with ``first_contentful_paint_s`` beside it);
- ``gzip_kb``: every file of the page, each gzipped, in kB of 1,000 bytes;
- ``heap_growth_mb``: what the browser's heap, array buffers included, grows from the end of the
  first to the end of the ninth hour of live data (14 payloads, a position and a navigation message
  each every 10 s), garbage collected before each look. The hours are fed in as fast as they go.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gzip
import json
import math
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import overflight_ground
from overflight_contract import messages as m
from overflight_contract.times import to_ns
from overflight_contract.topics import Kind, topic_for
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.judge import Arrival
from overflight_ground.ingest.plausible import Clock
from overflight_ground.store import Store

PAGE = Path(overflight_ground.__file__).parent / "page"
POINTS = 100_000
FLIGHT = "20230128T060000Z-7f3a"
START = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-precise-memory-info",
]

TURN = """async ([names, flight, points, seconds]) => {
  const { overflight: o } = await import("/js/main.js");
  const { Track } = await import("/js/track.js");
  for (const [p, name] of names.entries()) {
    o.model.payloads.set(name, { payload: name, flight, state: "ok", messages: 0, heard: Date.now() });
    const track = new Track(name, flight);
    track.loaded = track.complete = true;
    let [lat, lon] = [20 + 0.6 * p, 110];
    const rows = [];
    for (let i = 0; i < points; i += 1) {
      lat = Math.max(-80, Math.min(80, lat + 0.004 * Math.sin(i / 900 + p)));
      lon += 0.004 + 0.0008 * Math.sin(i / 130 + p);
      rows.push([1675e9 + i * 7000, lat, ((lon + 180) % 360) - 180, 18600 + 400 * Math.sin(i / 400), 25, 0]);
    }
    track.add(rows);
    o.model.tracks.set(name, track);
  }
  Object.assign(o.view, { payload: "HAB-01", follow: false, autoZoom: false });
  o.touch("fleet select tracks map");
  const next = () => new Promise(requestAnimationFrame);
  for (let i = 0; i < 20; i += 1) await next();
  const times = [];
  const from = performance.now();
  let last = from;
  while (last - from < seconds * 1000) {
    o.eye.look(o.eye.lat, o.eye.lon + 0.7);
    o.touch("map");
    await next();
    const now = performance.now();
    times.push(now - last);
    last = now;
  }
  times.sort((a, b) => a - b);
  return [times.length / ((last - from) / 1000), times[Math.floor(times.length * 0.95)]];
}"""

HOURS = """async ([from, hours, names, flight]) => {
  const { onEvent } = await import("/js/feed.js");
  const next = () => new Promise((done) => setTimeout(done, 0));
  for (let t = from * 3600; t < (from + hours) * 3600; t += 10) {
    const [positions, navigation, wire] = [[], [], []];
    for (const [p, payload] of names.entries()) {
      const at = { payload, flight, seq: t, measured_at_ms: 1675e9 + t * 1000 };
      positions.push({ ...at, lat_deg: 20 + p + Math.sin(t / 9e3), lon_deg: ((110 + t / 300 + 180) % 360) - 180, alt_msl_m: 18600, fix: "3d", sats: 11 });
      navigation.push({ ...at, track_deg: 80, speed_mps: 25, climb_mps: 0, phase: "float", waypoint: null, cross_track_m: 0 });
      for (const kind of ["position", "navigation"]) wire.push({ at_ms: Date.now(), payload: at.payload, topic: `overflight/1/${at.payload}/${kind}`, size: 182, summary: `#${t} ${kind}`, quarantined: false, id: t * 100 + p });
    }
    onEvent("batch", { positions, navigation, wire, counters: {} });
    if (t % 200 === 0) await next();
  }
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--json", action="store_true", help="print one object as the last line")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("Chromium is not installed; nothing to measure in.", file=sys.stderr)
        return 4
    result = measure(chromium, quick=args.quick)
    for name, value in result.items():
        print(f"{name:>28}  {value}")
    if args.json:
        print(json.dumps(result))
    return 0


def measure(chromium: str, *, quick: bool) -> dict[str, float]:
    from playwright.sync_api import sync_playwright

    result: dict[str, float] = {"gzip_kb": gzip_kb()}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        full, empty = Path(folder) / "full.sqlite", Path(folder) / "empty.sqlite"
        fill(full)
        with ground(full, Path(folder)) as url:
            result.update(first_paint(browser, url, 3 if quick else 9))
        with ground(empty, Path(folder)) as url:
            result.update(frames(browser, url, 3 if quick else 15))
            result["heap_growth_mb"] = heap_growth(browser, url)
        browser.close()
    return result


def gzip_kb() -> float:
    files = [path for path in PAGE.rglob("*") if path.is_file()]
    return round(sum(len(gzip.compress(path.read_bytes(), 9)) for path in files) / 1000, 1)


def fill(file: Path) -> None:
    """Store one flight of `POINTS` positions and a tenth as many navigation messages."""
    store = Store.open(str(file))
    intake = Intake(store, clock=Clock.DATA, simulated=True, now_ns=time.time_ns)
    intake.load()
    batch: list[Arrival] = []
    for seq, message in enumerate(flight(), 1):
        kind = Kind.POSITION if isinstance(message, m.Position) else Kind.NAVIGATION
        batch.append(
            Arrival(
                topic=topic_for("HAB-01", kind).encode(),
                raw=m.encode(message),
                qos=1,
                retained=False,
                dup=False,
                received_at_ns=to_ns(START) + seq * 7_000_000_000,
            )
        )
        if len(batch) == 5000:
            intake.commit(batch)
            batch = []
    intake.commit(batch)
    store.close()


def flight() -> Iterator[m.Position | m.Navigation]:
    seq = 0
    for i in range(POINTS):
        at = START + dt.timedelta(seconds=7 * i)
        seq += 1
        lon = (110 + 0.0019 * i + 180) % 360 - 180
        yield m.Position(
            flight=FLIGHT, seq=seq, held_from=1, measured_at=at,
            lat_deg=round(35 + 15 * math.sin(i / 9000) + 0.01 * math.sin(i / 60), 5) + 0.0,
            lon_deg=round(lon, 5) + 0.0,
            alt_msl_m=round(min(18600, 100 + 35 * i) + 300 * math.sin(i / 300), 1) + 0.0,
            alt_hae_m=None, fix=m.Fix.THREE_D, sats=11, hdop=0.8,
        )  # fmt: skip
        if i % 10 == 0:
            seq += 1
            yield m.Navigation(
                flight=FLIGHT, seq=seq, held_from=1, measured_at=at, track_deg=80.0,
                speed_mps=25.0, climb_mps=0.1, phase=m.Phase.FLOAT, waypoint=None,
                cross_track_m=None,
            )  # fmt: skip


@contextmanager
def ground(store: Path, folder: Path) -> Iterator[str]:
    port, broker = free_port(), free_port()
    words = [
        "ground", "run", "--broker", f"embedded:{broker}", "--store", str(store),
        "--http", f"127.0.0.1:{port}", "--clock", "data", "--simulated",
    ]  # fmt: skip
    with (folder / "ground.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "overflight", *words], cwd=folder, stdout=log, stderr=log
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/api/v1/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def first_paint(browser: Any, url: str, runs: int) -> dict[str, float]:
    tracks, contents = [], []
    for _ in range(runs):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto("about:blank")
        page.wait_for_timeout(500)  # the browser's own page for a new tab has come to rest
        page.goto(url)
        deadline = time.monotonic() + 30
        marks: list[float] = []
        while not marks and time.monotonic() < deadline:
            marks = page.evaluate(
                "performance.getEntriesByName('overflight:track').map((e) => e.startTime)"
            )
        tracks.append(marks[0] / 1000)
        paints = page.evaluate(
            "performance.getEntriesByName('first-contentful-paint').map((e) => e.startTime)"
        )
        contents.append((paints or [math.nan])[0] / 1000)
        context.close()
    return {
        "first_paint_s": round(statistics.median(tracks), 3),
        "first_contentful_paint_s": round(statistics.median(contents), 3),
    }


def frames(browser: Any, url: str, seconds: float) -> dict[str, float]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(url)
    page.locator("#mode", has_text="LIVE").wait_for()
    names = made_known(page, 50)
    fps, slowest = page.evaluate(TURN, [names, FLIGHT, POINTS, seconds])
    context.close()
    return {"fps_50x100k": round(fps, 1), "frame_p95_ms": round(slowest, 1)}


def made_known(page: Any, count: int) -> list[str]:
    """Let the page believe in payloads that the ground does not know; it asks every 15 s."""
    names = [f"HAB-{number:02d}" for number in range(1, count + 1)]
    known = [{"payload": name, "flight": FLIGHT, "state": "ok", "age_s": 1.0} for name in names]
    page.route("**/api/v1/payloads", lambda route: route.fulfill(json={"payloads": known}))
    return names


def heap_growth(browser: Any, url: str) -> float:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(url)
    page.locator("#mode", has_text="LIVE").wait_for()
    names = made_known(page, 14)
    protocol = context.new_cdp_session(page)

    def used_mb() -> float:
        page.wait_for_timeout(1500)
        for _ in range(3):
            protocol.send("HeapProfiler.collectGarbage")
        usage = protocol.send("Runtime.getHeapUsage")
        return float(usage["usedSize"] + usage.get("backingStorageSize", 0)) / 1e6

    page.evaluate(HOURS, [0, 1, names, FLIGHT])
    before = used_mb()
    page.evaluate(HOURS, [1, 8, names, FLIGHT])
    growth = used_mb() - before
    context.close()
    return round(growth, 2)


if __name__ == "__main__":
    sys.exit(main())

"""The real system behind the page: relay, ground with its broker, payload, each a process."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from overflight_contract.ports import free_port

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).parents[2] / "ground" / "page" / "vendor" / "axe.min.js"
ARTEFACTS = Path(__file__).parents[3] / "test-artefacts" / "page"


class System:
    """Processes in a folder; each is ended by its own id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("OVERFLIGHT_")}
        self.http, self.broker, self.relay, self.control = (free_port() for _ in range(4))
        self.url = f"http://127.0.0.1:{self.http}"
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *words: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self.children[name] = subprocess.Popen(
            [sys.executable, "-m", "overflight", *words],
            cwd=self.folder,
            env=self.environment,
            stdout=log,
            stderr=log,
        )
        log.close()

    def start_ground(self, *words: str) -> None:
        self.start(
            "ground", "ground", "run", "--broker", f"embedded:{self.broker}",
            "--store", "ground.sqlite", "--http", f"127.0.0.1:{self.http}",
            "--tap", f"http://127.0.0.1:{self.control}", "--clock", "data", "--simulated", *words,
        )  # fmt: skip
        self.until(lambda: self.get("health")["broker"] == "connected", "the ground", 60)

    def start_relay(self) -> None:
        self.start(
            "relay", "relay", "run", "--listen", f"127.0.0.1:{self.relay}",
            "--upstream", f"mqtt://127.0.0.1:{self.broker}",
            "--control", f"127.0.0.1:{self.control}", "--record", "session.mcap",
        )  # fmt: skip
        self.until(lambda: self.status()["policy"] == "enforce", "the relay", 60)

    def start_payload(self, source: str, speed: str, *words: str) -> None:
        self.start(
            "payload", "device", "run", source, "--speed", speed, "--seed", "7", "--camera", "sim",
            "--data", "device", "--log", "text", "--broker", f"mqtt://127.0.0.1:{self.relay}",
            *words,
        )  # fmt: skip

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "overflight", *words],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
        return done.stdout

    def audit(self, *words: str) -> None:
        """Audit as the demonstration does; any verdict is one (exit status 0, 1 or 3)."""
        done = subprocess.run(
            [sys.executable, "-m", "overflight", "audit", *words],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=180,
        )  # fmt: skip
        assert done.returncode in (0, 1, 3), done.stderr[-2000:] + done.stdout[-2000:]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=5) as answer:
            return json.load(answer)

    def status(self) -> Any:
        address = f"http://127.0.0.1:{self.control}/api/v1/status"
        with urllib.request.urlopen(address, timeout=5) as answer:
            return json.load(answer)

    def until(self, condition: Callable[[], object], what: str, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                if condition():
                    return
            except (OSError, ValueError, KeyError, IndexError):
                pass
            assert time.monotonic() < deadline, f"{what} did not come; {self.logs()}"
            time.sleep(0.1)

    def logs(self) -> str:
        return "\n".join(
            f"{file.name}: …{file.read_text()[-600:]}" for file in self.folder.glob("*.log")
        )

    def end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        child = self.children.pop(name, None)
        if child is not None and child.poll() is None:
            child.send_signal(how)
            child.wait(60)

    def close(self) -> None:
        for name in list(self.children)[::-1]:
            self.end(name)


class Tab:
    """One browser tab that remembers what went wrong and where it went."""

    def __init__(self, page: Any, system: System) -> None:
        self.page, self.system = page, system
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.text} {message.location.get('url', '')}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.system.url):
            self.elsewhere.append(request.url)

    def open(self, fragment: str = "", *, allowed: bool = False) -> Any:
        """Open the page; `allowed` with the ground's token, so that it may change things."""
        if allowed:
            token = (self.system.folder / "ground.token").read_text().strip()
            self.page.goto(f"{self.system.url}/?token={token}")
        self.page.goto(f"{self.system.url}/{fragment}")
        return self.page

    def shot(self, name: str) -> None:
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png")

    def model(self, expression: str) -> Any:
        """Evaluate `expression` with `o` as what the page gives to tests."""
        return self.page.evaluate(
            f"async () => {{ const {{ overflight: o }} = await import('/js/main.js');"
            f" return {expression}; }}"
        )

    def until(self, expression: str, timeout: float = 60) -> None:
        self.system.until(lambda: self.model(expression), expression, timeout)

    def check_accessibility(self, what: str) -> None:
        """Let axe look at the page as it is, in both themes, on a large and on a small screen."""
        if self.page.evaluate("!window.axe"):
            self.page.evaluate(AXE.read_text())
        self.page.emulate_media(reduced_motion="reduce")
        for scheme, size in itertools.product(("dark", "light"), ((1440, 900), (800, 480))):
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size({"width": size[0], "height": size[1]})
            # Playwright's own wait would evaluate text in the page, which its policy forbids.
            settled = (
                f"document.documentElement.dataset.theme === '{scheme}'"
                f" && document.getElementById('map').clientWidth < {size[0]}"
            )
            self.system.until(lambda settled=settled: self.page.evaluate(settled), settled, 30)
            found = self.page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
            told = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]
            assert told == [], (what, scheme, size)
        self.page.set_viewport_size({"width": 1440, "height": 900})
        self.page.emulate_media(color_scheme="dark", reduced_motion="no-preference")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    found = System(tmp_path_factory.mktemp("system"))
    yield found
    found.close()


@pytest.fixture(scope="module")  # no longer: Playwright's loop must not run beside others
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed; the page's tests in a browser need it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@contextmanager
def _opened(browser: Any, system: System) -> Iterator[Tab]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    context.set_default_timeout(60_000)  # a machine with two busy cores is slow, not broken
    opened = Tab(context.new_page(), system)
    yield opened
    context.close()
    assert opened.elsewhere == []


@pytest.fixture
def opened_tab() -> Callable[..., AbstractContextManager[Tab]]:
    """Opens a tab for a step of a longer test."""
    return _opened


@pytest.fixture
def tab(browser: Any, system: System) -> Iterator[Tab]:
    with _opened(browser, system) as opened:
        yield opened

"""The control port, the live tap, and the commands that talk to them."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

from overflight.cli import main
from overflight_contract.mqtt import Connect, Publish, Version, encode
from overflight_contract.session import Direction, Verdict, open_session
from overflight_relay.hub import Hub

V311 = Version.V311


@contextlib.contextmanager
def a_relay(folder):
    """A relay as a process; yields (process, port, control URL, session)."""
    session = folder / "s.mcap"
    environment = os.environ | {"XDG_RUNTIME_DIR": str(folder)}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "overflight", "relay", "run"),
            *("--listen", "127.0.0.1:0", "--upstream", "mqtt://127.0.0.1:1"),
            *("--control", "127.0.0.1:0", "--record", str(session), "--seed", "3"),
        ],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    lines = [process.stdout.readline() for _ in range(3)]
    port = int(re.search(r":(\d+) →", lines[0])[1])
    url = re.search(r"http://\S+", lines[2])[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        yield process, port, url, session
    if process.poll() is None:
        process.kill()
    process.wait(10)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A relay for all tests that leave it running; none may count on what another did."""
    with a_relay(tmp_path_factory.mktemp("relay")) as found:
        yield found


async def refused_connect(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(encode(Connect(client_id="stranger", version=V311), V311))
    assert await reader.read(4) == b"\x20\x02\x00\x02"
    writer.close()


async def test_status_metrics_health_rules(running):
    _, port, url, session = running
    await refused_connect(port)
    async with httpx.AsyncClient(base_url=url) as http:
        assert (await http.get("/health")).json() == {"status": "ok"}
        status = (await http.get("/api/v1/status")).json()
        assert status["refused"] >= 1
        assert status["policy"] == "enforce"
        assert status["link"] == "perfect"
        assert status["session"] == str(session)
        for key in ("connections", "packets_up", "packets_down", "bytes_up", "bytes_down"):
            assert status[key] >= 0
        assert "overflight_relay_refused_total" in (await http.get("/metrics")).text
        rules = (await http.get("/api/v1/rules")).json()
        assert "schema" in {rule["name"] for rule in rules["rules"]}
        assert "/api/v1/tap" in (await http.get("/openapi.json")).json()["paths"]
        assert (await http.get("/api/v1/connections")).json() == {"connections": []}


async def test_the_tap_tells_of_a_refusal(running):
    _, port, url, _ = running
    async with httpx.AsyncClient(base_url=url, timeout=10) as http:
        query = {"filter": "verdict == refused", "tail": 5}
        async with http.stream("GET", "/api/v1/tap", params=query) as response:
            await refused_connect(port)
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    view = json.loads(line[6:])[-1]
                    break
    assert (view["verdict"], view["type"], view["client_id"]) == ("refused", "connect", "stranger")
    assert view["reason"].startswith("identity: ")
    assert bytes.fromhex(view["hex"])[0] == 0x10


async def test_a_bad_filter_is_explained(running):
    async with httpx.AsyncClient(base_url=running[2]) as http:
        answer = await http.get("/api/v1/tap", params={"filter": "colour == red"})
        assert answer.status_code == 422
        assert "colour" in answer.json()["detail"]


async def test_who_changes_something_shows_the_token(running):
    async with httpx.AsyncClient(base_url=running[2]) as http:
        assert (await http.put("/api/v1/link", json={"profile": "lte"})).status_code == 401


def test_the_commands(running, capsys):
    url = running[2]
    asyncio.run(refused_connect(running[1]))
    assert main(["relay", "status", "--relay", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 3
    assert main(["relay", "link", "flaky", "--relay", url]) == 0
    assert "link flaky, seed 3" in capsys.readouterr().out
    assert main(["relay", "link", "--latency", "800ms", "--relay", url, "--json"]) == 0
    link = json.loads(capsys.readouterr().out)["link"]
    assert link["up"]["latency_ms"] == link["down"]["latency_ms"] == 800
    assert main(["relay", "link", "perfect", "--relay", url]) == 0
    assert main(["relay", "usage", "--relay", url]) == 0
    assert "stranger" in capsys.readouterr().out
    assert main(["relay", "link", "flakey", "--relay", url]) == 2
    assert main(["relay", "status", "--relay", "http://127.0.0.1:1"]) == 4


def test_watch_live(running, capsys):
    url = running[2]
    asyncio.run(refused_connect(running[1]))
    assert main(["watch", url, "--tail", "50", "-n", "1", "verdict == refused"]) == 0
    line = capsys.readouterr().out
    assert "REFUSED: identity: client id 'stranger'" in line


def test_the_end_is_clean_and_the_link_changes_are_in_the_session(tmp_path):
    with a_relay(tmp_path) as (process, _, url, session):
        for change in (["flaky"], ["--latency", "800ms"], ["perfect"]):
            assert main(["relay", "link", *change, "--relay", url]) == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    with open_session(session) as reader:
        notes = [(note.kind, note.detail) for note in reader.notes()]
    assert [kind for kind, _ in notes] == ["start", "link", "link", "link", "stop"]
    assert '"flaky"' in notes[1][1]["profile"]
    assert notes[0][1]["seed"] == "3"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--record"),
        (["--no-record", "--listen", "0.0.0.0:0"], "--insecure"),
        (["--no-record", "--listen", "tls://127.0.0.1:0"], "--certificate"),
        (["--no-record", "--upstream", "http://x"], "broker"),
        (["--no-record", "--link", "none-such"], "none-such"),
        (["--no-record", "--rules", "none.toml"], "none.toml"),
    ],
)
def test_what_a_person_may_get_wrong(arguments, says, capsys):
    assert main(["relay", "run", "--control", "off", *arguments]) == 2
    assert says in capsys.readouterr().err


def record(number, data, verdict=Verdict.OK, reason=""):
    return (1_000 + number, 1, Direction.UP, verdict, reason, data, 0)


async def test_a_watcher_that_does_not_keep_up_is_told_what_it_missed():
    hub = Hub()
    watcher = hub.subscribe(None)
    data = encode(Publish(topic="t", payload=b"x"), V311)
    for start in range(0, 50_000, 1000):
        hub.packets([record(start + n, data) for n in range(1000)])
    hub.packets([record(50_000, data, Verdict.REFUSED, "topic: no")])
    hub.look()
    seen = missed = 0
    async for name, told in watcher.events(idle_s=0.05):
        if name == "idle":
            break
        if name == "missed":
            missed += json.loads(told)["missed"]
        else:
            seen += len(json.loads(told))
    assert missed > 0
    assert seen + missed == 50_001


async def test_refused_packets_are_shown_first_when_there_are_too_many():
    hub = Hub()
    watcher = hub.subscribe(None)
    data = encode(Publish(topic="t", payload=b"x"), V311)
    hub.packets([record(n, data) for n in range(15_000)])
    hub.packets([record(15_000, data, Verdict.REFUSED, "topic: no")])
    hub.look(budget_s=0.001)
    async for name, told in watcher.events(idle_s=0.05):
        if name == "packets":
            assert json.loads(told)[-1]["verdict"] == "refused"
            break


async def told(watcher):
    name, data = await anext(watcher.events(idle_s=0.05))
    assert name == "packets"
    return json.loads(data)


async def test_who_begins_to_watch_later_still_gets_what_was_refused():
    hub = Hub()
    data = encode(Publish(topic="t", payload=b"x"), V311)
    for n in range(700):
        hub.packets([record(n, data, Verdict.REFUSED, f"topic: {n}")])
    for n in range(700, 10_000):
        hub.packets([record(n, data)])
    refused = await told(hub.subscribe(lambda view: view.verdict == "refused", tail=20))
    assert [view["reason"] for view in refused] == [f"topic: {n}" for n in range(680, 700)]
    assert [view["sequence"] for view in refused] == list(range(680, 700))
    everything = await told(hub.subscribe(None, tail=20))
    assert [view["sequence"] for view in everything] == list(range(9_980, 10_000))
    both = await told(hub.subscribe(None, tail=20, notable=500))
    assert [view["sequence"] for view in both] == [*range(200, 700), *range(9_980, 10_000)]


async def test_what_is_kept_of_them_is_bounded_in_bytes():
    hub = Hub()
    data = encode(Publish(topic="t", payload=bytes(1 << 20)), V311)
    for n in range(20):
        hub.packets([record(n, data, Verdict.MARKED, "size: large")])
    for n in range(20, 5_000):
        hub.packets([record(n, b"\xc0\0")])
    kept = await told(hub.subscribe(lambda view: view.verdict == "marked", tail=20))
    assert [view["sequence"] for view in kept] == [17, 18, 19]

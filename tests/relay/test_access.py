"""The control port is for people and programs of this machine, not for pages of other sites."""

import httpx
import pytest

from overflight_relay.access import names_relay
from overflight_relay.control import build_app
from overflight_relay.hub import Hub
from overflight_relay.link.control import LinkControl
from overflight_relay.link.model import Profile
from overflight_relay.ruleset import RuleSet
from overflight_relay.server import RelayServer
from overflight_relay.tap import Tap
from overflight_relay.upstream import Upstreams, parse_upstream

EVIL = "http://evil.example:18830"
TOKEN = {"Authorization": "Bearer secret"}


@pytest.fixture
async def ask():
    """Ask the control port's application with these headers."""
    upstreams = Upstreams([parse_upstream("mqtt://127.0.0.1:1")])
    link = LinkControl(Profile(name="perfect"), 0, lambda: 0.0)
    relay = RelayServer(Tap(None), RuleSet(), link, upstreams, enforce=True)
    app = build_app(relay, Hub(), session="", token="secret")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:18830") as http:
        yield http


@pytest.mark.parametrize("path", ["/health", "/api/v1/status", "/metrics", "/api/v1/tap"])
async def test_a_name_that_points_here_is_no_way_in(ask, path):
    answer = await ask.get(path, headers={"Host": "evil.example:18830"})
    assert answer.status_code == 403
    assert "evil.example" in answer.json()["detail"]


@pytest.mark.parametrize(
    "origin", [EVIL, "null", "http://[", "http://127.0.0.1:8080", "https://localhost:18830"]
)
async def test_a_page_of_another_origin_may_not_ask(ask, origin):
    for answer in (
        await ask.get("/api/v1/status", headers={"Origin": origin}),
        await ask.get("/api/v1/tap", headers={"Origin": origin}),
        await ask.put("/api/v1/link", json={"profile": "flaky"}, headers={"Origin": origin}),
    ):
        assert answer.status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:18830", "localhost:18830", "[::1]:18830", "127.8.8.8"])
async def test_whoever_is_on_this_machine_may_ask(ask, host):
    assert (await ask.get("/api/v1/status", headers={"Host": host})).status_code == 200
    same = {"Host": host, "Origin": f"http://{host}"}
    assert (await ask.get("/api/v1/status", headers=same)).status_code == 200


async def test_the_token_opens_under_any_name_and_nothing_else_changes_anything(ask):
    named = {"Host": "relay.example.org", "Origin": EVIL}
    assert (await ask.get("/api/v1/status", headers=named | TOKEN)).status_code == 200
    change = {"profile": "flaky"}
    assert (await ask.put("/api/v1/link", json=change)).status_code == 401
    bad = {"Authorization": "Bearer secre"}
    assert (await ask.put("/api/v1/link", json=change, headers=bad)).status_code == 401
    assert (await ask.get("/api/v1/status", headers=named | bad)).status_code == 403


@pytest.mark.parametrize(
    ("host", "configured", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("LocalHost:1", "127.0.0.1", True),
        ("[::1]", "127.0.0.1", True),
        ("[::ffff:127.0.0.1]:9", "::1", True),
        ("", "127.0.0.1", False),
        ("127.0.0.1.evil.example", "127.0.0.1", False),
        ("192.0.2.1", "127.0.0.1", False),
        ("relay", "127.0.0.1", False),
        ("[", "127.0.0.1", False),
        ("my-pi.local", "my-pi.local", True),
        ("192.0.2.1:80", "0.0.0.0", True),
        ("relay:18830", "0.0.0.0", True),
        ("evil.example", "0.0.0.0", False),
        ("evil.example", "::", False),
    ],
)
def test_what_names_the_relay(host, configured, expected):
    assert names_relay(host, configured) is expected

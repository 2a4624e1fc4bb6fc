"""The pytest plugin: sessions, replays, a broker, a relay and virtual time in people's tests.

See docs/testing.md. Light: nothing but pytest is imported until a fixture is used.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from overflight.recorded import Session
    from overflight.testing.broker import TestBroker
    from overflight.testing.golden import Golden
    from overflight.testing.relay import TestRelay
    from overflight.testing.replayed import Replayed

SESSION_MARKER = """\
session(path, *, speed='max', only='', role='clients', flat=False, qos=None, count=None, \
gap_s=None, rename=None, ignore=None, client=None, timeout_s=30): the session that the fixtures \
'session' and 'replayed' use; looked for beside the test module, then in the root folder"""
RELAY_MARKER = """\
relay(policy='enforce', link='perfect', seed=1, rules=None): how the fixture 'relay' runs"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update-sessions``."""
    group = parser.getgroup("overflight", "recorded MQTT sessions")
    group.addoption(
        "--update-sessions",
        action="store_true",
        default=False,
        help="write golden session files anew instead of comparing with them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for marker in (SESSION_MARKER, RELAY_MARKER):
        config.addinivalue_line("markers", marker)


def _marked(request: pytest.FixtureRequest) -> tuple[Path, dict[str, Any]]:
    """Return the file and the options of the test's session marker."""
    marker = request.node.get_closest_marker("session")
    if marker is None or not (marker.args or "path" in marker.kwargs):
        raise pytest.UsageError(
            f"{request.node.nodeid} needs @pytest.mark.session('FILE'): which session is it about?"
        )
    options = dict(marker.kwargs)
    name = Path(marker.args[0] if marker.args else options.pop("path"))
    for folder in (request.path.parent, request.config.rootpath):
        if (folder / name).exists():
            return folder / name, options
    raise pytest.UsageError(f"no session {name} beside {request.path.name} or in the root folder")


@pytest.fixture
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """The marked session, opened: packets, messages and tracks as typed objects."""
    from overflight.recorded import Session

    path, options = _marked(request)
    with Session.open(path, only=options.get("only", "")) as opened:
        yield opened


@pytest.fixture(scope="session")
def mqtt_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestBroker]:
    """A real broker (nats-server, MQTT 3.1.1) on a free port, started once for all tests."""
    from overflight.testing.broker import TestBroker

    with TestBroker(tmp_path_factory.mktemp("mqtt-broker")) as broker:
        yield broker


@pytest.fixture
def replayed(request: pytest.FixtureRequest) -> Iterator[Replayed]:
    """The marked session, to be played to the code under test, and what came of it.

    As the clients (the default) it plays to `mqtt_broker`; with ``role="broker"`` it is the broker
    that a payload under test connects to.
    """
    from overflight.testing.replayed import ReplayedToBroker, ReplayedToPayload

    path, options = _marked(request)
    if options.pop("role", "clients") == "broker":
        with ReplayedToPayload(path, **options) as played:
            yield played
        return
    broker: TestBroker = request.getfixturevalue("mqtt_broker")
    with ReplayedToBroker(path, broker.url, **options) as driven:
        yield driven


def _relay(request: pytest.FixtureRequest, folder: Path, **changed: Any) -> TestRelay:
    from overflight.testing.relay import TestRelay

    marker = request.node.get_closest_marker("relay")
    options = {**(marker.kwargs if marker is not None else {}), **changed}
    broker: TestBroker = request.getfixturevalue("mqtt_broker")
    return TestRelay(folder, options.pop("upstream", broker.url), **options)


@pytest.fixture
def relay(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestRelay]:
    """A real relay before `mqtt_broker`, with the marked link profile and policy."""
    with _relay(request, tmp_path / "relay") as running:
        yield running


@pytest.fixture
def egress(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestRelay]:
    """A relay to connect to; fails the test when anything but the contract leaves."""
    with _relay(request, tmp_path / "egress", policy="observe") as running:
        yield running
        running.stop()
        running.assert_only_the_contract_left()


@pytest.fixture
def golden_session(request: pytest.FixtureRequest) -> Golden:
    """Compares sessions with golden files beside the test module (``--update-sessions``)."""
    from overflight.testing.golden import Golden

    update = request.config.getoption("--update-sessions")
    return Golden(request.path.parent, update=bool(update))


@pytest.fixture
def virtual_time() -> Callable[..., Any]:
    """Run a coroutine in virtual time: ``virtual_time(main(), start=...)``."""
    from overflight.virtual import run

    return functools.partial(run)

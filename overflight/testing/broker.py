"""A real broker for tests, and an ear at it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from overflight_ground.broker import EmbeddedBroker

DEADLINE_S = 30.0


class Heard(NamedTuple):
    """A message that came out of the broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Ear:
    """What was heard; thread-safe."""

    def __init__(self) -> None:
        self._heard: list[Heard] = []
        self._more = threading.Condition()

    @property
    def messages(self) -> list[Heard]:
        """Everything so far, in order."""
        with self._more:
            return list(self._heard)

    def hear(self, message: Heard) -> None:
        """Add a message."""
        with self._more:
            self._heard.append(message)
            self._more.notify_all()

    def wait_for(self, count: int, deadline_s: float = DEADLINE_S) -> list[Heard]:
        """Wait until there are `count` messages; fails the test when they do not come."""
        with self._more:
            if not self._more.wait_for(lambda: len(self._heard) >= count, deadline_s):
                raise AssertionError(
                    f"{len(self._heard)} of {count} messages came within {deadline_s:g} s"
                )
            return list(self._heard)

    def quiet(self, still_s: float = 0.05, deadline_s: float = DEADLINE_S) -> list[Heard]:
        """Wait until nothing has come for `still_s` seconds."""
        end = time.monotonic() + deadline_s
        with self._more:
            while time.monotonic() < end:
                count = len(self._heard)
                grown = self._more.wait_for(lambda seen=count: len(self._heard) > seen, still_s)  # type: ignore[misc]
                if not grown:
                    break
            return list(self._heard)


class TestBroker:
    """nats-server in a folder of its own; `url`, `host` and `port` say where it is."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedBroker(folder)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        """Its URL: ``mqtt://HOST:PORT``."""
        return self._server.url

    @property
    def host(self) -> str:
        """Its host."""
        return self._server.host

    @property
    def port(self) -> int:
        """Its port."""
        return self._server.port

    def listen(self, topic: str = "#", *, qos: int = 1) -> contextlib.AbstractContextManager[Ear]:
        """Subscribe; messages are collected in a thread until the block ends."""
        return listening(self.host, self.port, topic, qos=qos)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish one message, and wait until the broker has it."""
        with _client(self.host, self.port) as client:
            client.publish(topic, payload, qos, retain).wait_for_publish(DEADLINE_S)


@contextlib.contextmanager
def listening(host: str, port: int, topic: str, *, qos: int = 1) -> Iterator[Ear]:
    """Collect what the broker publishes under `topic`; retained values are left out."""
    ear, ready = Ear(), threading.Event()

    def on_message(_client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        if not message.retain:
            ear.hear(Heard(message.topic, bytes(message.payload), message.qos, message.retain))

    def prepare(client: paho.Client) -> None:
        client.on_message = on_message
        client.on_subscribe = lambda *_: ready.set()

    with _client(host, port, prepare) as client:
        client.subscribe(topic, qos)
        if not ready.wait(DEADLINE_S):
            raise AssertionError("the broker did not take the subscription")
        yield ear


@contextlib.contextmanager
def _client(
    host: str, port: int, prepare: Callable[[paho.Client], None] = lambda _client: None
) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    prepare(client)
    client.connect(host, port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()

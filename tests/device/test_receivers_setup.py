"""Airborne mode of a u-blox receiver, and the search for its baud rate."""

from __future__ import annotations

import struct

import pytest

from overflight_device.receivers.airborne import Airborne, AirborneState
from overflight_device.receivers.baud import LISTEN_S, RATES, BaudSearch
from overflight_device.receivers.encoding import message, sentence
from overflight_device.receivers.framing import Framer, Ubx

KEY = 0x20110021


class FakeReceiver:
    """Answers as a u-blox receiver of a protocol version does; `by_key` knows CFG-VALSET only."""

    def __init__(self, protocol: str, *, by_key: bool = False, model: int = 0) -> None:
        self.protocol = protocol
        self.by_key = by_key
        self.model = model
        self.deaf = False
        self.stubborn = False
        self.sets = 0

    def hear(self, data: bytes) -> list[Ubx]:
        framer = Framer()
        frames = [frame for frame in framer.feed(data) if isinstance(frame, Ubx)]
        answers = b"" if self.deaf else b"".join(map(self._answer, frames))
        return [frame for frame in Framer().feed(answers) if isinstance(frame, Ubx)]

    def _answer(self, frame: Ubx) -> bytes:
        kind = (frame.message_class, frame.message_id)
        if kind == (0x0A, 0x04):
            text = [b"ROM CORE 3.01", b"00080000", f"PROTVER={self.protocol}".encode()]
            return message(0x0A, 0x04, text[0].ljust(30, b"\0") + text[1].ljust(10, b"\0")
                           + text[2].ljust(30, b"\0"))  # fmt: skip
        if kind[1] in (0x8A, 0x8B) if not self.by_key else kind[1] == 0x24:
            return message(0x05, 0x00, bytes(kind))
        if kind == (0x06, 0x24) and frame.payload:
            assert struct.unpack_from("<H", frame.payload) == (1,)  # the model, nothing else
            return self._set(frame.payload[2], kind)
        if kind == (0x06, 0x24):
            return message(0x06, 0x24, bytes((0xFF, 0xFF, self.model)) + bytes(33))
        if kind == (0x06, 0x8A):
            assert struct.unpack_from("<BBxxI", frame.payload) == (0, 1, KEY)  # in RAM
            return self._set(frame.payload[8], kind)
        assert kind == (0x06, 0x8B)
        return message(0x06, 0x8B, struct.pack("<BBxxIB", 1, 0, KEY, self.model))

    def _set(self, model: int, kind: tuple[int, int]) -> bytes:
        self.sets += 1
        if not self.stubborn:
            self.model = model
        return message(0x05, 0x01, bytes(kind))


def converse(airborne: Airborne, receiver: FakeReceiver, start_s: float, seconds: int) -> None:
    """Let both talk, the clock going on by half a second."""
    for half in range(2 * seconds):
        now_s = start_s + half / 2
        words = airborne.tick(now_s)
        while words:
            answers = receiver.hear(b"".join(words))
            words = [word for frame in answers for word in airborne.take(frame, now_s)]


@pytest.mark.parametrize(
    ("protocol", "by_key"), [("14.00", False), ("18.00", False), ("27.11", True), ("34.10", True)]
)
def test_it_is_set_and_checked(protocol: str, by_key: bool) -> None:
    airborne, receiver = Airborne(), FakeReceiver(protocol, by_key=by_key)
    assert airborne.state is AirborneState.UNKNOWN
    converse(airborne, receiver, 0, 5)
    assert airborne.state is AirborneState.ON
    assert (airborne.model, receiver.model, receiver.sets) == (6, 6, 1)


def test_a_refusal_makes_it_try_the_other_way() -> None:
    airborne, receiver = Airborne(), FakeReceiver("18.00", by_key=True)
    converse(airborne, receiver, 0, 10)
    assert airborne.state is AirborneState.ON


def test_a_reset_is_noticed_and_the_mode_set_again() -> None:
    airborne, receiver = Airborne(), FakeReceiver("18.00")
    converse(airborne, receiver, 0, 5)
    receiver.model = 0
    converse(airborne, receiver, 5, 60)
    assert (airborne.state, receiver.model, airborne.times_set) == (AirborneState.ON, 6, 2)


def test_the_greeting_of_a_reset_receiver_is_enough() -> None:
    airborne, receiver = Airborne(), FakeReceiver("18.00")
    converse(airborne, receiver, 0, 5)
    receiver.model = 0
    (greeting,) = Framer().feed(sentence("GNTXT,01,01,02,u-blox AG - www.u-blox.com"))
    words = airborne.take(greeting, 6.0)
    assert words
    assert airborne.state is AirborneState.SETTING
    for frame in receiver.hear(b"".join(words)):
        airborne.take(frame, 6.0)
    assert (airborne.state, receiver.model) == (AirborneState.ON, 6)


def test_another_airborne_model_is_left_alone() -> None:
    airborne, receiver = Airborne(), FakeReceiver("18.00", model=8)
    receiver.stubborn = True
    converse(airborne, receiver, 0, 5)
    assert (airborne.state, airborne.model) == (AirborneState.ON, 8)


def test_a_receiver_that_does_not_change_is_given_up_for_a_while() -> None:
    airborne, receiver = Airborne(), FakeReceiver("18.00")
    receiver.stubborn = True
    converse(airborne, receiver, 0, 30)
    assert airborne.state is AirborneState.REFUSED
    receiver.stubborn = False
    converse(airborne, receiver, 30, 120)
    assert airborne.state is AirborneState.ON


def test_what_does_not_answer_is_asked_for_its_version_only() -> None:
    airborne = Airborne()
    said = [word for second in range(300) for word in airborne.tick(second)]
    assert set(said) == {message(0x0A, 0x04)}
    assert len(said) < 10
    assert airborne.state is AirborneState.UNKNOWN


def test_one_that_falls_silent_is_unknown_again() -> None:
    airborne, receiver = Airborne(), FakeReceiver("18.00")
    converse(airborne, receiver, 0, 5)
    receiver.deaf = True
    converse(airborne, receiver, 5, 200)
    assert airborne.state is AirborneState.UNKNOWN


def listen(search: BaudSearch, right: int, start_s: float, seconds: float) -> float:
    """Hear noise at any rate but `right`; return the time at the end."""
    now_s = start_s
    while now_s < start_s + seconds:
        search.heard(100, 3 if search.rate == right else 0, now_s)
        now_s += 0.5
    return now_s


@pytest.mark.parametrize("rate", RATES)
def test_every_rate_is_found(rate: int) -> None:
    search = BaudSearch()
    listen(search, rate, 0, len(RATES) * (LISTEN_S + 1))
    assert (search.rate, search.found) == (rate, True)


def test_a_receiver_that_changes_its_rate_is_found_again() -> None:
    search = BaudSearch()
    now_s = listen(search, 9600, 0, 10)
    listen(search, 38400, now_s, 20)
    assert (search.rate, search.found) == (38400, True)


def test_a_silent_line_keeps_its_rate() -> None:
    search = BaudSearch()
    now_s = listen(search, 9600, 0, 10)
    for second in range(600):
        assert not search.heard(0, 0, now_s + second)
    assert search.rate == 9600


def test_a_given_rate_stays() -> None:
    search = BaudSearch(4800)
    listen(search, 9600, 0, 60)
    assert search.rate == 4800

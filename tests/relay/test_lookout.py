"""The loop stays awake for answers that come at once, and sleeps where they don't."""

import asyncio

import pytest

from overflight_relay import lookout
from overflight_relay.lookout import Lookout


class Loop:
    """Calls what is wanted soon when told to."""

    def __init__(self):
        self.soon = []

    def call_soon(self, action):
        self.soon.append(action)

    def turn(self):
        soon, self.soon = self.soon, []
        for action in soon:
            action()
        return bool(soon)


@pytest.fixture
def clock(monkeypatch):
    now = [1_000_000]
    monkeypatch.setattr(lookout, "perf_counter_ns", lambda: now[0])
    return now


def test_awake_until_the_answer_comes(clock):
    loop = Loop()
    watch = Lookout(loop)
    watch.expect()
    for _ in range(5):
        assert loop.turn()
        clock[0] += 5_000
    watch.answered()
    assert loop.turn()
    assert not loop.turn()
    watch.expect()
    assert loop.turn(), "it paid, so it is done again"


def test_awake_for_a_moment_only(clock):
    loop = Loop()
    Lookout(loop).expect()
    clock[0] += 60_000
    assert loop.turn()
    assert not loop.turn()


def test_tries_less_and_less_often_where_nothing_comes_in_time(clock):
    loop, tries = Loop(), 0
    watch = Lookout(loop)
    for _ in range(10_000):
        watch.expect()
        clock[0] += 60_000
        tries += loop.turn()
        assert not loop.turn()
        watch.answered()
    assert 5 < tries < 25


def test_expecting_twice_is_one_watch(clock):
    loop = Loop()
    watch = Lookout(loop)
    watch.expect()
    watch.expect()
    assert len(loop.soon) == 1


async def test_the_loop_goes_on_with_all_else():
    loop = asyncio.get_running_loop()
    watch, done = Lookout(loop), asyncio.Event()
    watch.expect()
    loop.call_soon(done.set)
    await asyncio.wait_for(done.wait(), 1)

"""The link model on a virtual clock: the same seed gives the same faults."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflight_contract.errors import InputError
from overflight_relay.control import changed
from overflight_relay.link.control import LinkControl
from overflight_relay.link.model import Line, Outage, Profile, Way
from overflight_relay.link.profiles import load_profile, named_profiles
from overflight_relay.link.queue import LinkQueue

PUBLISH = b"\x32" + bytes(200)
PING = b"\xc0\x00"


def fates(profile, seed=1, client="HAB-01", connection=1, direction=0, count=300, gap_s=0.5):
    line = Line(seed, client, connection, direction)
    way = profile.down if direction else profile.up
    return [line.carry(way, profile.outages, PUBLISH, n * gap_s) for n in range(count)]


def test_the_named_profiles():
    expected = {"lte", "lte-edge-of-cell", "satellite-leo", "satellite-geo", "iridium", "flaky"}
    assert set(named_profiles()) == expected | {"perfect"}
    for profile in named_profiles().values():
        assert profile.source
        for way in (profile.up, profile.down):
            assert way.drop == way.double == 0, "hostile faults are off in every named profile"
    assert load_profile("perfect").perfect


@pytest.mark.parametrize("name", sorted(named_profiles()))
def test_the_same_seed_gives_the_same_faults(name):
    profile = load_profile(name)
    assert fates(profile) == fates(profile)
    if not profile.perfect:
        for other in ({"seed": 2}, {"client": "HAB-02"}, {"connection": 2}):
            assert fates(profile) != fates(profile, **other)


def test_one_connection_does_not_depend_on_another():
    profile = load_profile("flaky")
    alone = fates(profile)
    first, second = Line(1, "HAB-01", 1, 0), Line(1, "HAB-02", 1, 0)
    mixed = []
    for n in range(300):
        mixed.append(first.carry(profile.up, profile.outages, PUBLISH, n * 0.5))
        second.carry(profile.up, profile.outages, PUBLISH, n * 0.5)
    assert mixed == alone


@settings(max_examples=100, deadline=None)
@given(
    way=st.builds(
        Way,
        latency_ms=st.floats(0, 2000),
        jitter_ms=st.floats(0, 500),
        jitter=st.sampled_from(["none", "uniform", "normal", "exponential", "pareto"]),
        bandwidth_kbps=st.sampled_from([0, 2.4, 1000]),
        loss=st.floats(0, 0.9),
        stall=st.floats(0, 0.1),
        stall_ms=st.floats(0, 5000),
    ),
    seed=st.integers(0, 1000),
)
def test_nothing_is_lost_and_order_is_kept(way, seed):
    found = fates(Profile(up=way), seed=seed, count=60)
    times = [fate.at_s for fate in found]
    assert times == sorted(times)
    assert all(fate.at_s >= n * 0.5 for n, fate in enumerate(found))
    assert {fate.copies for fate in found} == {1}


def test_latency_jitter_and_bandwidth_are_what_they_say():
    way = Way(latency_ms=100, jitter_ms=10)
    delays = [fate.at_s - n * 0.5 for n, fate in enumerate(fates(Profile(up=way), count=500))]
    assert abs(sum(delays) / len(delays) - 0.1) < 0.005
    slow = fates(Profile(up=Way(bandwidth_kbps=1.608)), count=10, gap_s=0)
    assert [round(fate.at_s) for fate in slow] == list(range(1, 11))


def test_loss_shows_as_delay_that_doubles():
    way = Way(loss=0.5, retransmit_ms=100)
    delays = {
        round(fate.at_s - n * 100, 3)
        for n, fate in enumerate(fates(Profile(up=way), count=400, gap_s=100))
    }
    assert {0.0, 0.1, 0.3, 0.7} <= delays


def test_nothing_passes_in_an_outage():
    profile = Profile(outages=(Outage(after_s=10, for_s=5, every_s=30),))
    for fate in fates(profile, count=200, gap_s=0.7):
        since = fate.at_s - 10
        assert since < 0 or since % 30 >= 5 - 1e-9


def test_hostile_faults_take_publishes_and_acknowledgements_only():
    line = Line(1, "HAB-01", 1, 0)
    way = Way(drop=0.3, double=0.3)
    copies = [line.carry(way, (), PUBLISH, 0).copies for _ in range(300)]
    assert {0, 1, 2} == set(copies)
    assert {line.carry(way, (), PING, 0).copies for _ in range(300)} == {1}


def test_half_open_swallows_for_ever():
    line, way = Line(1, "HAB-01", 1, 0), Way(half_open=0.2)
    found = [line.carry(way, (), PUBLISH, 0) for _ in range(100)]
    first = next(n for n, fate in enumerate(found) if fate.half_open)
    assert {fate.copies for fate in found[first:]} == {0}


async def test_the_queue_writes_in_order_and_when_it_is_time():
    now = 0.0
    control = LinkControl(Profile(up=Way(latency_ms=50)), 1, lambda: now)
    written, holds = [], []
    queue = LinkQueue(
        control,
        0,
        write=written.append,
        hold=holds.append,
        reset=lambda: None,
        loop=asyncio.get_running_loop(),
    )
    queue.line = control.line("HAB-01", 1, 0)
    queue.push([b"2a", b"2b"])
    assert written == []
    now = 0.06
    control.set(Profile(name="perfect"))
    queue.push([b"2c"])  # stays behind those that wait
    assert written == []
    queue._deliver()
    assert b"".join(written) == b"2a2b2c"
    queue.push([b"2d"])
    assert written[-1] == b"2d"
    queue.drop()


def test_a_profile_from_a_file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('source = "me"\n[up]\nlatency_ms = 5\n[[outages]]\nafter_s = 1\nfor_s = 2\n')
    profile = load_profile(str(file))
    assert (profile.name, profile.up.latency_ms, profile.outages[0].for_s) == ("mine", 5, 2)
    file.write_text("[up]\nlatency = 5\n")
    with pytest.raises(InputError, match="latency"):
        load_profile(str(file))
    with pytest.raises(InputError, match="flaky"):
        load_profile("flakey")


def test_a_change_while_running():
    lte = load_profile("lte")
    slow = changed(lte, {"both": {"latency_ms": 800}})
    assert (slow.up.latency_ms, slow.down.latency_ms) == (800, 800)
    assert slow.up.bandwidth_kbps == lte.up.bandwidth_kbps
    assert slow.name == "lte, changed"
    assert changed(slow, {"profile": "flaky"}) == load_profile("flaky")
    with pytest.raises(InputError):
        changed(lte, {"both": {"latency": 1}})
    with pytest.raises(InputError):
        changed(lte, {"profile": "/etc/passwd"})

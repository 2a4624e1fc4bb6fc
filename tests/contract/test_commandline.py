"""Settings in three layers, and the small parsers of values."""

import argparse
import datetime as dt

import pytest

from overflight_contract import commandline as c
from overflight_contract.errors import InputError


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("--upstream", default="mqtt://localhost")
    parser.add_argument("--policy", choices=["enforce", "observe"], default="enforce")
    parser.add_argument("--keep-alive", type=c.duration_s, default=30.0)
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("--listen", action="append")
    parser.add_argument("--must", required=True)
    return parser


def parse(parser, *words, environ=None, config=None):
    c.apply_settings(
        parser, "relay", config or {}, {"OVERFLIGHT_RELAY_MUST": "x", **(environ or {})}
    )
    return parser.parse_args(words)


def test_defaults(parser):
    assert parse(parser).upstream == "mqtt://localhost"


def test_file_then_environment_then_flag(parser):
    config = {"relay": {"upstream": "mqtt://file", "keep-alive": "1m", "insecure": True}}
    args = parse(parser, config=config)
    assert (args.upstream, args.keep_alive, args.insecure) == ("mqtt://file", 60.0, True)
    environ = {"OVERFLIGHT_RELAY_UPSTREAM": "mqtt://env", "OVERFLIGHT_RELAY_INSECURE": "no"}
    args = parse(parser, environ=environ, config=config)
    assert (args.upstream, args.insecure) == ("mqtt://env", False)
    assert parse(parser, "--upstream", "mqtt://flag", environ=environ).upstream == "mqtt://flag"


def test_lists_from_a_file(parser):
    assert parse(parser, config={"relay": {"listen": [":1", ":2"]}}).listen == [":1", ":2"]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"relay": {"upsteam": "x"}}, "unknown setting 'upsteam'"),
        ({"relay": {"policy": "maybe"}}, "not one of enforce, observe"),
        ({"relay": {"keep-alive": "soon"}}, "no duration"),
        ({"relay": {"insecure": "perhaps"}}, "neither true nor false"),
        ({"relay": {"policy": ["enforce", "observe"]}}, "not a list"),
        ({"relay": 3}, "not a table"),
    ],
)
def test_a_bad_file_is_one_sentence(parser, config, complaint):
    with pytest.raises(InputError, match=complaint):
        parse(parser, config=config)


def test_a_bad_environment_variable_names_itself(parser):
    with pytest.raises(InputError, match="OVERFLIGHT_RELAY_POLICY"):
        parse(parser, environ={"OVERFLIGHT_RELAY_POLICY": "maybe"})


def test_the_file_is_named_or_in_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert c.read_config(None, {}) == {}
    (tmp_path / "overflight.toml").write_text("[relay]\npolicy = 'observe'\n")
    assert c.read_config(None, {}) == {"relay": {"policy": "observe"}}
    with pytest.raises(InputError, match="can't read"):
        c.read_config("elsewhere.toml", {})
    (tmp_path / "bad.toml").write_text("[relay\n")
    with pytest.raises(InputError, match="not valid TOML"):
        c.read_config(None, {"OVERFLIGHT_CONFIG": "bad.toml"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5h", 5400), ("2m30s", 150), ("800ms", 0.8), ("8d", 691200)],
)
def test_durations(text, seconds):
    assert c.duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "soon", "5 parsecs", "-3", "1h garbage", "106752d", "9" * 400]
)
def test_what_is_no_duration(text):
    with pytest.raises(argparse.ArgumentTypeError):
        c.duration_s(text)


@pytest.mark.parametrize(("text", "size"), [("512", 512), ("64k", 64000), ("2GiB", 2 * 2**30)])
def test_sizes(text, size):
    assert c.size_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:1883", ("127.0.0.1", 1883)),
        (":1883", ("127.0.0.1", 1883)),
        ("1883", ("127.0.0.1", 1883)),
        ("[::1]:1883", ("::1", 1883)),
        ("broker.example:8883", ("broker.example", 8883)),
    ],
)
def test_addresses(text, address):
    assert tuple(c.host_port(text)) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "host:99999", "a:b:1"])
def test_what_is_no_address(text):
    with pytest.raises(argparse.ArgumentTypeError):
        c.host_port(text)


def test_times_without_an_offset_are_utc():
    assert c.utc_time("2023-02-01T12:00:00") == dt.datetime(2023, 2, 1, 12, tzinfo=dt.UTC)
    assert c.utc_time("2023-02-01T12:00:00+02:00") == dt.datetime(2023, 2, 1, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize("text", ["noon", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"])
def test_what_is_no_time(text):
    with pytest.raises(argparse.ArgumentTypeError):
        c.utc_time(text)

"""Limits against strangers, and who may be listened to where."""

import pytest

from overflight_contract.errors import InputError
from overflight_relay.guard import Guard, Limits
from overflight_relay.listeners import check_exposure, is_public, parse_listener
from overflight_relay.upstream import parse_upstream


def test_connections_in_all_and_by_address():
    guard = Guard(Limits(connections=3, connections_per_address=2))
    assert guard.admit("a", 0) is None
    assert guard.admit("a", 0) is None
    assert "from a" in guard.admit("a", 0)
    assert guard.admit("b", 0) is None
    assert "3 connections" in guard.admit("c", 0)
    guard.release("a")
    assert guard.admit("a", 0) is None
    assert guard.turned_away == 2


def test_connections_a_second():
    guard = Guard(Limits(connects_per_second=2))
    assert [guard.admit("a", 10.0) is None for _ in range(4)] == [True, True, False, False]
    assert guard.admit("b", 10.0) is None
    assert guard.admit("a", 10.6) is None


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("127.0.0.1", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.1.4", True),
        ("relay.example", True),
        ("", True),
    ],
)
def test_which_address_is_public(host, public):
    assert is_public(host) is public


@pytest.mark.parametrize(
    ("listen", "options", "fine"),
    [
        ("127.0.0.1:1883", {}, True),
        ("0.0.0.0:1883", {}, False),
        ("0.0.0.0:1883", {"insecure": True}, True),
        ("0.0.0.0:1883", {"credentials": True}, True),
        ("tls://0.0.0.0:8883", {}, False),
        ("tls://0.0.0.0:8883", {"client_ca": True}, True),
        ("passthrough://0.0.0.0:8883", {}, True),
    ],
)
def test_a_public_address_needs_tls_or_credentials(listen, options, fine):
    settings = {"client_ca": False, "credentials": False, "insecure": False} | options
    if fine:
        check_exposure([parse_listener(listen)], **settings)
    else:
        with pytest.raises(InputError, match="--insecure"):
            check_exposure([parse_listener(listen)], **settings)


def test_listeners_and_brokers_as_text():
    listener = parse_listener("tls://[::1]:8883=mqtts://a.example,b.example:1884")
    assert str(listener) == "tls://[::1]:8883"
    assert [str(entry) for entry in listener.upstreams] == [
        "mqtts://a.example:8883",
        "mqtt://b.example:1884",
    ]
    for bad in ("http://x", "mqtt://", "mqtt://u:p@x", "mqtt://x:99999"):
        with pytest.raises(InputError):
            parse_upstream(bad)

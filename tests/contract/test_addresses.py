"""Hosts as people and HTTP requests write them."""

import pytest

from overflight_contract.addresses import ip_address, is_loopback, is_origin, named_host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "::1%lo"])
def test_addresses_of_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost", "10.0.0.1", "0.0.0.0", "::", "::ffff:10.0.0.1"])
def test_all_else_is_not(host):
    assert not is_loopback(host)


def test_a_name_is_no_address():
    assert ip_address("relay") is None
    assert str(ip_address("fe80::1%eth0")) == "fe80::1"


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("127.0.0.1:8780", "127.0.0.1"),
        ("[::1]:8780", "::1"),
        ("LocalHost", "localhost"),
        ("", None),
        ("[::1", None),
        ("[", None),
    ],
)
def test_the_host_that_a_request_names(header, host):
    assert named_host(header) == host


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("http://127.0.0.1:8780", True),
        ("http://evil.example:8780", False),
        ("http://127.0.0.1", False),
        ("null", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_a_page_of_ones_own_is_of_the_same_host_and_port(origin, own):
    assert is_origin(origin, "127.0.0.1:8780") is own


def test_no_page_is_of_a_host_that_is_not_named():
    assert not is_origin("null", "")

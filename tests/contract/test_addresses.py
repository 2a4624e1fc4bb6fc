"""Hosts as people and HTTP requests write them."""

import pytest

from overflight_contract.addresses import ip_address, is_loopback, named_host


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

"""Hosts as people and HTTP requests write them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that `host` is, with or without a zone; None where it is a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Tell whether `host` is an address of this machine's own; a name is none."""
    address = ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and (mapped or address).is_loopback


def named_host(header: str) -> str | None:
    """Return the host, in small letters, that a ``Host`` header names; None where it names none."""
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


def is_origin(header: str, host: str) -> bool:
    """Tell whether an ``Origin`` header names the host that the ``Host`` header names."""
    try:
        return host != "" and urlsplit(header).netloc == host
    except ValueError:
        return False

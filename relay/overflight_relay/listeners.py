"""Where the relay listens: plain, TLS terminated, or TLS passed through unread."""

from __future__ import annotations

import enum
import ipaddress
import ssl
from pathlib import Path
from typing import NamedTuple

from overflight_contract.commandline import HostPort, host_port
from overflight_contract.errors import InputError
from overflight_relay.upstream import Upstream, parse_upstream


class Tls(enum.StrEnum):
    """What the relay does with TLS."""

    NONE = "none"
    TERMINATED = "terminated"
    PASSTHROUGH = "passthrough"


_SCHEMES = {
    "tcp": Tls.NONE,
    "mqtt": Tls.NONE,
    "tls": Tls.TERMINATED,
    "mqtts": Tls.TERMINATED,
    "passthrough": Tls.PASSTHROUGH,
}


class Listener(NamedTuple):
    """One address to listen on; `upstreams` empty for those of the relay."""

    address: HostPort
    tls: Tls = Tls.NONE
    upstreams: tuple[Upstream, ...] = ()

    def __str__(self) -> str:
        scheme = {Tls.NONE: "tcp", Tls.TERMINATED: "tls", Tls.PASSTHROUGH: "passthrough"}[self.tls]
        return f"{scheme}://{self.address}"


def parse_listener(text: str) -> Listener:
    """Parse ``[tcp|tls|passthrough://]HOST:PORT[=UPSTREAM[,UPSTREAM…]]``.

    Raises `InputError` or ``argparse.ArgumentTypeError``.
    """
    address, _, brokers = text.partition("=")
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "tcp", address
    if scheme not in _SCHEMES:
        raise InputError(f"{text!r}: listen with tcp, tls or passthrough, not {scheme!r}")
    upstreams = tuple(parse_upstream(entry) for entry in brokers.split(",") if entry)
    return Listener(host_port(rest, 1883), _SCHEMES[scheme], upstreams)


class TlsFiles(NamedTuple):
    """What the relay needs to terminate TLS."""

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    """Clients must show a certificate that this authority signed."""


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the context of a terminating listener; raises `InputError`."""
    if files.certificate is None:
        raise InputError("to terminate TLS the relay needs --certificate (and --key)")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.certificate, files.key)
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"can't use the certificate {files.certificate}: {error}") from error
    context.sni_callback = _note_server_name
    return context


def _note_server_name(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
    connection.overflight_server_name = name  # type: ignore[attr-defined]


def is_public(host: str) -> bool:
    """Tell whether who listens on `host` can be reached from another machine."""
    if host in ("", "0.0.0.0", "::"):
        return True
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host != "localhost"


def check_exposure(
    listeners: list[Listener], *, client_ca: bool, credentials: bool, insecure: bool
) -> None:
    """Refuse a public address that anybody may use, unless told that it is meant."""
    if insecure:
        return
    for listener in listeners:
        if not is_public(listener.address.host) or listener.tls is Tls.PASSTHROUGH:
            continue
        if listener.tls is Tls.NONE and not credentials:
            raise InputError(
                f"{listener} can be reached from outside, without TLS or credentials; "
                "use tls://, --credentials, a loopback address, or say --insecure"
            )
        if listener.tls is Tls.TERMINATED and not (client_ca or credentials):
            raise InputError(
                f"{listener} lets anybody in; use --client-ca, --credentials, or say --insecure"
            )

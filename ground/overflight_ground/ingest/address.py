"""The broker's URL and everything else that a connection needs."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from overflight_contract.errors import InputError

_PORTS: Final = {"mqtt": 1883, "tcp": 1883, "mqtts": 8883, "ssl": 8883}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is and how to log in."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def parse_broker(text: str) -> BrokerAddress:
    """Read ``mqtt://[user[:password]@]host[:port]``, ``mqtts://…`` or ``host[:port]``."""
    url = urlsplit(text if "://" in text else f"mqtt://{text}")
    try:
        port = url.port
    except ValueError as error:
        raise InputError(f"{text!r} has no valid port") from error
    if url.scheme not in _PORTS or not url.hostname or url.path.strip("/") or url.query:
        raise InputError(f"{text!r} is no broker; as in mqtt://HOST:1883 or mqtts://HOST")
    return BrokerAddress(
        host=url.hostname,
        port=_PORTS[url.scheme] if port is None else port,
        tls=url.scheme in ("mqtts", "ssl"),
        username=None if url.username is None else unquote(url.username),
        password=None if url.password is None else unquote(url.password),
    )


def tls_context(ca_file: str | None, cert_file: str | None, key_file: str | None) -> ssl.SSLContext:
    """Make the TLS settings: a private CA, a client certificate, or neither."""
    _check_readable(ca_file, cert_file, key_file)
    loading = ca_file
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if cert_file is not None:
            loading = cert_file if key_file is None else f"{cert_file}, {key_file}"
            context.load_cert_chain(cert_file, key_file)
    except OSError as error:
        raise InputError(f"the TLS files can't be used: {loading}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _check_readable(*files: str | None) -> None:
    """Open each file once: errors of `ssl` do not say which one they are about."""
    for file in files:
        if file is None:
            continue
        try:
            Path(file).open("rb").close()
        except OSError as error:
            raise InputError(f"the TLS files can't be used: {file}: {error.strerror}") from error

"""Talks to the control port of a relay."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from overflight_contract.commandline import HostPort
from overflight_contract.errors import InputError, UnavailableError
from overflight_relay.token_file import find_token

_TIMEOUT_S = 10


class ControlClient:
    """Requests to one relay; raises `UnavailableError` and `InputError`."""

    def __init__(self, url: str, token: str = "") -> None:
        """`token` is what the relay left for this user, unless given."""
        self._url = url.rstrip("/")
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{url!r} is no address of a relay; as in http://127.0.0.1:18830")
        self._token = token or find_token(HostPort(parts.hostname, parts.port or 80))

    def get(self, path: str) -> Any:
        """Read."""
        return self._request("GET", path)

    def put(self, path: str, body: object) -> Any:
        """Change."""
        return self._request("PUT", path, json.dumps(body).encode())

    def _request(self, method: str, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(self._url + path, data=body, method=method)  # noqa: S310
        request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise InputError(f"the relay refuses: {_detail(error)}") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise UnavailableError(f"no relay answers at {self._url}: {reason}") from error


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"

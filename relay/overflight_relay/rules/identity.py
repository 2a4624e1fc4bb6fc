"""Who a connection says it is: client id, user name, password, certificate."""

from __future__ import annotations

from overflight_contract.mqtt import Connect, PacketType
from overflight_relay.known import Known
from overflight_relay.rule import Rule, Settings


class IdentitySettings(Settings):
    """`clients`: the payloads that may connect; empty for any valid name."""

    clients: tuple[str, ...] = ()


def check(packet: Connect, known: Known, settings: IdentitySettings) -> str | None:
    """Refuse a client id that names no payload, and credentials that nobody configured."""
    if known.payload is None:
        return f"client id {packet.client_id[:40]!r} can't name a payload"
    if settings.clients and known.payload not in settings.clients:
        return f"client id {packet.client_id!r} is not among the configured ones"
    if known.certificate_name is not None and known.certificate_name != packet.client_id:
        return f"client id {packet.client_id!r} is not the name in the certificate"
    if known.credential == "unknown":
        return "user name or password is not the configured one"
    return None


RULE = Rule(
    "identity",
    "client id, user name and certificate name are the payload's; a password is the configured one",
    check,
    upward=frozenset({PacketType.CONNECT}),
    settings=IdentitySettings,
)

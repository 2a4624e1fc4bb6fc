"""Signed reports: an Ed25519 signature (RFC 8032) over the canonical bytes of a report.

A signed report is the report with one more key, ``signature``, over the bytes of `to_json`. Whoever
has the public key can check that nobody changed the report, and with the inputs at hand that it
speaks of them (their hashes stand in it).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from overflight_contract.errors import InputError
from overflight_ground.audit.report import AuditReport, from_json, to_json

ALGORITHM: Final = "Ed25519"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed, and what: keys and values in hex."""

    algorithm: str
    public_key: str
    report_sha256: str
    value: str


class _Signed(msgspec.Struct, frozen=True):
    signature: Signature | None = None


def make_key(path: Path) -> str:
    """Write a new private key (PEM, readable by its owner alone); returns the public one in hex.

    Raises `InputError` where there is a file already.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InputError(f"{path} is there already; keys are not written over") from error
    with os.fdopen(number, "wb") as file:
        file.write(pem)
    return public_hex(key)


def load_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key; raises `InputError`."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise InputError(f"can't read the key {path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is no private key that can be read: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path} is no Ed25519 key; make one with 'overflight audit key {path}'")
    return key


def public_hex(key: Ed25519PrivateKey) -> str:
    """Return the public key in hex (32 bytes)."""
    return key.public_key().public_bytes_raw().hex()


def sign(report: AuditReport, key: Ed25519PrivateKey) -> bytes:
    """Return the signed report as JSON; the same report and key give the same bytes."""
    data = to_json(report)
    signature = Signature(
        algorithm=ALGORITHM,
        public_key=public_hex(key),
        report_sha256=hashlib.sha256(data).hexdigest(),
        value=key.sign(data).hex(),
    )
    return _spelt(report, signature)


def _spelt(report: AuditReport, signature: Signature | None) -> bytes:
    whole = msgspec.to_builtins(report)
    if signature is None:
        return to_json(report)
    encoded = msgspec.json.encode(
        {**whole, "signature": msgspec.to_builtins(signature)}, order="deterministic"
    )
    return msgspec.json.format(encoded, indent=1) + b"\n"


def read_report(data: bytes) -> tuple[AuditReport, Signature | None, bool]:
    """Read a report, signed or not, and whether it is spelt as we would; raises `InputError`."""
    report = from_json(data)
    try:
        signature = msgspec.json.decode(data, type=_Signed).signature
    except msgspec.MsgspecError as error:
        raise InputError(f"the report's signature is none: {error}") from error
    return report, signature, _spelt(report, signature) == data


def check(report: AuditReport, signature: Signature) -> str:
    """Return what is wrong with a signature, or an empty text."""
    data = to_json(report)
    if signature.algorithm != ALGORITHM:
        return f"the algorithm {signature.algorithm!r} is not known"
    if hashlib.sha256(data).hexdigest() != signature.report_sha256:
        return "the report was changed after it was signed"
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.public_key))
        public.verify(bytes.fromhex(signature.value), data)
    except (ValueError, InvalidSignature):
        return "the signature is not of this report"
    return ""

"""The payload over TLS: a private authority, client certificates, and none of them wrong."""

import datetime as dt
import ipaddress
import json
import shutil
import socket
import subprocess
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
pytestmark = [
    pytest.mark.mosquitto,
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed"),
]


def certificate(folder, name, issuer=None):
    """Write NAME.pem and NAME.key; signed by `issuer` (certificate, key), else by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    signer, signing_key = issuer or (None, key)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(signing_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / f"{name}.pem").write_bytes(made.public_bytes(pem))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made, key


@pytest.fixture
def broker(tmp_path):
    authority = certificate(tmp_path, "authority")
    certificate(tmp_path, "broker", authority)
    certificate(tmp_path, "HAB-07", authority)
    certificate(tmp_path, "stranger")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\ncafile {tmp_path}/authority.pem\n"
        f"certfile {tmp_path}/broker.pem\nkeyfile {tmp_path}/broker.key\n"
        "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n"
        "user root\n"
    )
    process = subprocess.Popen(
        [MOSQUITTO, "-c", str(tmp_path / "mosquitto.conf")], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 10
    while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
        assert time.monotonic() < deadline, "mosquitto did not start"
        time.sleep(0.02)
    yield f"mqtts://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


def fly(folder, environment, hop, broker, *, ca, cert):
    words = ["--ca", f"{ca}.pem", "--cert", f"{cert}.pem", "--key", f"{cert}.key"]
    done = subprocess.run(
        [
            sys.executable, "-m", "overflight", "device", "run", f"sim:{hop}", "--broker", broker,
            "--data", "device", "--speed", "max", "--receipts", "off", "--log", "json",
            "--linger", "3s", *words,
        ],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def test_flies_with_a_certificate_of_the_private_authority(
    tmp_path, clean_environment, hop, broker
):
    done, lines = fly(tmp_path, clean_environment, hop, broker, ca="authority", cert="HAB-07")
    assert done.returncode == 0, done.stderr
    assert {"event": "link-up", "mqtt": "5"}.items() <= next(
        line for line in lines if line["event"] == "link-up"
    ).items()
    assert [line for line in lines if line["event"] == "status"][-1]["outbox"] == 0


@pytest.mark.parametrize(("ca", "cert"), [("stranger", "HAB-07"), ("authority", "stranger")])
def test_nothing_is_sent_where_one_side_is_a_stranger(
    tmp_path, clean_environment, hop, broker, ca, cert
):
    done, lines = fly(tmp_path, clean_environment, hop, broker, ca=ca, cert=cert)
    assert done.returncode == 1
    last = [line for line in lines if line["event"] == "status"][-1]
    assert last["outbox"] == last["written"] > 0, "kept until there is a way"
    assert not [line for line in lines if line["event"] == "link-up"]


def test_a_missing_certificate_is_one_sentence(tmp_path, clean_environment, hop, broker):
    done, _ = fly(tmp_path, clean_environment, hop, broker, ca="nowhere", cert="HAB-07")
    assert done.returncode == 2
    assert "TLS files can't be used" in done.stderr

"""A replay over TLS: trusted by --ca-file, refused without it."""

import asyncio
import datetime as dt
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from overflight.cli import main
from overflight.virtual.broker import MemoryBroker, _Link
from overflight_contract.mqtt import Connect, Publish, Version, encode
from overflight_contract.session import Direction, SessionPacket, SessionWriter, Verdict


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def session_file(tmp_path):
    path = tmp_path / "flight.mcap"
    writer = SessionWriter(path)
    packets = [
        Connect(client_id="HAB-01", version=Version.V5),
        Publish(topic="t", payload=b"x", qos=1, packet_id=1),
    ]
    writer.write(
        [
            SessionPacket(n, 1, Direction.UP, Verdict.OK, "", encode(packet, Version.V5))
            for n, packet in enumerate(packets)
        ]
    )
    writer.close()
    return path


async def replay_to_tls(certificate, session_file, *words):
    broker = MemoryBroker()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Link(broker), "localhost", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    arguments = ["replay", str(session_file), "--to", f"mqtts://localhost:{port}"]
    status = await asyncio.to_thread(main, [*arguments, "--speed", "max", *words])
    server.close()
    return status, broker.published


def run(*arguments):
    # `main` sets a signal handler only in the main thread; elsewhere it goes without.
    return asyncio.run(replay_to_tls(*arguments))


def test_a_trusted_broker(certificate, session_file):
    status, published = run(certificate, session_file, "--ca-file", str(certificate))
    assert status == 0
    assert [message.payload for message in published] == [b"x"]


def test_a_broker_that_nobody_trusts(certificate, session_file, capsys):
    status, published = run(certificate, session_file)
    assert (status, published) == (4, [])
    assert "can't reach the broker" in capsys.readouterr().err


def test_a_missing_authority(certificate, session_file, capsys):
    status, _ = run(certificate, session_file, "--ca-file", "/nowhere.pem")
    assert status == 2
    assert "TLS files can't be used" in capsys.readouterr().err

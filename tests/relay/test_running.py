"""The relay with its sockets: capture, back-pressure, limits, garbage, the end."""

import asyncio
import contextlib
import os
import re
import ssl
from pathlib import Path

import pytest

from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Disconnect,
    Framer,
    PubAck,
    Publish,
    Version,
    decode,
    encode,
)
from overflight_contract.session import ConnectionClosed, Direction, Verdict, open_session
from overflight_relay.guard import Limits
from overflight_relay.tap import CaptureError, Tap

TOPIC = "overflight/1/HAB-01/position"
V5 = Version.V5


class Broker:
    """Takes connections, answers CONNECT and PUBLISH, and remembers what came."""

    def __init__(self):
        self.got = []
        self.connections = 0
        self.writers = []
        self.reading = asyncio.Event()
        self.reading.set()

    async def serve(self, reader, writer):
        self.connections += 1
        self.writers.append(writer)
        framer = Framer()
        with contextlib.suppress(ConnectionError):
            while True:
                await self.reading.wait()
                data = await reader.read(65536)
                if not data:
                    break
                for packet in framer.feed(data):
                    self.got.append(packet)
                    kind = packet[0] >> 4
                    if kind == 1:
                        writer.write(encode(ConnAck(), V5))
                    elif kind == 3 and packet[0] & 6:
                        publish = decode(packet, V5)
                        writer.write(encode(PubAck(packet_id=publish.packet_id), V5))
        writer.close()


@pytest.fixture
async def broker():
    """A broker of a few lines, on a free port."""
    made = Broker()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    made.url = f"127.0.0.1:{made.port}"
    made.server = server
    yield made
    server.close()
    for writer in made.writers:
        writer.close()


class Client:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.framer = Framer()
        self.waiting = []

    @classmethod
    async def to(cls, port, **options):
        return cls(*await asyncio.open_connection("127.0.0.1", port, **options))

    def send(self, packet):
        self.writer.write(packet if isinstance(packet, bytes) else encode(packet, V5))

    async def next(self):
        async with asyncio.timeout(10):
            while not self.waiting:
                data = await self.reader.read(65536)
                if not data:
                    return None
                self.waiting += self.framer.feed(data)
        return decode(self.waiting.pop(0), V5)

    async def connect(self, name="HAB-01"):
        self.send(Connect(client_id=name, keep_alive=60))
        answer = await self.next()
        assert answer.reason_code == 0
        return self


async def test_every_packet_is_in_the_session(broker, relay_on, make_position, tmp_path, until):
    async with relay_on(broker.url, tmp_path / "s.mcap", enforce=True) as relay:
        client = await (await Client.to(relay.port)).connect()
        for seq in range(1, 301):
            client.send(Publish(topic=TOPIC, payload=make_position(seq), qos=1, packet_id=seq))
        for seq in range(1, 301):
            assert (await client.next()).packet_id == seq
        client.send(Publish(topic="pictures", payload=b"\xff\xd8", qos=1, packet_id=999))
        assert (await client.next()).reason_code == 0x87
        client.send(Disconnect())
        client.writer.close()
        await until(lambda: not relay.relay.crossings)
    with open_session(tmp_path / "s.mcap") as session:
        packets = list(session.packets())
        up = [p.data for p in packets if p.direction is Direction.UP and p.verdict is Verdict.OK]
        assert up == broker.got
        refused = [p for p in packets if p.verdict is Verdict.REFUSED]
        assert [p.data[-2:] for p in refused] == [b"\xff\xd8"]
        closed = [item for item in session if isinstance(item, ConnectionClosed)]
        assert [item.by for item in closed] in (["client"], ["broker"])


async def test_a_capture_that_fails_stops_the_relay(broker, relay_on, make_position):
    class FullDisk:
        sequence, next_connection, left = 0, 1, 3

        def write(self, items):
            pass

        def tick(self, now_ns):
            pass

        def close(self):
            pass

        def write_packets(self, records):
            self.left -= 1
            if self.left < 0:
                raise OSError(28, "No space left on device")

        def write_run(self, packets, at_ns, connection, direction):
            self.write_packets(packets)

        def write_packet(self, data, at_ns, connection, direction):
            self.write_packets([data])

    async with relay_on(broker.url, tap=Tap(FullDisk()), enforce=True) as relay:
        client = await (await Client.to(relay.port)).connect()
        client.send(Publish(topic=TOPIC, payload=make_position(1), qos=1, packet_id=1))
        before = len(broker.got)
        with contextlib.suppress(ConnectionError):
            for seq in range(2, 5):
                client.send(Publish(topic=TOPIC, payload=make_position(seq), qos=1, packet_id=seq))
                await client.next()
        with pytest.raises(CaptureError, match="unrecorded"):
            await relay.task
        assert relay.relay.failure is not None
        assert len(broker.got) <= before + 2


async def test_where_no_broker_answers_the_client_is_told(relay_on, broker):
    broker.server.close()
    async with relay_on(broker.url, enforce=True) as relay:
        client = await Client.to(relay.port)
        client.send(Connect(client_id="HAB-01", keep_alive=60))
        assert (await client.next()).reason_code == 0x88
        assert await client.next() is None


async def test_the_next_broker_of_the_list_is_taken(relay_on, broker):
    async with relay_on(["127.0.0.1:1", broker.url], enforce=True) as relay:
        await (await Client.to(relay.port)).connect()
        assert broker.connections == 1


async def test_a_stop_says_goodbye(relay_on, broker):
    async with relay_on(broker.url, enforce=True) as relay:
        client = await (await Client.to(relay.port)).connect()
        relay.relay.stop()
        answer = await client.next()
        assert answer == Disconnect(reason_code=0x8B)
        assert await client.next() is None
        await relay.task


@pytest.mark.parametrize("enforce", [False, True])
async def test_packets_of_256_megabytes_to_a_stalled_broker(relay_on, broker, until, enforce):
    """They slow their client, and memory stays bounded; where refused they are not held at all."""
    async with relay_on(broker.url, enforce=enforce) as relay:
        clients = [await (await Client.to(relay.port)).connect(f"HAB-{n}") for n in range(8)]
        broker.reading.clear()
        before_mb = resident_mb()
        sent = await asyncio.gather(*(pour(client) for client in clients))
        grown_mb = resident_mb() - before_mb
        assert max(sent) < 64 << 20, "the relay took all of it"
        if enforce:  # who goes on all the same is cut off
            await until(lambda: not relay.relay.crossings)
        assert grown_mb < 100, f"{grown_mb:.0f} MB more"
        for crossing in relay.relay.crossings.values():
            assert crossing.broker is None or crossing.broker.get_write_buffer_size() <= 2 << 18
            assert crossing.talk.pending < 1 << 17
        for client in clients:
            client.writer.transport.abort()
        for crossing in list(relay.relay.crossings.values()):
            crossing.abort("relay", "test")
        broker.reading.set()
        await until(lambda: not relay.relay.crossings)


async def pour(client):
    """Send a PUBLISH of QoS 0 and 256 MB as far as it is taken; return how many bytes were."""
    piece, sent = bytes(1 << 20), 0
    client.writer.write(b"\x30\xff\xff\xff\x7f\x00\x03big")
    with contextlib.suppress(TimeoutError, ConnectionError):
        while sent < 256 << 20:
            client.writer.write(piece)
            sent += len(piece)
            async with asyncio.timeout(1.0):
                await client.writer.drain()
    return sent


def resident_mb():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


async def test_garbage_and_half_packets_leave_it_serving_others(
    relay_on, broker, make_position, until
):
    async with relay_on(broker.url, enforce=True) as relay:
        half = []
        for number in range(60):
            stranger = await Client.to(relay.port)
            stranger.send(os.urandom(300) if number % 2 else b"\x10\x20\x00\x04MQ")
            half.append(stranger)
        client = await (await Client.to(relay.port)).connect()
        client.send(Publish(topic=TOPIC, payload=make_position(1), qos=1, packet_id=1))
        assert (await client.next()).packet_id == 1
        for stranger in half:
            stranger.writer.transport.abort()
        await until(lambda: len(relay.relay.crossings) == 1)


async def test_who_sends_no_connect_is_ended(relay_on, broker, monkeypatch, until):
    monkeypatch.setattr("overflight_relay.server._SWEEP_S", 0.02)
    limits = Limits(connect_deadline_s=0.05, slow_packet_s=0.1)
    async with relay_on(broker.url, enforce=True, limits=limits) as relay:
        silent = await Client.to(relay.port)
        assert await silent.next() is None
        slow = await (await Client.to(relay.port)).connect()
        slow.send(b"\x32\xff\x01\x00")
        assert await slow.next() == Disconnect(reason_code=0x8D)
        assert await slow.next() is None


async def test_connections_over_the_limit_are_turned_away(relay_on, broker):
    limits = Limits(connections_per_address=2)
    async with relay_on(broker.url, enforce=True, limits=limits) as relay:
        kept = [await (await Client.to(relay.port)).connect(f"HAB-0{n}") for n in (1, 2)]
        third = await Client.to(relay.port)
        with contextlib.suppress(ConnectionError):
            assert await third.reader.read(1) == b""
        assert relay.relay.guard.turned_away == 1
        assert len(kept) == 2


async def test_last_words_before_the_client_closes_arrive(relay_on, broker, until):
    async with relay_on(broker.url, enforce=False) as relay:
        client = await Client.to(relay.port)
        client.send(Connect(client_id="x", keep_alive=60))
        client.send(Publish(topic="last", payload=b"words"))
        client.send(Disconnect())
        client.writer.write_eof()
        await until(lambda: len(broker.got) == 3)
        assert (await client.next()).reason_code == 0
        assert await client.next() is None


async def test_thousands_of_idle_connections(relay_on, broker, until):
    async with relay_on(broker.url, enforce=True) as relay:
        clients = []
        for start in range(0, 400, 50):
            made = await asyncio.gather(*(Client.to(relay.port) for _ in range(50)))
            clients += await asyncio.gather(
                *(client.connect(f"HAB-{start + n}") for n, client in enumerate(made))
            )
        assert len(relay.relay.crossings) == 400
        for client in clients:
            client.writer.close()
        await until(lambda: not relay.relay.crossings)


# -- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate authority, a server's and a client's certificate."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


def make_certificates(folder):
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def issue(subject, issuer, issuer_key, *, ca):
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        )
        certificate = builder.sign(issuer_key or key, hashes.SHA256())
        (folder / f"{subject}.pem").write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
        )
        (folder / f"{subject}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return key

    authority = issue("authority", "authority", None, ca=True)
    issue("localhost", "authority", authority, ca=False)
    issue("HAB-01", "authority", authority, ca=False)
    return folder


def client_context(folder, name=None):
    context = ssl.create_default_context(cafile=folder / "authority.pem")
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT if hasattr(ssl, "VERIFY_X509_STRICT") else ~0
    if name is not None:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


async def test_tls_terminated_the_certificate_names_the_client(
    relay_on, broker, certificates, tmp_path
):
    from overflight_relay.listeners import TlsFiles

    files = TlsFiles(
        certificates / "localhost.pem",
        certificates / "localhost.key",
        certificates / "authority.pem",
    )
    options = {"ssl": client_context(certificates, "HAB-01"), "server_hostname": "localhost"}
    record = tmp_path / "s.mcap"
    async with relay_on(
        broker.url, record, listen="tls://127.0.0.1:0", files=files, enforce=True
    ) as relay:
        await (await Client.to(relay.port, **options)).connect("HAB-01")
        other = await Client.to(relay.port, **options)
        other.send(Connect(client_id="HAB-02", keep_alive=60))
        assert (await other.next()).reason_code == 0x87
    with open_session(record) as session:
        opened = [connection.opened for connection in session.connections()]
        assert {entry.tls for entry in opened} == {"terminated"}
        assert {entry.sni for entry in opened} == {"localhost"}


async def test_tls_passed_through_shows_name_sizes_and_times_only(
    relay_on, certificates, tmp_path, make_position
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "localhost.pem", certificates / "localhost.key")
    made = Broker()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    record = tmp_path / "s.mcap"
    options = {"ssl": client_context(certificates), "server_hostname": "localhost"}
    async with relay_on(
        f"127.0.0.1:{port}", record, listen="passthrough://127.0.0.1:0", enforce=True
    ) as relay:
        client = await (await Client.to(relay.port, **options)).connect("HAB-01")
        client.send(Publish(topic=TOPIC, payload=make_position(1), qos=1, packet_id=1))
        assert (await client.next()).packet_id == 1
    server.close()
    with open_session(record) as session:
        opened = [connection.opened for connection in session.connections()]
        assert [(entry.tls, entry.sni) for entry in opened] == [("passthrough", "localhost")]
        data = b"".join(packet.data for packet in session.packets())
        assert b"HAB-01" not in data
        assert data[:1] == b"\x16"


async def test_it_runs_on_its_own_loop():
    uvloop = pytest.importorskip("uvloop")
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)

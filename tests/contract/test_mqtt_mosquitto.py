"""The core beside a broker of renown: what mosquitto refuses, we refuse as well.

The other way round does not hold: mosquitto forgives more than the standard does.
"""

import contextlib
import random
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from overflight_contract.mqtt import (
    Auth,
    Connect,
    Disconnect,
    Framer,
    RemoteProtocolError,
    Version,
    decode,
    encode,
)
from overflight_contract.mqtt.vocabulary import PROTOCOL_NAMES

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
PINGREQ, PINGRESP = b"\xc0\0", b"\xd0\0"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
INTERESTING = (0, 1, 2, 3, 0x1F, 0x23, 0x2B, 0x2F, 0x7F, 0x80, 0xC2, 0xED, 0xFF)
FROM_CLIENT = {1, 3, 4, 5, 6, 7, 8, 10, 12, 14, 15}

pytestmark = [
    pytest.mark.mosquitto,
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed"),
]


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number = found.getsockname()[1]
    config = tmp_path_factory.mktemp("mosquitto") / "mosquitto.conf"
    config.write_text(f"listener {number} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
    process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", number), 1).close()
            break
        time.sleep(0.02)
    yield number
    process.terminate()
    process.wait(10)


def refused(port, packet, version):
    """Tell whether mosquitto closes the connection over a packet instead of answering a ping."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(5)
        if packet[0] >> 4 != 1:
            name = PROTOCOL_NAMES[version]
            hello = Connect(client_id="a", version=version, protocol_name=name)
            connection.sendall(encode(hello, version))
            connection.recv(1000)
        heard = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(packet + PINGREQ)
            while not heard.endswith(PINGRESP):
                data = connection.recv(1000)
                if not data:
                    return True
                heard += data
            return False
        return True


def ours(packet, version):
    """Decode a packet as a client's; `None` where it is not one whole packet."""
    try:
        if Framer().feed(packet) != [packet]:
            return None
        return decode(packet, None if packet[0] >> 4 == 1 else version, from_client=True)
    except RemoteProtocolError as error:
        return error


def is_excused(packet):
    """Tell whether mosquitto may refuse what is legal: it has no AUTH and few aliases."""
    properties = getattr(packet, "properties", None)
    return isinstance(packet, (Auth, Disconnect)) or (
        properties is not None
        and (properties.topic_alias is not None or properties.authentication_method is not None)
    )


def legal():
    for file in sorted(CORPUS.glob("legal-*")):
        data = file.read_bytes()
        if data[2] >> 4 in FROM_CLIENT:
            yield pytest.param(data[2:], tuple(Version)[data[0] % 3], id=file.name)


@pytest.mark.parametrize(("packet", "version"), list(legal()))
def test_what_is_legal_is_taken_by_both(port, packet, version):
    decoded = ours(packet, version)
    if not isinstance(decoded, RemoteProtocolError) and not is_excused(decoded):
        assert not refused(port, packet, version)


def damaged(packet, chance):
    """Change a byte, take one away or put one in; the length stays right."""
    out = bytearray(packet)
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randrange(len(out))
        act = chance.random()
        if act < 0.7:
            out[at] = chance.choice((*INTERESTING, out[at] ^ 1 << chance.randrange(8)))
        elif act < 0.85 and len(out) > 3:
            del out[max(2, at)]
            out[1] = len(out) - 2
        else:
            out.insert(max(2, at), chance.choice(INTERESTING))
            out[1] = len(out) - 2
    return bytes(out)


def test_what_mosquitto_refuses_we_refuse(port):
    chance = random.Random(20230201)
    packets = [each.values for each in legal()]
    tried = refusals = 0
    while tried < 1500:
        packet, version = chance.choice(packets)
        packet = damaged(packet, chance)
        decoded = ours(packet, version)
        if decoded is None or packet[0] >> 4 not in FROM_CLIENT or is_excused(decoded):
            continue
        if isinstance(decoded, RemoteProtocolError):
            continue
        tried += 1
        refusals += refused(port, packet, version)
        assert refusals == 0, f"mosquitto refuses {packet.hex(' ')} ({version.label}): {decoded}"

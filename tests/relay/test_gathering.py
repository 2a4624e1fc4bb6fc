"""Acknowledgements that a broker sends one by one come together where many are due."""

import asyncio
import contextlib

import pytest

from overflight_contract.mqtt import ConnAck, Connect, Framer, PubAck, Publish, Version, encode
from overflight_contract.session import Direction, open_session
from overflight_relay.sockets import Hold

TOPIC = "overflight/1/HAB-01/position"
V311 = Version.V311


class SlowBroker:
    """Acknowledges when it is told to, each message by a write of its own."""

    def __init__(self):
        self.ids = []
        self.writer = None

    async def serve(self, reader, writer):
        self.writer, framer = writer, Framer()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                for packet in framer.feed(data):
                    if packet[0] >> 4 == 1:
                        writer.write(encode(ConnAck(), V311))
                    elif packet[0] >> 4 == 3:
                        at = 5 + len(TOPIC)
                        self.ids.append(int.from_bytes(packet[at : at + 2]))
        writer.close()

    async def acknowledge(self, look):
        for packet_id in self.ids:
            self.writer.write(encode(PubAck(packet_id=packet_id), V311))
            await self.writer.drain()
            await asyncio.sleep(0)
            look()


@pytest.fixture
async def broker():
    made = SlowBroker()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    if made.writer is not None:
        made.writer.close()


@pytest.mark.parametrize(("messages", "together"), [(1500, True), (100, False)])
async def test_many_come_together_and_few_at_once(
    broker, relay_on, make_position, tmp_path, until, messages, together
):
    session = tmp_path / "s.mcap"
    async with relay_on(broker.url, session) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(encode(Connect(client_id="HAB-01", keep_alive=60, version=V311), V311))
        await reader.readexactly(4)
        for number in range(1, messages + 1):
            packet = Publish(topic=TOPIC, payload=make_position(number), qos=1, packet_id=number)
            writer.write(encode(packet, V311))
        await until(lambda: len(broker.ids) == messages)
        (crossing,) = relay.relay.crossings.values()
        held = []
        sending = asyncio.create_task(
            broker.acknowledge(lambda: held.append(Hold.GATHERING in crossing._broker_holds))
        )
        acks = await asyncio.wait_for(reader.readexactly(4 * messages), 20)
        await sending
        writer.close()
        await until(lambda: not relay.relay.crossings)
    expected = [encode(PubAck(packet_id=number), V311) for number in range(1, messages + 1)]
    assert acks == b"".join(expected)
    with open_session(session) as found:
        down = [p for p in found.packets() if p.direction is Direction.DOWN and p.data[0] == 0x40]
    assert [p.data for p in down] == expected
    assert any(held) == together
    if together:
        assert len({p.crossed_at_ns for p in down}) < messages / 2

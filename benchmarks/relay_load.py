"""What relay_load.c does, for machines without a C compiler: slower, and so itself a limit.

    load PORT CONNECTIONS MESSAGES QOS FILE [N]    sink PORT MODE    probe PORT RATE COUNT FILE
    idle PORT COUNT                                sub PORT COUNT

Arguments, files and output are as in relay_load.c.
"""

from __future__ import annotations

import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_BUFFER = 1 << 18
_MOST_IN_FLIGHT = 40_000
_CONNACK = b"\x20\x02\x00\x00"
_PINGRESP = b"\xd0\x00"
_SUBSCRIBER = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03sub"
_SUBSCRIBE_ALL = b"\x82\x06\x00\x01\x00\x01#\x01"

Block = tuple[bytes, int]
"""PUBLISH packets as they are sent, and how many there are."""


def read_blocks(path: str) -> list[Block]:
    data, at, found = Path(path).read_bytes(), 0, []
    while at < len(data):
        size, count = struct.unpack_from("<II", data, at)
        found.append((data[at + 8 : at + 8 + size], count))
        at += 8 + size
    return found


def dial(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def need(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise SystemExit("closed")
        data += more
    return data


def hello(sock: socket.socket, number: int) -> None:
    name = f"HAB-{number:02d}".encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x3c\x00" + bytes([len(name)]) + name
    sock.sendall(b"\x10" + bytes([len(body)]) + body)
    if need(sock, 4)[3]:
        raise SystemExit("CONNACK refuses")


def packets(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield where each whole packet begins, where its body begins, and where it ends."""
    at, size = 0, len(data)
    while at + 2 <= size:
        length, body, shift = data[at + 1] & 127, at + 2, 7
        while data[body - 1] & 128:
            if body >= size:
                return
            length |= (data[body] & 127) << shift
            body, shift = body + 1, shift + 7
        if body + length > size:
            return
        yield at, body, body + length
        at = body + length


def answers(data: bytes, wanted: Callable[[int], bool]) -> tuple[bytes, int, bytes]:
    """Return what a broker answers, how many PUBLISH packets there were, and what is left."""
    out, count, end = [], 0, 0
    for at, body, after in packets(data):
        kind = data[at] >> 4
        if kind == 3:
            count += 1
            if data[at] & 6:
                ident = body + 2 + (data[body] << 8) + data[body + 1]
                if wanted((data[ident] << 8) + data[ident + 1]):
                    out.append(b"\x40\x02" + data[ident : ident + 2])
        elif kind in (1, 12):
            out.append(_CONNACK if kind == 1 else _PINGRESP)
        end = after
    return b"".join(out), count, data[end:]


class Sender:
    """One connection of the load."""

    def __init__(self, port: int, number: int, blocks: list[Block], limit: int, qos: int) -> None:
        self.sock = dial(port)
        hello(self.sock, number)
        self.sock.setblocking(False)
        self._blocks, self._limit, self._qos = blocks, limit, qos
        self._turn = self._offset = 0
        self.sent = self.acked = self._odd = 0

    def receive(self, each: int) -> int:
        """Take acknowledgements, each for so many messages; returns for how many."""
        data = self.sock.recv(_BUFFER)
        if not data:
            raise SystemExit(f"closed: sent {self.sent} acked {self.acked}")
        acks, self._odd = divmod(self._odd + len(data), 4)
        self.acked += acks * each
        return acks * each

    def send(self) -> bool:
        """Send what the socket takes; returns whether all is sent."""
        while self.sent < self._limit:
            data, count = self._blocks[self._turn % len(self._blocks)]
            if self._qos and not self._offset and self.sent - self.acked > _MOST_IN_FLIGHT:
                break
            try:
                self._offset += self.sock.send(memoryview(data)[self._offset :])
            except BlockingIOError:
                break
            if self._offset == len(data):
                self._offset, self._turn, self.sent = 0, self._turn + 1, self.sent + count
        return self.sent >= self._limit


def load(port: int, connections: int, messages: int, qos: int, path: str, each: int = 1) -> None:
    blocks = read_blocks(path)
    own, limit = len(blocks) // connections, messages // connections
    both = selectors.EVENT_READ | selectors.EVENT_WRITE
    ready = selectors.DefaultSelector()
    senders = []
    for n in range(connections):
        senders.append(Sender(port, n + 1, blocks[n * own : (n + 1) * own], limit, qos))
        ready.register(senders[-1].sock, both, senders[-1])
    acked, started = 0, time.perf_counter()
    while acked < limit * connections if qos else any(s.sent < limit for s in senders):
        found = ready.select(20)
        if not found:
            raise SystemExit(f"stuck: acked {acked} of {limit * connections}")
        for key, events in found:
            if events & selectors.EVENT_READ:
                acked += key.data.receive(each)
            if events & selectors.EVENT_WRITE and key.data.send():
                ready.modify(key.fileobj, selectors.EVENT_READ, key.data)
    print(f"{time.perf_counter() - started:.6f} {sum(s.sent for s in senders)}")


def sink(port: int, mode: int) -> None:
    ready, held = selectors.DefaultSelector(), dict[socket.socket, bytes]()
    server = socket.create_server(("127.0.0.1", port), backlog=4096)
    ready.register(server, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock is server:
                peer, _ = server.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(peer, selectors.EVENT_READ)
                held[peer] = b""
                continue
            try:
                data = sock.recv(_BUFFER)
            except OSError:
                data = b""
            if not data:
                ready.unregister(sock)
                del held[sock]
                sock.close()
                continue
            out, _, held[sock] = answers(held[sock] + data, lambda n: mode == 1 or n % 500 == 0)
            if out:
                sock.sendall(out)


def probe(port: int, rate: float, count: int, path: str) -> None:
    blocks, times = read_blocks(path), []
    sent = [data[at:end] for data, _ in blocks for at, _, end in packets(data)]
    sock = dial(port)
    hello(sock, 1)
    due = time.perf_counter()
    for n in range(count):
        while (left := due - time.perf_counter()) > 0:
            if left > 0.0003:
                time.sleep(left - 0.0002)
        due += 1 / rate
        started = time.perf_counter()
        sock.sendall(sent[n % len(sent)])
        need(sock, 4)
        times.append((time.perf_counter() - started) * 1e6)
    print("\n".join(f"{value:.1f}" for value in times))


def idle(port: int, count: int) -> None:
    kept = []
    for n in range(count):
        kept.append(dial(port))
        hello(kept[-1], n + 1)
    print("ready", flush=True)
    sys.stdin.readline()


def sub(port: int, count: int) -> None:
    sock = dial(port)
    sock.sendall(_SUBSCRIBER)
    need(sock, 4)
    sock.sendall(_SUBSCRIBE_ALL)
    need(sock, 5)
    print("ready", flush=True)
    seen, held, started = 0, b"", 0.0
    while seen < count:
        data = sock.recv(_BUFFER)
        if not data:
            raise SystemExit("closed")
        started = started or time.perf_counter()
        out, more, held = answers(held + data, lambda _: True)
        seen += more
        if out:
            sock.sendall(out)
    print(f"{time.perf_counter() - started:.6f} {seen}")


def main(words: list[str]) -> None:
    mode, *rest = words
    runs: dict[str, tuple[Callable[..., None], tuple[type, ...]]] = {
        "load": (load, (int, int, int, int, str, int)),
        "sink": (sink, (int, int)),
        "probe": (probe, (int, float, int, str)),
        "idle": (idle, (int, int)),
        "sub": (sub, (int, int)),
    }
    run, kinds = runs[mode]
    run(*(kind(word) for kind, word in zip(kinds, rest, strict=False)))


if __name__ == "__main__":
    main(sys.argv[1:])

"""A replay in a terminal: the bar is drawn, keys work, the terminal is left as it was."""

import os
import pty
import re
import select
import socket
import sys
import termios
import threading
import time

import pytest

from overflight.replay.keyboard import KEYS, hint
from overflight_contract.mqtt import ConnAck, Connect, Framer, Publish, Version, encode
from overflight_contract.session import Direction, SessionPacket, SessionWriter, Verdict

S = 10**9
V4 = Version.V311


@pytest.fixture
def sink():
    """A socket that says CONNACK and takes all else."""

    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        client, _ = listener.accept()
        framer = Framer()
        while data := client.recv(4096):
            for packet in framer.feed(data):
                if packet[0] >> 4 == 1:
                    client.sendall(encode(ConnAck(), V4))
        client.close()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.fixture
def slow_session(tmp_path):
    path = tmp_path / "slow.mcap"
    writer = SessionWriter(path)
    packets = [(0, Connect(client_id="HAB-01", version=V4))]
    packets += [(n, Publish(topic="t", payload=b"%d" % n)) for n in range(1, 4)]
    packets.append((3600, Publish(topic="t", payload=b"far")))
    writer.write(
        [
            SessionPacket(at * S, 1, Direction.UP, Verdict.OK, "", encode(packet, V4))
            for at, packet in packets
        ]
    )
    writer.close()
    return path


class Terminal:
    """A child on a pseudo terminal."""

    def __init__(self, *words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", COLUMNS="120")
            os.execv(sys.executable, [sys.executable, "-m", "overflight", *words])
        self.said = ""

    def wait_for(self, text, deadline_s=60):
        end = time.monotonic() + deadline_s
        while not re.search(text, self.said):
            assert time.monotonic() < end, self.said[-2000:]
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.said += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    break
        assert re.search(text, self.said), self.said[-2000:]

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def status(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_keys_and_bar(sink, slow_session):
    terminal = Terminal("replay", str(slow_session), "--to", f"mqtt://127.0.0.1:{sink}")
    before = termios.tcgetattr(terminal.fd)
    terminal.wait_for("space: pause, go on")
    terminal.wait_for("1 messages  1x")
    terminal.press(" ")
    terminal.wait_for("paused")
    terminal.press(" \x1b[A")
    terminal.wait_for("messages  2x")
    terminal.press("m")
    terminal.wait_for(r"4 messages? on 1 connection in")
    assert terminal.status() == 0
    assert termios.tcgetattr(terminal.fd)[3] == before[3]


def test_q_ends_it(sink, slow_session):
    terminal = Terminal("replay", str(slow_session), "--to", f"mqtt://127.0.0.1:{sink}")
    terminal.wait_for("1 messages  1x")
    terminal.press("q")
    terminal.wait_for("messages? on 1 connection in")
    assert terminal.status() == 0


def test_the_keys_are_told_in_lines_that_fit(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    lines = []
    hint(lines.append)
    assert all(len(line) <= 40 for line in lines)
    assert "  ".join(lines) == "  ".join(f"{key}: {what}" for key, what in KEYS.items())

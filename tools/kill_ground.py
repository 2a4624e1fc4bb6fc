"""Kills the ground (and now and then the broker) under load, and counts what the store has.

A payload of 500 messages a second sends on; the ground is killed with SIGKILL at random moments,
every tenth time the broker as well. In the end the store must have every message once.

    python tools/kill_ground.py --kills 200
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt

from overflight_contract import messages as m
from overflight_contract.ports import free_port
from overflight_contract.topics import Kind, topic_for
from overflight_ground.broker import EmbeddedBroker

PAYLOAD = "HAB-01"
FLIGHT = "20230128T060000Z-7f3a"
START = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)
FINISH_S = 60.0


class Payload:
    """Sends messages until a receipt has them; again from the watermark after each reconnect."""

    def __init__(self, port: int, per_s: float) -> None:
        self.through = 0
        self.messages: list[tuple[str, bytes]] = []
        self.stopping = False
        self._pause_s = 0.02
        self._step = max(1, round(per_s * self._pause_s))
        self._next = 0
        self._moved_s = time.monotonic()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, PAYLOAD, protocol=mqtt.MQTTv311, clean_session=True
        )
        self.client.max_inflight_messages_set(200)
        self.client.max_queued_messages_set(2000)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._connected
        self.client.on_message = self._receipt
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _connected(self, client: mqtt.Client, *_rest: object) -> None:
        client.subscribe(topic_for(PAYLOAD, Kind.RECEIPT), 1)
        self._next = self.through

    def _receipt(self, _client: object, _data: object, received: mqtt.MQTTMessage) -> None:
        receipt = m.decode_receipt(received.payload)
        if receipt.through > self.through:
            self.through, self._moved_s = receipt.through, time.monotonic()

    def _run(self) -> None:
        while not (self.stopping and self.through == len(self.messages)):
            if not self.stopping:
                for _ in range(self._step):
                    self.messages.append(message(len(self.messages) + 1))
            if time.monotonic() - self._moved_s > 3.0:
                self._next, self._moved_s = self.through, time.monotonic()
            while self._next < len(self.messages) and self.client.is_connected():
                topic, payload = self.messages[self._next]
                if self.client.publish(topic, payload, qos=1).rc != mqtt.MQTT_ERR_SUCCESS:
                    break
                self._next += 1
            time.sleep(self._pause_s)

    def finish(self) -> bool:
        """Stop sending anew; wait for the last receipt."""
        self.stopping = True
        self.thread.join(FINISH_S)
        done = not self.thread.is_alive()
        self.messages = self.messages if done else self.messages[:]
        self.through = self.through if done else len(self.messages)
        self.client.disconnect()
        self.client.loop_stop()
        return done


def message(seq: int) -> tuple[str, bytes]:
    at = START + dt.timedelta(seconds=seq)
    body = m.Position(
        flight=FLIGHT, seq=seq, held_from=1, measured_at=at, lat_deg=45.12345, lon_deg=-100.5,
        alt_msl_m=18_000.0, alt_hae_m=None, fix=m.Fix.THREE_D, sats=9, hdop=0.9,
    )  # fmt: skip
    return topic_for(PAYLOAD, Kind.POSITION), m.encode(body)


def start_ground(port: int, store: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "overflight", "ground", "run", "--broker", f"mqtt://127.0.0.1:{port}",
        "--store", str(store), "--http", "127.0.0.1:0", "--clock", "data",
    ]  # fmt: skip
    with log.open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out)


def run(kills: int, seed: int, folder: Path) -> dict[str, object]:
    rng = random.Random(seed)
    store, log = folder / "ground.sqlite", folder / "ground.log"
    broker = EmbeddedBroker(folder / "broker", port=free_port())
    broker.start()
    payload = Payload(broker.port, 500)
    ground = start_ground(broker.port, store, log)
    begin = time.monotonic()
    for number in range(1, kills + 1):
        time.sleep(rng.uniform(0.4, 1.1))
        ground.kill()
        ground.wait()
        if number % 10 == 0 and broker.pid is not None:
            os.kill(broker.pid, signal.SIGKILL)
            broker.stop()
            broker.start()
        ground = start_ground(broker.port, store, log)
    finished = payload.finish()
    ground.send_signal(signal.SIGTERM)
    stopped = ground.wait(15)
    broker.stop()
    result = compare(store, payload.messages)
    return {
        "kills": kills, "seconds": round(time.monotonic() - begin, 1), "finished": finished,
        "stopped_with": stopped, **result,
    }  # fmt: skip


def compare(store: Path, sent: list[tuple[str, bytes]]) -> dict[str, int]:
    with sqlite3.connect(store) as connection:
        rows = connection.execute("SELECT seq, raw FROM messages ORDER BY seq").fetchall()
        check = connection.execute("PRAGMA integrity_check").fetchone()[0]
    stored = {seq: bytes(raw) for seq, raw in rows}
    wrong = sum(1 for seq, (_, raw) in enumerate(sent, 1) if stored.get(seq, raw) != raw)
    return {
        "sent": len(sent), "stored": len(rows), "doubled": len(rows) - len(stored),
        "lost": sum(1 for seq in range(1, len(sent) + 1) if seq not in stored),
        "altered": wrong, "intact": int(check == "ok"),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill the ground under load and count.")
    parser.add_argument("--kills", type=int, default=200, help="how many times")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overflight-kill-") as name:
        result = run(args.kills, args.seed, Path(name))
    print(json.dumps(result))
    bad = result["lost"] or result["doubled"] or result["altered"] or not result["intact"]
    return int(bool(bad) or not result["finished"])


if __name__ == "__main__":
    sys.exit(main())

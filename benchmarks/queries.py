"""How quickly the API's queries answer among many messages.

Fills a store with a fleet's messages (100 million take a while and 50 GB; the default is a tenth of
a million a payload) and times what the page asks. `--messages` says how many; a store that is there
already (`--store FILE`) is used as it is.

    python benchmarks/queries.py [--quick] [--json] [--messages N] [--store FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from overflight_ground.store import Store, reading
from overflight_ground.store.inserting import COLUMNS
from overflight_ground.store.reading import MessageFilter
from overflight_ground.track import merge

PAYLOADS = 100
FLIGHT = "20230128T060000Z-7f3a"
START_NS = 1_674_885_600 * 10**9
RAW = b"x" * 200
POSITION = (45.0, "-100 + seq % 1000 * 0.01", 18_000.0, 18_012.5, "'3d'", 9, 0.9)
NAVIGATION = (90.0, 30.0, 0.1, "'float'", 3, 120_000, 91.5, -1_200)
BATCH = 1_000_000
FAST = ("journal_mode=OFF", "synchronous=OFF", "secure_delete=OFF", "cache_size=-500000")

FILL = f"""
WITH RECURSIVE fleet(n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM fleet WHERE n < ?2),
said(n, payload, seq, kind) AS (
  SELECT n, printf('HAB-%03d', n % {PAYLOADS}), n / {PAYLOADS} + 1,
    iif(n / {PAYLOADS} % 2, 'navigation', 'position') FROM fleet
)
INSERT INTO messages ({", ".join(COLUMNS)})
SELECT n + 1, payload, '{FLIGHT}', seq, kind, 1, ?3 + seq * 30000000000, ?3 + seq * 30000000000,
  'overflight/1/' || payload || '/' || kind, 1, 0, 0, ?4, NULL, ?3,
  {", ".join(f"iif(kind = 'position', {value}, NULL)" for value in POSITION)},
  {", ".join(f"iif(kind = 'navigation', {value}, NULL)" for value in NAVIGATION)}
FROM said
"""
"""Messages as a fleet of `PAYLOADS` would have sent them, in turn; filled in without Python."""


def fill(file: Path, count: int) -> None:
    """Fill the new store at `file`; nobody minds if that is cut short by a crash."""
    Store.open(str(file)).close()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        for pragma in FAST:
            connection.execute(f"PRAGMA {pragma}")
        for first in range(0, count, BATCH):
            last = min(first + BATCH, count) - 1
            connection.execute(FILL, (first, last, START_NS, RAW))
            connection.commit()
        flights = [
            (f"HAB-{n:03}", FLIGHT, START_NS, START_NS, START_NS, START_NS, count // PAYLOADS)
            + (0,) * 4 + (count // PAYLOADS, 1, 0, False)
            for n in range(PAYLOADS)
        ]  # fmt: skip
        connection.executemany(f"INSERT INTO flights VALUES ({', '.join('?' * 15)})", flights)
        connection.commit()
        connection.execute("PRAGMA journal_mode=WAL")


def median_ms(ask: Callable[[], object], times: int) -> float:
    waits = []
    for _ in range(times):
        begin = time.perf_counter()
        ask()
        waits.append((time.perf_counter() - begin) * 1000)
    return statistics.median(waits)


def measure(store: Store, times: int) -> dict[str, float]:
    payload = "HAB-042"

    def newest_track() -> list[object]:
        """Return the track of the last hours of one payload: what the page asks first."""
        with store.reading() as connection:
            newest = reading.last_measured_ns(connection, payload, FLIGHT)
            wanted = MessageFilter(
                payload=payload, flight=FLIGHT, since_ns=newest - 6 * 3600 * 10**9, believable=True
            )
            return list(merge(reading.track_rows(connection, wanted)))

    def newest_messages() -> object:
        with store.reading() as connection:
            return reading.messages_page(connection, MessageFilter(), before_id=None, limit=100)

    def messages_of_payload() -> object:
        with store.reading() as connection:
            wanted = MessageFilter(payload=payload)
            return reading.messages_of_payload(connection, wanted, before=None, limit=100)

    def one_message() -> object:
        with store.reading() as connection:
            return reading.message(connection, 12_345)

    assert newest_track()
    return {
        "newest_track_ms": median_ms(newest_track, times),
        "newest_messages_ms": median_ms(newest_messages, times),
        "messages_of_payload_ms": median_ms(messages_of_payload, times),
        "one_message_ms": median_ms(one_message, times),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time queries among many messages.")
    parser.add_argument("--quick", action="store_true", help="few messages; ends within 40 s")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    parser.add_argument("--messages", type=int, default=10_000_000, help="how many to store")
    parser.add_argument("--store", type=Path, help="where to; one that is there is used as it is")
    args = parser.parse_args()
    count = 300_000 if args.quick else args.messages
    with contextlib.ExitStack() as stack:
        file = args.store or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "q.sqlite"
        if not file.exists():
            begin = time.perf_counter()
            fill(file, count)
            print(f"stored {count:,} messages in {time.perf_counter() - begin:.0f} s", flush=True)
        store = Store.open(str(file))
        stack.callback(store.close)
        with store.reading() as connection:
            stored = connection.exec_driver_sql("SELECT max(id) FROM messages").scalar_one()
        result = {"messages": float(stored), **measure(store, 21)}
    for name, value in result.items():
        print(f"{name:20} {value:14,.2f}")
    if args.json:
        print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()

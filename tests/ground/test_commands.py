"""The commands on a store: export, plot, alerts, retention; tap and peek."""

from __future__ import annotations

import asyncio
import datetime as dt
import http.server
import json
import threading

import pytest

from overflight.cli import main
from overflight_contract.times import NS_PER_S, to_ns
from overflight_ground.alerts import storing
from overflight_ground.alerts.engine import Alert
from overflight_ground.peek import VaultPeek
from overflight_ground.tap import follow_tap

FLIGHT = "20230128T060000Z-7f3a"


@pytest.fixture
def filled(store, intake, arrival, position, navigation) -> str:
    batch = [arrival(position(n) if n % 2 else navigation(n)) for n in range(1, 201)]
    intake.commit(batch)
    intake.commit([arrival(position(n), payload="HAB-02") for n in range(1, 21)])
    return str(store.file)


def test_export_in_every_format(filled, tmp_path, capsysbinary) -> None:
    for name in ("geojson", "gpx", "kml", "czml", "csv", "jsonl", "parquet", "sondehub"):
        out = tmp_path / f"x.{name}"
        assert main(["ground", "export", "--store", filled, "--format", name, "-o", str(out)]) == 0
        assert out.stat().st_size > 500
    assert main(["ground", "export", "--store", filled, "--format", "messages"]) == 0
    lines = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [(line["payload"], line["message"]["seq"]) for line in lines] == [
        *(("HAB-01", n) for n in range(1, 201)),
        *(("HAB-02", n) for n in range(1, 21)),
    ]


def test_parquet_has_the_right_types(filled, tmp_path) -> None:
    duckdb = pytest.importorskip("duckdb")
    out = tmp_path / "x.parquet"
    main(["ground", "export", "--store", filled, "--format", "parquet", "-o", str(out)])
    rows = duckdb.sql(f"SELECT typeof(lat_deg), count(*) FROM '{out}' GROUP BY 1").fetchall()
    assert rows == [("DOUBLE", 120)]


def test_export_between_times_of_one_payload(filled, tmp_path) -> None:
    out = tmp_path / "x.csv"
    words = ["--payload", "HAB-01", "--since", "2023-01-28T06:10:00Z"]
    words += ["--until", "2023-01-28T06:20:00Z", "--format", "csv", "-o", str(out)]
    assert main(["ground", "export", "--store", filled, *words]) == 0
    assert len(out.read_text().splitlines()) == 1 + 5


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_plot(filled, tmp_path, suffix) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / f"flight.{suffix}"
    assert main(["ground", "plot", "HAB-01", "--store", filled, "-o", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG" if suffix == "png" else b"<?xml")


def test_rules_tried_on_a_store(filled, tmp_path, capsys) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[off-course]\nwidth_m = 1000\n[area]\nenabled = false\n")
    words = ["ground", "alerts", "--try", str(rules), "--store", filled, "--json"]
    assert main(words) == 0
    (alert,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (alert["kind"], alert["end_at"]) == ("off-course", None)
    assert main(["ground", "alerts", "--store", filled]) == 0
    assert capsys.readouterr().out == ""


def test_rules_are_tried_on_what_batches_did_and_on_the_clock(
    store, intake, arrival, position, tmp_path, capsys
) -> None:
    """A gap that closes, given up, a conflict; HAB-02 never comes back."""
    minutes = (n for n in range(1, 100))

    def come(*bodies, payload: str = "HAB-01") -> None:
        at_ns = 60 * NS_PER_S * next(minutes)
        intake.commit([arrival(body, payload=payload, at_ns=at_ns) for body in bodies])

    for n in range(1, 6):
        come(position(n), payload="HAB-02")
        come(position(n))
    come(position(20))
    come(*[position(n) for n in range(6, 20)])
    come(position(30, held_from=28))
    come(position(30, lat_deg=1.0, held_from=28))
    for n in range(31, 36):
        come(position(n, held_from=28))
    rules = tmp_path / "rules.toml"
    rules.write_text("[area]\nenabled = false\n")
    words = ["ground", "alerts", "--try", str(rules), "--store", str(store.file), "--json"]

    def raised(*more: str) -> list[tuple[str, str, str, bool]]:
        assert main([*words, *more]) == 0
        alerts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [(a["payload"], a["kind"], a["begin_at"][11:16], bool(a["end_at"])) for a in alerts]

    first = [("HAB-02", "late", "06:05", False), ("HAB-01", "gap", "06:20", True)]
    later = [("HAB-01", "conflict", "06:30", True), ("HAB-01", "given-up", "06:30", True)]
    assert raised() == [*first, *later]
    assert raised("--open") == first[:1]
    assert raised("--payload", "HAB-02", "--flight", FLIGHT) == first[:1]
    assert raised("--since", "2023-01-28T06:25:00Z") == later
    assert raised("--until", "2023-01-28T06:25:00Z") == first[1:]  # not late yet


def test_what_retention_took_is_no_gap(store, filled, tmp_path, capsys, caplog) -> None:
    with store.writing() as connection:
        connection.exec_driver_sql("DELETE FROM messages WHERE seq < 20 AND payload = 'HAB-01'")
    rules = tmp_path / "rules.toml"
    rules.write_text("[area]\nenabled = false\n")
    assert main(["ground", "alerts", "--try", str(rules), "--store", filled]) == 0
    assert capsys.readouterr().out == ""
    assert "retention took messages from 1 flights" in caplog.text


def test_an_old_open_alert_is_listed_among_any_number(store, capsys) -> None:
    with store.writing() as connection:
        for n in range(600):
            storing.save(connection, stored_alert(n, ended=n > 0))
    words = ["ground", "alerts", "--store", str(store.file), "--json"]

    def begins(*more: str) -> list[str]:
        assert main([*words, *more]) == 0
        return [json.loads(line)["begin_at"] for line in capsys.readouterr().out.splitlines()]

    assert len(begins()) == 600
    assert begins("--open") == ["2023-01-28T06:00:00.000Z"]
    times = ("--since", "2023-01-28T06:01:00Z", "--until", "2023-01-28T06:03:00Z")
    assert begins(*times) == ["2023-01-28T06:01:00.000Z", "2023-01-28T06:02:00.000Z"]
    assert begins("--payload", "HAB-02") == []


def stored_alert(minute: int, *, ended: bool) -> Alert:
    at_ns = to_ns(dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)) + minute * 60 * NS_PER_S
    return Alert(
        "area", "France", "HAB-01", FLIGHT, "severe", "t", "c", at_ns, at_ns if ended else None, {}
    )


def test_retention_first_dry_then_for_good(
    filled, store, intake, arrival, position, capsys
) -> None:
    words = ["ground", "retention", "--store", filled, "--older-than", "30d", "--json"]
    assert main([*words, "--payload", "HAB-02", "--dry-run"]) == 0
    would = json.loads(capsys.readouterr().out)
    assert (would["messages"], would["flights"]) == (20, 1)
    assert main([*words, "--payload", "HAB-02"]) == 0
    with store.reading() as connection:
        left = connection.exec_driver_sql("SELECT payload, count(*) FROM messages GROUP BY 1").all()
    assert [tuple(row) for row in left] == [("HAB-01", 200)]
    # ingest goes on with what is left, and knows that the flight is gone
    outcome = intake.commit([arrival(position(1), payload="HAB-02")])
    assert outcome.flights["HAB-02", FLIGHT].through == 1


@pytest.mark.parametrize(
    "words",
    [
        ["export", "--store", "none.sqlite"],
        ["retention", "--store", "none.sqlite"],
        ["plot", "HAB-01", "--store", "none.sqlite"],
        ["ingest", "none.mcap", "--store", "new.sqlite"],
        ["alerts", "--try", "none.toml", "--store", "none.sqlite"],
        ["run", "--broker", "http://nowhere", "--store", "new.sqlite", "--http", "127.0.0.1:0"],
        ["run", "--rules", "none.toml"],
    ],
)
def test_mistakes_are_one_sentence(words, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["ground", *words]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_peek_counts_whole_lines_as_the_manifest_grows(tmp_path) -> None:
    peek = VaultPeek(tmp_path)
    assert peek.look() is None
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_bytes(b'{"n":1,"bytes":100}\n{"n":2,"by')
    kept = peek.look()
    assert kept is not None
    assert (kept.images, kept.bytes) == (1, 100)
    manifest.write_bytes(b'{"n":1,"bytes":100}\n{"n":2,"bytes":50}\n')
    kept = peek.look()
    assert kept is not None
    assert (kept.images, kept.bytes) == (2, 150)


class Tap(http.server.BaseHTTPRequestHandler):
    """Ends the first stream after one event."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b': hello\n\nevent: packets\ndata: [{"sequence":1}]\n\n')
        self.wfile.write(b'event: missed\ndata: {"missed":3}\n\n')

    def log_message(self, *_args: object) -> None:
        pass


async def test_the_tap_is_followed_and_comes_back() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tap)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    events: list[tuple[str, object]] = []
    states: list[str] = []
    task = asyncio.create_task(
        follow_tap(
            f"http://127.0.0.1:{server.server_port}",
            lambda event, data: events.append((event, data)),
            states.append,
        )
    )
    async with asyncio.timeout(10):
        while len(events) < 4:
            await asyncio.sleep(0.02)
    task.cancel()
    server.shutdown()
    assert events[:2] == [("packets", [{"sequence": 1}]), ("missed", {"missed": 3})]
    assert states[:2] == ["connected", "ended"]

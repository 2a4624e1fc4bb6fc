"""Formats of tracks: each is read back by what it is for, and says what is missing."""

from __future__ import annotations

import csv
import io
import json
import sys
import xml.etree.ElementTree as ET

import gpxpy
import pytest

from overflight_contract.errors import UnavailableError
from overflight_contract.formats import FORMATS, TrackPoint

T0 = 1_675_252_800_000_000_000


def point(n, lat, lon, *, alt=1000.0, payload="HAB-01", flight="20230201T120000Z-7f3a", **more):
    fields = {"alt_msl_m": alt, "alt_hae_m": None if alt is None else alt - 17.3} | more
    return TrackPoint(payload, flight, n, T0 + n * 1_000_000_000, lat, lon, **fields)


TRACK = [
    point(1, 45.0, 179.5, speed_mps=20.5, track_deg=90.0, climb_mps=1.5, phase="ascent", fix="3d",
          sats=9, hdop=0.8),
    point(2, None, None, alt=None, fix="none"),
    point(3, 45.2, -179.5, sats=0),
    point(4, 45.4, -178.5, alt=None),
    point(1, -10.0, 20.0, payload="HAB-02"),
]  # fmt: skip


def written(name, points, *, simulated=False):
    out = io.BytesIO()
    FORMATS[name].write(points, out, simulated=simulated)
    return out.getvalue()


@pytest.mark.parametrize("name", [n for n in FORMATS if n != "parquet"])
def test_nothing_to_write_is_a_valid_document(name):
    content = written(name, [])
    if name in ("geojson", "czml", "sondehub"):
        json.loads(content)
    elif name in ("gpx", "kml"):
        ET.fromstring(content)


def test_geojson_is_cut_at_the_antimeridian():
    collection = json.loads(written("geojson", TRACK, simulated=True))
    first, second = collection["features"]
    assert first["geometry"] == {
        "type": "MultiLineString",
        "coordinates": [
            [[179.5, 45.0], [180.0, 45.1]],
            [[-180.0, 45.1], [-179.5, 45.2], [-178.5, 45.4]],
        ],
    }
    times = first["properties"]["coordTimes"]
    assert times[0] == ["2023-02-01T12:00:01.000Z", None]
    assert first["properties"]["simulated"] is True
    assert second["geometry"] == {"type": "Point", "coordinates": [20.0, -10.0, 982.7]}


@pytest.mark.parametrize(
    ("lons", "lines"),
    [
        ([179.0, 180.0, -179.0], [[179.0, 180.0], [-180.0, -179.0]]),
        ([-179.0, -180.0, 179.0], [[-179.0, -180.0], [180.0, 179.0]]),
        ([170.0, -170.0, 170.0], [[170.0, 180.0], [-180.0, -170.0, -180.0], [180.0, 170.0]]),
        ([10.0, 100.0, 190.0 - 360], [[10.0, 100.0, 180.0], [-180.0, -170.0]]),
        ([0.0, 90.0], [[0.0, 90.0]]),
        ([179.98, 179.99, -180.0], [[179.98, 179.99, 180.0]]),
        ([170.0, -180.0, 170.0], [[170.0, 180.0, 170.0]]),
        ([170.0, -180.0, -170.0], [[170.0, 180.0], [-180.0, -170.0]]),
        ([-180.0, 179.0], [[180.0, 179.0]]),
    ],
)
def test_geojson_lines_stay_on_their_side(lons, lines):
    found = json.loads(written("geojson", [point(n, 1.0, lon) for n, lon in enumerate(lons)]))
    geometry = found["features"][0]["geometry"]
    many = geometry["type"] == "MultiLineString"
    coordinates = geometry["coordinates"] if many else [geometry["coordinates"]]
    assert [[position[0] for position in line] for line in coordinates] == lines


@pytest.mark.parametrize("name", ["gpx", "kml"])
def test_xml_has_no_number_with_an_exponent(name):
    small = point(1, 0.00005, -0.00001, alt=0.0, alt_hae_m=0.1, hdop=0.1, speed_mps=0.1)
    content = written(name, [small]).decode()
    expected = {
        "gpx": '<trkpt lat="0.00005" lon="-0.00001"><ele>0.0</ele>',
        "kml": "<gx:coord>-0.00001 0.00005 0.0</gx:coord>",
    }
    assert expected[name] in content


def test_gpx_is_read_by_gpxpy():
    gpx = gpxpy.parse(written("gpx", TRACK, simulated=True).decode())
    assert gpx.description == "simulated flight"
    assert [len(track.segments) for track in gpx.tracks] == [2, 1]
    first = gpx.tracks[0].segments[0].points[0]
    assert (first.latitude, first.longitude, first.elevation) == (45.0, 179.5, 1000.0)
    assert (first.type_of_gpx_fix, first.satellites, first.horizontal_dilution) == ("3d", 9, 0.8)
    assert first.geoid_height == -17.3
    assert gpx.tracks[0].segments[1].points[1].elevation is None


def test_kml_has_as_many_coords_as_whens():
    root = ET.fromstring(written("kml", TRACK, simulated=True))
    gx = "{http://www.google.com/kml/ext/2.2}"
    track = root.find(f".//{gx}Track")
    coords = [coord.text for coord in track.findall(f"{gx}coord")]
    assert coords == ["179.5 45.0 1000.0", None, "-179.5 45.2 1000.0", None]
    assert len(track.findall("{http://www.opengis.net/kml/2.2}when")) == 4
    values = track.findall(f".//{gx}SimpleArrayData")
    assert [value.text for value in values[0]] == ["20.5", None, None, None]
    assert len(root.findall(f".//{gx}Track")) == 2


def test_czml_has_document_first_and_samples_from_an_epoch():
    document, first, second = json.loads(written("czml", TRACK))
    assert document["id"] == "document"
    assert document["clock"]["interval"] == "2023-02-01T12:00:01.000Z/2023-02-01T12:00:03.000Z"
    assert first["position"]["epoch"] == "2023-02-01T12:00:01.000Z"
    assert first["position"]["cartographicDegrees"] == [
        0.0, 179.5, 45.0, 982.7, 2.0, -179.5, 45.2, 982.7,
    ]  # fmt: skip
    assert second["name"].startswith("HAB-02")


def test_csv_and_jsonl_have_the_same_columns():
    rows = list(csv.DictReader(io.StringIO(written("csv", TRACK).decode(), newline="")))
    objects = [json.loads(line) for line in written("jsonl", TRACK).splitlines()]
    assert list(rows[0]) == list(objects[0])
    assert rows[1]["lat_deg"] == ""
    assert objects[1]["lat_deg"] is None
    assert objects[0]["measured_at"] == rows[0]["measured_at"] == "2023-02-01T12:00:01.000Z"
    assert rows[0]["speed_mps"] == "20.5"


def test_parquet_has_types():
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(written("parquet", TRACK, simulated=True)))
    assert table.num_rows == 5
    assert str(table.schema.field("measured_at").type) == "timestamp[ms, tz=UTC]"
    assert table.column("lat_deg").to_pylist() == [45.0, None, 45.2, 45.4, -10.0]
    assert table.schema.metadata[b"simulated"] == b"true"
    empty = parquet.read_table(io.BytesIO(written("parquet", [])))
    assert empty.num_rows == 0


def test_parquet_without_pyarrow_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnavailableError, match=r"overflight\[parquet\]"):
        written("parquet", TRACK)


def test_sondehub_rows_have_the_fields_of_its_schema():
    rows = json.loads(written("sondehub", TRACK))
    assert rows[0] == {
        "software_name": "overflight",
        "software_version": rows[0]["software_version"],
        "uploader_callsign": "overflight",
        "time_received": "2023-02-01T12:00:01.000000Z",
        "payload_callsign": "HAB-01",
        "datetime": "2023-02-01T12:00:01.000000Z",
        "lat": 45.0,
        "lon": 179.5,
        "alt": 1000.0,
        "frame": 1,
        "vel_h": 20.5,
        "vel_v": 1.5,
        "heading": 90.0,
        "sats": 9,
    }
    assert [row["frame"] for row in rows] == [1, 3, 1]
    assert "sats" not in rows[1]


def test_sondehub_rows_of_a_simulation_are_for_developers_only():
    assert all(row["dev"] is True for row in json.loads(written("sondehub", TRACK, simulated=True)))
    assert all("dev" not in row for row in json.loads(written("sondehub", TRACK)))


@pytest.mark.parametrize(
    ("name", "mark", "everywhere"),
    [
        ("geojson", b'"simulated":true', 2),
        ("gpx", b"simulated flight", 3),
        ("kml", b"simulated flight", 2),
        ("czml", b"simulated flight", 3),
        ("sondehub", b'"dev":true', 3),
    ],
)
def test_one_simulated_flight_does_not_mark_the_others(name, mark, everywhere):
    assert written(name, TRACK, simulated=True).count(mark) == everywhere
    assert written(name, TRACK).count(mark) == 0
    mixed = written(name, TRACK, simulated={("HAB-02", TRACK[-1].flight)})
    assert mixed.count(mark) == 1
    assert mixed.index(mark) > mixed.index(b"HAB-01")


def test_parquet_names_the_simulated_flights():
    parquet = pytest.importorskip("pyarrow.parquet")
    content = written("parquet", TRACK, simulated={("HAB-02", "f"), ("HAB-01", "f")})
    metadata = parquet.read_schema(io.BytesIO(content)).metadata
    assert metadata[b"simulated"] == b"HAB-01/f,HAB-02/f"

"""Areas: what a file may hold, where an area is, how far it is."""

from __future__ import annotations

import json
import math

import pytest

from overflight_contract.errors import InputError
from overflight_ground.alerts.area_watch import watched_areas
from overflight_ground.alerts.rules import AreaRule
from overflight_ground.areas import AreaMap, read_areas
from overflight_ground.areas.area import Area

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]


def feature(name="zone", coordinates=(SQUARE,), **properties):
    return {
        "type": "Feature",
        "properties": {"name": name, **properties},
        "geometry": {"type": "Polygon", "coordinates": coordinates},
    }


def box(west, east, south=-10, north=10):
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def written(tmp_path, *features, name="areas.geojson"):
    file = tmp_path / name
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return file


def area_of(tmp_path, ring) -> Area:
    (area,) = read_areas(written(tmp_path, feature(coordinates=[ring])))
    return area


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({**feature(), "properties": ["name"]}, "no name"),
        ({**feature(), "geometry": "POLYGON"}, "no Polygon"),
        (feature(coordinates=7), "list"),
        (feature(coordinates=[]), "encloses nothing"),
        (feature(coordinates=[[]]), "without positions"),
        (feature(coordinates=[[[0, 0], [1, 0], 3, [0, 0]]]), "3 is no position"),
        (feature(coordinates=[[[10**400, 0], *SQUARE]]), "no coordinate"),
        (feature(coordinates=[[[math.nan, 0], *SQUARE]]), "no coordinate"),
        (feature(coordinates=[[["8", 0], *SQUARE]]), "no coordinate"),
        (feature(coordinates=[[[8, 170], *SQUARE]]), "latitude 170 is beyond 90"),
        (feature(coordinates=[[[999, 0], *SQUARE]]), "longitude 999"),
        (feature(coordinates=[SQUARE[:2]]), "4 coordinates"),
        (feature(floor_m=math.nan), "NaN is no floor_m"),
        (feature(ceiling_m="high"), "no ceiling_m"),
        (feature(floor_m=2_000, ceiling_m=1_000), "floor_m 2000 is above ceiling_m 1000"),
        (feature("\ud800"), "surrogates"),
        (feature("sound"), "'sound' is also the name of"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(tmp_path, wrong, why) -> None:
    file = written(tmp_path, feature("sound"), wrong)
    with pytest.raises(InputError, match=rf"areas\.geojson, feature 2: .*{why}"):
        read_areas(file)


@pytest.mark.parametrize("text", ["[" * 200_000, "9" * 5_000, "{", "[]", '{"features": 3}'])
def test_a_file_that_is_no_geojson(tmp_path, text) -> None:
    file = tmp_path / "areas.geojson"
    file.write_text(text)
    with pytest.raises(InputError, match=r"areas\.geojson"):
        read_areas(file)


def test_a_name_stands_for_one_area_over_all_files(tmp_path) -> None:
    one = written(tmp_path, feature())
    other = written(tmp_path, feature(), name="more.geojson")
    with pytest.raises(InputError, match="'zone' is also the name of"):
        watched_areas(AreaRule(countries=[], files=[one.name, other.name]), tmp_path)


def test_an_own_area_may_be_called_like_a_country(tmp_path) -> None:
    file = written(tmp_path, feature("France"))
    both = watched_areas(AreaRule(countries=["FRA"], files=[file.name]), tmp_path)
    assert [area.name for area in both.at(5.0, 5.0)] == ["France (own area)"]
    assert [area.name for area in both.at(48.85, 2.35)] == ["France"]
    assert both.by_name["France"].kind == "country"
    alone = watched_areas(AreaRule(countries=[], files=[file.name]), tmp_path)
    assert [area.name for area in alone.at(5.0, 5.0)] == ["France"]


@pytest.mark.parametrize(
    ("ring", "inside", "outside"),
    [
        (box(0, 180), (1.0, 90.0, 179.0), (-1.0, -90.0, -179.0)),
        (box(-180, 180), (-180.0, -90.0, 0.0, 90.0, 180.0), ()),
        (box(100, -100), (101.0, 180.0, -180.0, -101.0), (0.0, 99.0, -99.0)),
        (box(170, 200), (171.0, 180.0, -180.0, -161.0), (0.0, 169.0, -159.0)),
        ([[-100, -10], [0, -10], [100, -10], [100, 10], [0, 10], [-100, 10], [-100, -10]],
         (0.0, -99.0, 99.0), (180.0, -101.0, 101.0)),
        ([[170, -10], [180, -10], [-180, -10], [-170, -10], [-170, 10], [170, 10], [170, -10]],
         (171.0, 180.0, -180.0, -171.0), (0.0, 160.0, -160.0)),
    ],
)  # fmt: skip
def test_edges_go_the_shorter_way_round_and_a_band_goes_all_round(
    tmp_path, ring, inside, outside
) -> None:
    areas = AreaMap([area_of(tmp_path, ring)])
    assert [lon for lon in (*inside, *outside) if areas.at(0.0, lon)] == list(inside)


@pytest.mark.parametrize("lat_deg", [0.0, 60.0, 70.0, 80.0, 89.0])
def test_the_distance_to_a_slanted_border_holds_at_any_latitude(tmp_path, lat_deg) -> None:
    """A border that runs north-east over the ground, seen from 10 km beside it."""
    east = math.cos(math.radians(lat_deg))
    degree_m = 111_195.0
    ends = [(-0.4, lat_deg - 0.4 * east), (0.4, lat_deg + 0.4 * east)]
    area = area_of(tmp_path, [*map(list, ends), [0.4, lat_deg - 0.4 * east], list(ends[0])])
    aside_deg = 10_000.0 / degree_m * math.sqrt(0.5)
    assert area.distance_m(lat_deg + aside_deg, -aside_deg / east) == pytest.approx(
        10_000.0, rel=0.05
    )

# ruff: noqa: E501
"""The page's sums, in the browser that will do them."""

import datetime as dt
import random
from typing import Any

import pytest
from geographiclib.geodesic import Geodesic

pytestmark = pytest.mark.browser


def test_units_say_missing_is_missing(modules: Any) -> None:
    said = modules.evaluate(
        """async () => {
        const u = await import("/js/units.js");
        return [u.altitude(null), u.altitude(NaN), u.altitude(0), u.altitude(18612), u.speed(0), u.climb(-2.04),
                u.bytes(0), u.bytes(999), u.bytes(999_600), u.bytes(6.14e9), u.ratio(3.2e6, 6.14e9), u.ratio(10, 5),
                u.duration(74), u.duration(7500), u.position(-1.5, -170.25)];
    }"""
    )
    assert said == [
        "–", "–", "0 m", "18.6 km", "0.0 m/s", "−2.0 m/s", "0 B", "999 B", "1.00 MB", "6.14 GB", "1 : 1,919", "2.0 : 1",
        "74 s", "2 h 05", "1.5000° S  170.2500° W",
    ]  # fmt: skip


def test_units_of_aviation(modules: Any) -> None:
    said = modules.evaluate(
        """async () => {
        const { settings } = await import("/js/settings.js");
        const u = await import("/js/units.js");
        settings.units = "aviation";
        const said = [u.altitude(18592.8), u.altitude(850), u.speed(10), u.climb(5), u.distance(18520)];
        settings.units = "metric";
        return said;
    }"""
    )
    assert said == ["FL 610", "2,789 ft", "19 kt", "+984 ft/min", "10 NM"]


def test_distance_and_destination_agree_with_the_geodesic(modules: Any) -> None:
    chance = random.Random(8)
    pairs = [
        [
            chance.uniform(-85, 85),
            chance.uniform(-180, 180),
            chance.uniform(-85, 85),
            chance.uniform(-180, 180),
        ]
        for _ in range(60)
    ]
    found = modules.evaluate(
        """async (pairs) => {
        const s = await import("/js/map/sphere.js");
        return pairs.map(([a, b, c, d]) => {
          const metres = s.distanceM([a, b], [c, d]);
          return [metres, s.distanceM(s.destination([a, b], s.bearingDeg([a, b], [c, d]), metres), [c, d])];
        });
    }""",
        pairs,
    )
    for (a, b, c, d), (metres, miss) in zip(pairs, found, strict=True):
        assert metres == pytest.approx(Geodesic.WGS84.Inverse(a, b, c, d)["s12"], rel=0.006)
        assert miss < 5


@pytest.mark.parametrize(
    ("moment", "lat", "lon"),
    [
        (dt.datetime(2024, 3, 20, 3, 6, tzinfo=dt.UTC), 0.0, 135.4),  # equinox
        (dt.datetime(2024, 6, 20, 20, 51, tzinfo=dt.UTC), 23.44, -132.3),  # solstice
    ],
)
def test_the_sun_stands_where_the_almanac_has_it(
    modules: Any, moment: dt.datetime, lat: float, lon: float
) -> None:
    found = modules.evaluate(
        "async (ms) => (await import('/js/map/sphere.js')).subsolar(ms)", moment.timestamp() * 1000
    )
    assert found[0] == pytest.approx(lat, abs=0.1)
    assert found[1] == pytest.approx(lon, abs=0.6)


def test_a_track_takes_points_in_any_order_and_each_once(modules: Any) -> None:
    points = [
        [1000 * i, 10 + i / 100, 179.5 + i / 100 - 360 * (i > 50), 100.0 * i, 5, 1]
        for i in range(600)
    ]
    shuffled = points[:]
    random.Random(3).shuffle(shuffled)
    found = modules.evaluate(
        """async ([points, parts]) => {
        const { Track } = await import("/js/track.js");
        const t = new Track("HAB-01", "f");
        for (const part of parts) t.add(part);
        return [t.length, [...t.points()]];
    }""",
        [points, [shuffled[i : i + 37] for i in range(0, 600, 37)] + [points[100:200]]],
    )
    assert found[0] == 600
    for got, put in zip(found[1], points, strict=True):
        assert got[0] == put[0]
        assert got[1] == pytest.approx(put[1], abs=1e-5)
        assert got[3] == pytest.approx(put[3])


def test_levels_of_detail_leave_out_nothing_farther_than_they_say(modules: Any) -> None:
    worst = modules.evaluate(
        """async () => {
        const { Track, LEVELS } = await import("/js/track.js");
        const t = new Track("HAB-01", "f");
        let [lat, lon] = [0, 0];
        t.add(Array.from({ length: 20000 }, (_, i) => [i, lat += Math.sin(i / 700) / 300, lon += 0.01, 0, 0, 0]));
        const all = t.xyz.data;
        return LEVELS.map((least, level) => {
          const { rows, length } = t.level(level);
          let worst = 0, k = 0;
          for (let i = 0; i < t.length; i += 1) {
            while (k + 1 < length && (rows ? rows[k + 1] : k + 1) <= i) k += 1;
            const at = (rows ? rows[k] : k) * 3;
            const d = Math.hypot(all[i*3] - all[at], all[i*3+1] - all[at+1], all[i*3+2] - all[at+2]);
            worst = Math.max(worst, d - 2 * least);
          }
          return worst;
        });
    }"""
    )
    assert max(worst) <= 1e-6


def test_a_track_that_grows_for_ever_stays_bounded_and_even(modules: Any) -> None:
    most, first, last, length, widest = modules.evaluate(
        """async () => {
        const { Track } = await import("/js/track.js");
        const t = new Track("HAB-01", "f");
        let most = 0;
        for (let i = 0; i < 400000; i += 1000) {
          t.add(Array.from({ length: 1000 }, (_, j) => [i + j, 10, (i + j) / 5000, 0, 0, 0]));
          most = Math.max(most, t.length);
        }
        let widest = 0;
        for (let i = 1; i < t.length; i += 1) widest = Math.max(widest, t.time.data[i] - t.time.data[i - 1]);
        return [most, t.firstTime, t.lastTime, t.length, widest];
    }"""
    )
    assert most <= 161_000
    assert (first, last) == (0, 399_999)
    assert widest <= 8  # of 400,000 points about 80,000 stay at each thinning, evenly
    assert length > 60_000


def test_a_thinned_track_says_that_points_are_missing(modules: Any) -> None:
    found = modules.evaluate(
        """async () => {
        const { Track } = await import("/js/track.js");
        const t = Object.assign(new Track("HAB-01", "f"), { loaded: true, complete: true, asked: 1500 });
        t.add(Array.from({ length: 600 }, (_, i) => [i * 1000, 10, i / 100, i, 5, 1]));
        t.thin(600);
        const before = [t.length, t.complete];
        t.add([[600000, 10, 6, 600, 5, 1]]);
        t.thin(600);
        return [before, [t.loaded, t.complete, t.asked], t.length, t.pointAt(0)[3], t.pointAt(t.length - 1)[3], t.pointAt(t.length - 75)[3]];
    }"""
    )
    assert found[0] == [600, True]
    assert found[1] == [True, False, 0]
    assert 300 <= found[2] <= 380
    assert found[3:] == [0, 600, 526]  # the newest 75 are all there


def test_the_place_under_the_pointer_is_the_one_that_was_put_there(modules: Any) -> None:
    worst = modules.evaluate(
        """async () => {
        const { Eye } = await import("/js/map/eye.js");
        let worst = 0;
        for (const kind of ["globe", "flat"]) for (const zoom of [1, 30, 3000]) {
          const eye = Object.assign(new Eye(), { kind, width: 800, height: 600 });
          eye.look(52, 179.9);
          eye.setZoom(zoom);
          for (const [x, y] of [[400, 300], [350, 220], [500, 310]]) {
            const [lat, lon] = eye.invert(x, y);
            const [px, py] = eye.place(lat, lon);
            worst = Math.max(worst, Math.hypot(px - x, py - y));
          }
        }
        return worst;
    }"""
    )
    assert worst < 0.01


def test_an_area_is_the_smaller_side_of_its_line_however_it_is_wound(modules: Any) -> None:
    found = modules.evaluate(
        """async () => {
        const { wound } = await import("/js/map/areas.js");
        const { geoArea } = await import("/vendor/d3-geo.js");
        const ring = [[-112, 48], [-102, 48], [-101, 53], [-111, 54], [-112, 48]];
        return [ring, ring.toReversed()].map((outline) => geoArea(wound({ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [outline] } })));
    }"""
    )
    assert found[0] == pytest.approx(found[1])
    assert found[0] < 0.05


def test_the_ring_keeps_the_newest_and_their_numbers(modules: Any) -> None:
    found = modules.evaluate(
        """async () => {
        const { Ring } = await import("/js/ring.js");
        const ring = new Ring(1000);
        for (let i = 0; i < 5000; i += 1) ring.push(i);
        return [ring.items.length <= 1256, ring.end, ring.get(4999), ring.get(ring.first), ring.first];
    }"""
    )
    assert found[0] is True
    assert found[1:3] == [5000, 4999]
    assert found[3] == found[4]

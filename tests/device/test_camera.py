"""Cameras: simulated ground that agrees where pictures overlap, folders, commands, EXIF."""

import io
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from overflight_contract.errors import InputError
from overflight_contract.exif import is_whole_jpeg, read_facts
from overflight_contract.messages import Fix as FixMode
from overflight_device.camera import CameraError, horizon, open_camera
from overflight_device.camera.earth import LandMask, sun_elevation_deg
from overflight_device.camera.exif import stamped
from overflight_device.camera.noise import Patch
from overflight_device.camera.terrain import Scene, Terrain, to_mercator
from overflight_device.fix import Fix

NOON_NS = 1_675_281_600_250_000_000  # 2023-02-01T20:00:00.250Z, about noon in the Rockies


def fix(lat=40.0, lon=-105.0, alt=19_000.0, at_ns=NOON_NS):
    return Fix(measured_at_ns=at_ns, mode=FixMode.THREE_D, lat_deg=lat, lon_deg=lon, alt_msl_m=alt)


@pytest.fixture(scope="module")
def camera():
    return open_camera("sim:0.1", seed=1)


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"), dtype=float)


def test_a_simulated_picture_is_a_jpeg_with_its_facts_in_exif(camera):
    picture = camera.take(fix(lat=-33.123456, lon=151.654321, alt=-12.3), 7)
    assert is_whole_jpeg(picture.data)
    facts = read_facts(picture.data)
    assert facts.lat_deg == pytest.approx(-33.123456, abs=1e-7)
    assert facts.lon_deg == pytest.approx(151.654321, abs=1e-7)
    assert facts.alt_msl_m == -12.3
    assert facts.serial == 7
    assert facts.by_gps
    assert facts.taken_at_ns == picture.taken_at_ns == NOON_NS
    exif = Image.open(io.BytesIO(picture.data)).getexif()
    assert "Simulated" in exif[0x010E]
    gps = exif.get_ifd(0x8825)
    assert (gps[1], gps[3], gps[29]) == ("S", "E", "2023:02:01")
    assert gps[2][0] + gps[2][1] / 60 + gps[2][2] / 3600 == pytest.approx(33.123456, abs=1e-6)
    assert [float(part) for part in gps[7]] == [20.0, 0.0, 0.25]
    assert exif.get_ifd(0x8769)[0x9291] == "250"


def test_the_same_seed_place_and_time_give_the_same_bytes(camera):
    again = open_camera("sim:0.1", seed=1)
    assert camera.take(fix(), 1).data == again.take(fix(), 1).data
    assert camera.take(fix(), 1).data != open_camera("sim:0.1", seed=2).take(fix(), 1).data


def test_pictures_differ_by_place_and_by_time(camera):
    first = pixels(camera.take(fix(), 1))
    assert np.abs(first - pixels(camera.take(fix(lon=-104.0), 1))).mean() > 3
    later = pixels(camera.take(fix(at_ns=NOON_NS + 6 * 3600 * 10**9), 1))
    assert np.abs(first - later).mean() > 3


@pytest.mark.parametrize("lon", [-105.0, 179.99])
def test_overlapping_patches_show_the_same_ground(lon):
    terrain = Terrain(4)
    scene = Scene(66.0, lon, 200.0, 1e9, 1.0)
    x, y = to_mercator(66.0, lon)
    step = 40.0
    first = terrain.draw(Patch(x, y, 200 * step, 100 * step, 200, 100), scene)
    second = terrain.draw(Patch(x + 100 * step, y, 200 * step, 100 * step, 200, 100), scene)
    a, b = first[:, 10:90, 110:190], second[:, 10:90, 10:90]
    assert np.abs(a - b).mean() < 2.5
    assert a.std() > 3


def test_water_lies_where_the_sea_is(camera):
    sea = pixels(camera.take(fix(lat=30.0, lon=-140.0), 1))
    assert sea[..., 2].mean() > sea[..., 0].mean()
    land = LandMask()
    places = {(39.0, -98.0): 1, (30.0, -140.0): 0, (-25.0, 134.0): 1, (62.0, 179.999): 0}
    for (lat, lon), expected in places.items():
        assert round(float(land.at(np.array(lat), np.array(lon)))) == expected


def test_the_sun_stands_where_it_should():
    assert sun_elevation_deg(0.0, 0.0, 953_554_500.0) == pytest.approx(90.0, abs=3)  # equinox, noon
    assert sun_elevation_deg(51.5, 0.0, 1_687_348_800.0) == pytest.approx(61.9, abs=1)  # 21 June
    assert sun_elevation_deg(51.5, 0.0, 1_687_392_000.0) < -10


def test_without_a_position_there_is_nothing_to_draw(camera):
    assert camera.take(None, 1) is None
    assert camera.take(Fix(measured_at_ns=1, mode=FixMode.NONE), 1) is None


@pytest.mark.parametrize(
    "spec",
    [
        "film",
        "sim:big",
        "sim:99",
        "folder:/nowhere/at/all",
        "command:",
        "none:x",
        "folder:/?offset=late",
    ],
)
def test_a_wrong_camera_is_refused_in_one_sentence(spec):
    with pytest.raises(InputError):
        open_camera(spec)


def test_a_payload_without_a_camera_loads_no_imaging():
    code = (
        "import sys; from overflight_device.sources import open_source;"
        "from overflight_device.fix import SourceOptions; from overflight_device.camera import *;"
        "import overflight_device.vault, overflight_device.navigation;"
        "next(iter(open_source('sim:sounding', SourceOptions()))); open_camera('none');"
        "print({'numpy', 'PIL', 'piexif'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_no_camera_takes_nothing():
    camera = open_camera("none")
    assert camera.take(fix(), 1) is None
    assert not camera.poll(1)


@pytest.fixture
def jpeg(camera):
    image = Image.open(io.BytesIO(camera.take(fix(), 1).data))
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


def test_a_command_writes_to_a_file_or_to_its_output(tmp_path, jpeg):
    source = tmp_path / "source.jpg"
    source.write_bytes(jpeg)
    for words in (
        f"{sys.executable} -c 'import shutil,sys; shutil.copy(*sys.argv[1:])' {source} {{out}}",
        f"cat {source}",
    ):
        picture = open_camera(f"command:{words}").take(fix(), 3)
        facts = read_facts(picture.data)
        assert facts.serial == 3
        assert facts.lat_deg == pytest.approx(40.0)
        assert pixels(picture).shape == (272, 368, 3)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("false", "ended with 1"),
        ("/nowhere/camera -o {out}", "can't run"),
        ("echo no picture", "no whole JPEG"),
        ("sleep 60", "took over 0.2 s"),
    ],
)
def test_a_failing_command_says_why(words, why):
    with pytest.raises(CameraError, match=why):
        open_camera(f"command:{words}", timeout_s=0.2).take(fix(), 1)


def test_a_folder_gives_each_complete_picture_once(tmp_path, jpeg):
    folder, state = tmp_path / "camera", tmp_path / "state.jsonl"
    folder.mkdir()
    camera = open_camera(f"folder:{folder}", state=state)
    path = folder / "IMG_0001.JPG"
    path.write_bytes(jpeg[:-500])
    assert not camera.poll(1)
    assert not camera.poll(1)
    path.write_bytes(jpeg)
    camera.poll(1)
    (picture,) = camera.poll(4, lambda time_ns: fix(lat=12.5, at_ns=time_ns))
    assert read_facts(picture.data).lat_deg == pytest.approx(12.5)
    assert picture.serial == 4
    assert picture.origin == path
    (again,) = camera.poll(4)
    assert again.origin == path
    camera.kept(again)
    assert not camera.poll(5)
    assert not open_camera(f"folder:{folder}", state=state).poll(5)
    assert path.read_bytes() == jpeg


@pytest.fixture
def camera_file(tmp_path):
    """Write a picture as a camera with a clock of its own does; `ago_s` is the file's age."""

    def write(name, camera_ns, ago_s=0.0):
        bare = io.BytesIO()
        Image.new("RGB", (16, 16)).save(bare, "JPEG")
        path = tmp_path / name
        path.write_bytes(stamped(bare.getvalue(), None, camera_ns, 1).data)
        at = time.time() - ago_s
        os.utime(path, (at, at))
        return path

    return write


def polled(folder, locate):
    return list(folder.poll(1, locate)) or list(folder.poll(1, locate))


def here(at_ns):
    return fix(at_ns=at_ns)


def test_a_given_offset_corrects_the_cameras_clock(tmp_path, camera_file):
    camera_file("a.jpg", NOON_NS, ago_s=3600)
    folder = open_camera(f"folder:{tmp_path}?offset=3600.5")
    (picture,) = polled(folder, here)
    assert picture.taken_at_ns == (NOON_NS - 3_600_500_000_000) // 1_000_000 * 1_000_000
    assert picture.lat_deg == 40.0
    assert folder.clock.origin == "given"


def test_an_offset_is_measured_on_live_pictures_and_used_for_older_ones(tmp_path, camera_file):
    ahead_s = 7200
    folder = open_camera(f"folder:{tmp_path}")
    for number in range(3):
        now_ns = time.time_ns()
        camera_file(f"{number}.jpg", now_ns + ahead_s * 10**9)
        (picture,) = polled(folder, here)
        assert abs(picture.taken_at_ns - now_ns) < 3e9
        folder.kept(picture)
    assert folder.clock.offset_s == pytest.approx(ahead_s, abs=2)
    assert folder.clock.origin == "measured on 3 pictures"
    path = camera_file("old.jpg", NOON_NS, ago_s=5000)
    (picture,) = polled(folder, here)
    assert picture.origin == path
    assert abs(picture.taken_at_ns - (NOON_NS - ahead_s * 10**9)) < 3e9
    assert not folder.take_notes()


def test_without_an_offset_an_old_picture_is_kept_unplaced_and_said_so(tmp_path, camera_file):
    camera_file("old.jpg", NOON_NS, ago_s=5000)
    folder = open_camera(f"folder:{tmp_path}")
    (picture,) = polled(folder, here)
    assert picture.lat_deg is None
    (note,) = folder.take_notes()
    assert note == "old.jpg is kept without a position: the camera's clock is not known"
    assert not folder.take_notes()


def test_a_picture_with_no_fix_near_its_time_is_a_miss_that_is_said(tmp_path, camera_file):
    camera_file("a.jpg", NOON_NS, ago_s=5000)
    folder = open_camera(f"folder:{tmp_path}", clock_offset_s=0)
    (picture,) = polled(folder, lambda at_ns: None)
    assert picture.lat_deg is None
    assert "no fix is near" in folder.take_notes()[0]


def test_every_sixth_frame_looks_to_the_horizon(camera):
    picture = pixels(camera.take(fix(), 6))
    rows = picture.shape[0]
    sky, ground = picture[: rows // 10], picture[rows // 2 :]
    assert sky.mean() < 40
    assert ground.mean() > 2 * sky.mean()
    edge = picture[int(rows * 0.38) : int(rows * 0.42)]
    assert edge.mean() > picture[rows // 4].mean()
    south = pixels(camera.take(fix(lat=-33.0, lon=150.0), 6))
    assert south[: rows // 10].mean() < 60


def test_any_place_height_and_time_gives_a_picture(camera):
    for lat, lon, alt in [
        (89.9, 0, 19_000),
        (-89.9, -180, 30_000),
        (0, 179.999, -50),
        (5, 5, 50_000),
    ]:
        for serial in (1, 6):
            assert is_whole_jpeg(camera.take(fix(lat=lat, lon=lon, alt=alt), serial).data)


def test_no_seam_shows_between_the_bands_of_the_horizon_view():
    ground = np.full((3, 1, 1), 150.0, dtype=np.float32)

    def draw(near, far, width, columns, rows):
        return np.broadcast_to(ground, (3, rows, columns)).copy()

    image = horizon.view(19_000.0, 320, 240, 1.0, draw)
    below = image[:, 100:, 160]
    assert np.abs(np.diff(below, axis=1)).max() < 6

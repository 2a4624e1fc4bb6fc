"""Our bytes and fields against those of libraries that others wrote: pyubx2, pynmeagps."""

from __future__ import annotations

import struct
from pathlib import Path

import pynmeagps
import pytest
import pyubx2

from overflight_device.receivers.airborne import Airborne
from overflight_device.receivers.encoding import message, sentence
from overflight_device.receivers.framing import Framer, Sentence, Ubx
from overflight_device.receivers.nmea_fields import position
from overflight_device.receivers.stream import ReceiverDecoder

LOGS = Path(__file__).parents[3] / "shared" / "data" / "gnss"


def test_nav_pvt_as_pyubx2_makes_it() -> None:
    def pvt(second: int) -> bytes:
        made = pyubx2.UBXMessage(
            "NAV", "NAV-PVT", pyubx2.GET, iTOW=302_418_000 + second * 1000, year=2023, month=2,
            day=1, hour=12, min=0, second=second, validDate=1, validTime=1, nano=0, fixType=3,
            gnssFixOk=1, numSV=9, lon=-122.5, lat=-37.25, height=592_300, hMSL=545_400,
            velD=-1500, gSpeed=5000, headMot=90.0,
        )  # fmt: skip
        return bytes(made.serialize())

    decoder = ReceiverDecoder()
    data = b"".join(pvt(n) + message(0x01, 0x61, struct.pack("<I", 302_418_000 + n * 1000))
                    for n in range(3))  # fmt: skip
    fix = (decoder.feed(data) + decoder.finish())[-1]
    assert (fix.lat_deg, fix.lon_deg) == (-37.25, -122.5)
    assert (fix.alt_hae_m, fix.alt_msl_m) == (592.3, 545.4)
    assert (fix.speed_mps, fix.track_deg, fix.climb_mps, fix.sats) == (5.0, 90.0, 1.5, 9)


def airborne_settings(protocol: str) -> bytes:
    airborne = Airborne()
    airborne.tick(0.0)
    version = b"ROM CORE".ljust(40, b"\0") + f"PROTVER={protocol}".encode().ljust(30, b"\0")
    return airborne.take(Ubx(0x0A, 0x04, version), 0.0)[0]


def test_cfg_nav5_as_pyubx2_reads_it() -> None:
    read = pyubx2.UBXReader.parse(airborne_settings("18.00"), msgmode=pyubx2.SET)
    assert read.identity == "CFG-NAV5"
    assert (read.dyn, read.dynModel) == (1, 6)
    assert (read.minEl, read.posFixMode, read.utc) == (0, 0, 0)  # bits of the mask: untouched


def test_cfg_valset_is_what_pyubx2_makes() -> None:
    made = pyubx2.UBXMessage.config_set(1, 0, [("CFG_NAVSPG_DYNMODEL", 6)])
    assert airborne_settings("34.10") == bytes(made.serialize())


@pytest.mark.parametrize(
    "body",
    [
        "GNGGA,120000.00,4807.03800,N,01131.00000,E,1,08,0.9,545.4,M,46.9,M,,",
        "GPRMC,120000,A,3454.3735960,S,13836.4871940,W,0.0311,31.472,190717,7.9,E",
    ],
)
def test_sentences_as_pynmeagps_reads_them(body: str) -> None:
    read = pynmeagps.NMEAReader.parse(sentence(body))
    first = 2 if "GGA" in body else 3
    fields = body.split(",")
    place = position(*fields[first : first + 4])
    assert place == (pytest.approx(read.lat, abs=1e-8), pytest.approx(read.lon, abs=1e-8))


@pytest.mark.shared
@pytest.mark.skipif(not LOGS.is_dir(), reason="the recordings are not here")
@pytest.mark.parametrize("log", sorted(LOGS.glob("*.log")), ids=lambda path: path.stem)
def test_we_cut_real_logs_as_pyubx2_does(log: Path) -> None:
    data = log.read_bytes()
    framer = Framer()
    frames = [*framer.feed(data), *framer.finish()]
    ours = [f for f in frames if isinstance(f, Ubx) or (isinstance(f, Sentence) and f.checked)]
    with log.open("rb") as stream:
        reader = pyubx2.UBXReader(
            stream, protfilter=pyubx2.UBX_PROTOCOL | pyubx2.NMEA_PROTOCOL,
            quitonerror=pyubx2.ERR_IGNORE, parsing=False,
        )  # fmt: skip
        theirs = [raw for raw, _ in reader if raw]
    whole = [raw for raw in theirs if raw[:1] != b"$" or b"*" in raw]
    assert len(ours) == len(whole)

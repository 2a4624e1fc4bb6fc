"""The standard atmosphere against the tables of ICAO Doc 7488 (and the same tables, ISO 2533)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_device.flight.atmosphere import (
    air_at,
    altitude_of_density,
    altitude_of_pressure,
    geometric,
    geopotential,
)

TABLE = [  # geometric altitude m, K, Pa, kg/m³
    (-1000, 294.651, 1.13929e5, 1.34702),
    (0, 288.150, 1.01325e5, 1.22500),
    (1000, 281.651, 8.98763e4, 1.11166),
    (5000, 255.676, 5.40483e4, 7.36429e-1),
    (10000, 223.252, 2.64999e4, 4.13510e-1),
    (11000, 216.774, 2.26999e4, 3.64801e-1),
    (15000, 216.650, 1.21118e4, 1.94755e-1),
    (20000, 216.650, 5.52930e3, 8.89097e-2),
    (25000, 221.552, 2.54922e3, 4.00837e-2),
    (30000, 226.509, 1.19703e3, 1.84101e-2),
    (40000, 250.350, 2.87143e2, 3.99566e-3),
    (50000, 270.650, 7.97790e1, 1.02688e-3),
    (60000, 247.021, 2.19586e1, 3.09676e-4),
    (80000, 198.639, 1.05246e0, 1.84580e-5),
]


@pytest.mark.parametrize(("alt_m", "temperature", "pressure", "density"), TABLE)
def test_against_the_tables(alt_m, temperature, pressure, density):
    air = air_at(alt_m)
    assert air.temperature_k == pytest.approx(temperature, abs=0.002)
    assert air.pressure_pa == pytest.approx(pressure, rel=1e-4)
    assert air.density == pytest.approx(density, rel=1e-4)


def test_viscosity_against_the_tables():
    assert air_at(0).viscosity == pytest.approx(1.7894e-5, rel=1e-4)
    assert air_at(10_000).viscosity == pytest.approx(1.4577e-5, rel=1e-4)


@given(st.floats(-2_000, 79_000))
def test_the_inverses_find_the_altitude_again(alt_m):
    air = air_at(alt_m)
    assert altitude_of_density(air.density) == pytest.approx(alt_m, abs=0.01)
    assert altitude_of_pressure(air.pressure_pa) == pytest.approx(alt_m, abs=0.01)
    assert geometric(geopotential(alt_m)) == pytest.approx(alt_m, abs=1e-6)

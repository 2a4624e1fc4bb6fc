"""The ICAO standard atmosphere (Doc 7488, third edition; equal to ISO 2533) from -5 to 80 km.

Altitudes are geometric, in metres above mean sea level; pressures in pascals, temperatures in
kelvins, densities in kg/m³, viscosity in Pa·s. Beyond the ends the nearest layer goes on.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

G0: Final = 9.80665
GAS_CONSTANT_AIR: Final = 287.05287
SEA_LEVEL_DENSITY: Final = 1.225
EARTH_RADIUS: Final = 6_356_766.0
"""Nominal radius for geopotential altitude (Doc 7488, 2.3)."""


class _Layer(NamedTuple):
    base_m: float
    lapse: float
    temperature: float
    pressure: float


def _layers() -> tuple[_Layer, ...]:
    """Work out pressure at each base (Doc 7488, table D) from the lapse rates."""
    bounds: tuple[tuple[float, float], ...] = (
        (11e3, 0.0),
        (20e3, 0.001),
        (32e3, 0.0028),
        (47e3, 0.0),
    )
    bounds += ((51e3, -0.0028), (71e3, -0.002))
    layers = [_Layer(0.0, -0.0065, 288.15, 101_325.0)]
    for base_m, lapse in bounds:
        below = layers[-1]
        temperature, pressure = _within(below, base_m)
        layers.append(_Layer(base_m, lapse, temperature, pressure))
    return tuple(layers)


def _within(layer: _Layer, geopotential_m: float) -> tuple[float, float]:
    rise = geopotential_m - layer.base_m
    if layer.lapse == 0.0:
        ratio = math.exp(-G0 * rise / (GAS_CONSTANT_AIR * layer.temperature))
        return layer.temperature, layer.pressure * ratio
    temperature = layer.temperature + layer.lapse * rise
    exponent = -G0 / (GAS_CONSTANT_AIR * layer.lapse)
    return temperature, layer.pressure * (temperature / layer.temperature) ** exponent


_LAYERS: Final = _layers()


class Air(NamedTuple):
    """The air at one altitude."""

    temperature_k: float
    pressure_pa: float
    density: float

    @property
    def viscosity(self) -> float:
        """Dynamic viscosity in Pa·s (Sutherland's law; Doc 7488, 2.12)."""
        return float(1.458e-6 * self.temperature_k**1.5 / (self.temperature_k + 110.4))


def geopotential(alt_m: float) -> float:
    """Turn a geometric altitude into a geopotential one."""
    return EARTH_RADIUS * alt_m / (EARTH_RADIUS + alt_m)


def geometric(geopotential_m: float) -> float:
    """Turn a geopotential altitude into a geometric one."""
    return EARTH_RADIUS * geopotential_m / (EARTH_RADIUS - geopotential_m)


def air_at(alt_m: float) -> Air:
    """Return the air at a geometric altitude."""
    height = geopotential(alt_m)
    layer = _LAYERS[0]
    for above in _LAYERS[1:]:
        if height < above.base_m:
            break
        layer = above
    temperature, pressure = _within(layer, height)
    return Air(temperature, pressure, pressure / (GAS_CONSTANT_AIR * temperature))


def altitude_of_density(density: float) -> float:
    """Return the geometric altitude at which the air has `density` (kg/m³, above 0)."""
    layer = _LAYERS[0]
    for above in _LAYERS[1:]:
        if density > above.pressure / (GAS_CONSTANT_AIR * above.temperature):
            break
        layer = above
    ratio = density * GAS_CONSTANT_AIR * layer.temperature / layer.pressure
    if layer.lapse == 0.0:
        rise = -math.log(ratio) * GAS_CONSTANT_AIR * layer.temperature / G0
    else:
        exponent = -1.0 - G0 / (GAS_CONSTANT_AIR * layer.lapse)
        rise = layer.temperature * (ratio ** (1.0 / exponent) - 1.0) / layer.lapse
    return geometric(layer.base_m + rise)


def altitude_of_pressure(pressure_pa: float) -> float:
    """Return the geometric altitude at which the air has this pressure (above 0)."""
    layer = _LAYERS[0]
    for above in _LAYERS[1:]:
        if pressure_pa > above.pressure:
            break
        layer = above
    ratio = pressure_pa / layer.pressure
    if layer.lapse == 0.0:
        rise = -math.log(ratio) * GAS_CONSTANT_AIR * layer.temperature / G0
    else:
        power = -GAS_CONSTANT_AIR * layer.lapse / G0
        rise = layer.temperature * (ratio**power - 1.0) / layer.lapse
    return geometric(layer.base_m + rise)

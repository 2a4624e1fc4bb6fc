"""Areas that a payload may be in: countries (Natural Earth) and a person's own (GeoJSON)."""

from overflight_ground.areas.area import Area, AreaMap
from overflight_ground.areas.countries import countries
from overflight_ground.areas.own import read_areas

__all__ = ["Area", "AreaMap", "countries", "read_areas"]

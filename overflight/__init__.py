"""Overflight: what left the device, and what stayed on board."""

from overflight_contract.version import __version__

__all__ = ["__version__"]

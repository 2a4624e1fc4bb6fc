"""Overflight: what left the device, and what stayed on board."""

__version__ = "0.1.0"

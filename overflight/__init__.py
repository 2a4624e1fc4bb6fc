"""Overflight: what left the device, and what stayed on board."""

from typing import TYPE_CHECKING, Any

from overflight_contract.version import __version__

if TYPE_CHECKING:
    from overflight.recorded import Session

__all__ = ["Session", "__version__"]


def __getattr__(name: str) -> Any:
    """Import `Session` when it is asked for, so that the command line starts quickly."""
    if name == "Session":
        from overflight.recorded import Session

        return Session
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

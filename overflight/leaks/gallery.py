"""The gallery: ways to get a picture, or some bits, out past a contract, as small functions.

Each takes a clean flight (`Attempt`) and changes it as a device would that leaks: packets of its
own, or other values in its messages, or other times. What is changed in messages is changed before
the device writes its record, so that record, traffic and store agree. Nothing here is a secret; a
new leak is one more function with `@leak`.
"""

from __future__ import annotations

from collections.abc import Sequence

from overflight.leaks import beside_contract, choices, spellings, within_contract
from overflight.leaks.attempt import GALLERY, Attempt, Leak
from overflight_contract import messages as m


def attempt_of(picture: bytes, messages: Sequence[m.Telemetry], name: str) -> Attempt:
    """Run the leak `name` over a clean flight."""
    made = Attempt(picture, list(messages))
    GALLERY[name].run(made)
    return made


__all__ = [
    "GALLERY",
    "Attempt",
    "Leak",
    "attempt_of",
    "beside_contract",
    "choices",
    "spellings",
    "within_contract",
]

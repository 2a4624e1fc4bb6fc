"""Which satellites a fix used, gathered over the GSA sentences of an epoch.

NMEA 0183 version 4.11 §6.3 (GSA): the talker says of which system they are; for ``GN`` a last field
does, since version 4.10. Some receivers list GPS in ``GP`` and in ``GN``, so each counts once.
"""

from __future__ import annotations

from typing import Final

from overflight_device.receivers import nmea_fields as fields
from overflight_device.receivers.nmea_row import Row

_FIRST: Final = 3
_AROUND: Final = 6  # the address, two modes and three dilutions
_HIGHEST: Final = 600
_SYSTEMS: Final = {"P": 1, "L": 2, "A": 3, "B": 4, "D": 4, "Z": 5, "I": 6}
_OF_ALL: Final = "NQ"  # GN, and PQ of Quectel: the last field says which system


class UsedSatellites:
    """A set of satellites."""

    def __init__(self) -> None:
        self._used: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._used)

    def take(self, row: Row, talker_before: str) -> None:
        """Add those of a GSA sentence; `talker_before` is "" where another sentence came before."""
        talker = row[0][1:2]
        again = talker == talker_before and talker not in _OF_ALL
        if again or not talker_before:
            self._used.clear()
        system = _SYSTEMS.get(talker, 0) or _stated_system(row)
        for index in range(_FIRST, row.count - _AROUND + _FIRST):
            if "." in row[index]:
                return  # the dilutions begin
            number = fields.integer(row[index]) or 0
            if 1 <= number <= _HIGHEST:
                self._used.add((system, number))


def _stated_system(row: Row) -> int:
    stated = row[18] if row.count == 19 else ""
    return 0 if "." in stated else fields.integer(stated) or 0

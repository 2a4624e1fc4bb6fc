"""The progress of the demonstration adds up, though its numbers come from moments apart."""

from __future__ import annotations

import pytest

from overflight.demo.progress import Tally


@pytest.mark.parametrize(
    ("written", "crossed", "stored", "shown"),
    [
        (10, 9, 8, (10, 9)),
        (10, 14, 12, (12, 12)),  # the payload's word is old
        (10, 12, 9, (10, 10)),  # two of them again, over a new connection
        (0, 0, 0, (0, 0)),
    ],
)
def test_never_more_crossed_than_sent_nor_fewer_than_stored(
    written: int, crossed: int, stored: int, shown: tuple[int, int]
) -> None:
    tally = Tally({"HAB-01": {"written": written}}, crossed=crossed, stored=stored)

    assert (tally.sent, tally.crossed_once) == shown

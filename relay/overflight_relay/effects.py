"""What one piece of data leads to: records for the session, bytes that go on, answers."""

from __future__ import annotations

from typing import Final

from overflight_contract.session import Direction, Verdict

Record = tuple[int, int, Direction, Verdict, str, bytes, int]
"""As `SessionWriter.write_packets` takes it: crossed_at_ns, connection, direction, verdict,
reason, data, part."""

WHOLE, FIRST, MIDDLE, LAST = 0, 1, 2, 3
MADE_HERE: Final = "made by the relay"
"""The reason that the relay's own answers carry in the session."""


class Effects:
    """What one piece of data leads to."""

    __slots__ = (
        "bytes",
        "ends",
        "forward",
        "marked",
        "messages",
        "packets",
        "records",
        "refused",
        "replies",
    )

    def __init__(self) -> None:
        self.bytes = self.packets = self.messages = self.refused = self.marked = 0
        self.forward: list[bytes] = []
        """Packets for the other side, in order, as they came."""
        self.replies: list[bytes] = []
        """Answers of the relay for the side that the data came from."""
        self.records: list[Record] = []
        self.ends = ""
        """Why the connection ends; empty where it goes on."""

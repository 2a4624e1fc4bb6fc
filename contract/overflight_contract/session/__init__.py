"""Session files: captured traffic in MCAP, with a journal while they are written.

`SessionWriter` writes, `open_session` reads; docs/session-format.md specifies the format.
"""

from overflight_contract.session.capture import CHUNK_BYTES, SessionWriter, session_files
from overflight_contract.session.credentials import mask_credentials
from overflight_contract.session.model import (
    MASKED,
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Event,
    Item,
    Note,
    Part,
    SessionPacket,
    Verdict,
)
from overflight_contract.session.reader import Connection, SessionReader, open_session

__all__ = [
    "CHUNK_BYTES",
    "MASKED",
    "Connection",
    "ConnectionClosed",
    "ConnectionOpened",
    "Direction",
    "Event",
    "Item",
    "Note",
    "Part",
    "SessionPacket",
    "SessionReader",
    "SessionWriter",
    "Verdict",
    "mask_credentials",
    "open_session",
    "session_files",
]

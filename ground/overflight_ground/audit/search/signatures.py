"""How image files begin: signatures of at least six bytes, so that chance does not make them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

SIGNATURES: Final[tuple[tuple[str, bytes], ...]] = (
    ("JPEG", rb"\xff\xd8\xff[\xe0-\xef]..(?:JFIF\x00|Exif\x00|Adobe|ICC_PROFILE|http)"),
    ("JPEG", rb"\xff\xd8\xff\xdb\x00[\x43\x84]"),
    ("PNG", rb"\x89PNG\r\n\x1a\n"),
    ("GIF", rb"GIF8[79]a.{4}[\x00-\xff]\x00"),
    ("WebP", rb"RIFF....WEBPVP8[ LX]"),
    ("HEIF or AVIF", rb"ftyp(?:heic|heix|mif1|msf1|avif|avis)"),
    ("TIFF or DNG", rb"(?:II\x2a\x00|MM\x00\x2a)[\x00-\xff]{4}[\x00-\x40]\x00"),
    ("JPEG XL", rb"\x00\x00\x00\x0cJXL \r\n\x87\n"),
    ("JPEG 2000", rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51\x00"),
)
_ALL: Final = re.compile(
    b"|".join(b"(?P<s%d>%s)" % (i, pattern) for i, (_, pattern) in enumerate(SIGNATURES)),
    re.DOTALL,
)
_FIRST: Final = (
    b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"WEBP", b"ftyp", b"II\x2a\x00", b"MM\x00\x2a",
    b"JXL ", b"jP  ", b"\xff\x4f\xff\x51",
)  # fmt: skip


class Signature(NamedTuple):
    """The beginning of an image file at `offset`."""

    name: str
    offset: int


def find_signatures(data: bytes, limit: int = 1000) -> list[Signature]:
    """Return where image files begin in `data`; at most `limit` of them."""
    if not any(first in data for first in _FIRST):
        return []
    found: list[Signature] = []
    for match in _ALL.finditer(data):
        index = int((match.lastgroup or "s0")[1:])
        found.append(Signature(SIGNATURES[index][0], match.start()))
        if len(found) >= limit:
            break
    return found

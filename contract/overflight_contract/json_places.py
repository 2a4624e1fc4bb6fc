"""Where the values of canonical JSON lie among its bytes, for a view of bytes and fields."""

from __future__ import annotations


def places(body: bytes) -> list[tuple[str, int, int]]:
    """Split canonical JSON, one level deep, into (key, start of value, end of value)."""
    found = []
    depth, key_start, value_start, key = 0, 0, 0, ""
    for at, char in enumerate(body):
        if char in b"{":
            depth += 1
            if depth == 1:
                key_start = at + 1
        elif char in b":" and depth == 1 and not key:
            key, value_start = body[key_start:at].decode("ascii").strip('"'), at + 1
        elif (char in b"," and depth == 1) or (char in b"}" and depth == 1):
            found.append((key, value_start, at))
            key, key_start = "", at + 1
        if char in b"}":
            depth -= 1
    return found

"""A packet as a line, and as bytes beside fields."""

from __future__ import annotations

from collections.abc import Iterator

from overflight_contract.dissect import PacketView
from overflight_contract.times import iso

_ARROWS = {"up": "↑", "down": "↓"}
_RESET, _DIM, _RED, _YELLOW, _GREEN, _CYAN, _BOLD = (
    f"\x1b[{code}m" for code in (0, 2, 31, 33, 32, 36, 1)
)
_VERDICTS = {"ok": _DIM, "marked": _YELLOW, "refused": _RED + _BOLD}
_WIDE = 110


def line(view: PacketView, *, colour: bool, verdict_first: bool = False) -> str:
    """Return one line: time, direction, client, type, QoS, size, topic, summary, verdict.

    `verdict_first` puts a verdict other than ok before the topic, for lines that are cut.
    """
    qos = "" if view.qos is None else f"q{view.qos}"
    who = view.client_id or view.payload or f"#{view.connection}"
    topic = f"{view.topic}  " if view.topic else ""
    start = f"{iso(view.at_ns)[11:-1]} {_ARROWS[view.direction]} {printable(who)[:16]:16} "
    middle = f"{view.type:11} {qos:2} {view.size:6} "
    fault = view.summary.removeprefix("malformed: ")
    repeated = view.verdict != "ok" and fault in view.reason  # which says it better
    said = printable(topic if repeated else f"{topic}{view.summary}").rstrip()
    end = "" if view.verdict == "ok" else f"  {verdict(view)}"
    if verdict_first and end:
        said, end = f"{verdict(view)}  {said}", ""
    if not colour:
        return f"{start}{middle}{said}{end}"
    tint = _VERDICTS[view.verdict] if view.verdict != "ok" else ""
    kind = _GREEN if view.type == "publish" else _CYAN
    head = f"{_DIM}{start}{_RESET}{tint or kind}{middle}{_RESET}"
    return f"{head}{tint}{said}{end}{_RESET}"


def verdict(view: PacketView) -> str:
    """Return what became of a packet, and why; empty for most."""
    return "" if view.verdict == "ok" else f"{view.verdict.upper()}: {printable(view.reason)}"


def printable(text: str) -> str:
    """Return `text` with everything escaped that a terminal would act on."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def detail(view: PacketView, *, limit: int = 1024, width: int = _WIDE) -> Iterator[str]:
    """Yield rows of hex and text with the fields beside them; of at most `limit` bytes.

    Where there is little `width`, rows have 8 bytes in place of 16.
    """
    data, row = view.data[:limit], 16 if width >= _WIDE else 8
    fields, hexed = iter(_fields(view)), 3 * row - 1
    for start in range(0, max(len(data), 1), row):
        part = data[start : start + row]
        text = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in part)
        beside = next(fields, "")
        yield f"    {start:04x}  {part.hex(' '):{hexed}}  {text:{row}}  {beside}".rstrip()
    for field in fields:
        yield f"    {'':{8 + hexed + row}}  {field}"
    if len(view.data) > limit or view.size > len(view.data):
        yield f"    … {view.size - len(data)} more bytes"


def _fields(view: PacketView) -> Iterator[str]:
    for field in view.fields():
        value = field.value
        if isinstance(value, bytes):
            shown = f"{len(value)} bytes" if len(value) > 24 else value.hex(" ")
        else:
            shown = printable(str(value))[:60]
        yield f"{field.offset:4}+{field.length:<4} {field.name}: {shown}"


def header(*, colour: bool) -> str:
    """Return the line above all lines."""
    text = f"{'time (UTC)':12} {'':1} {'client':16} {'type':11} {'':2} {'bytes':>6} topic, summary"
    return f"{_BOLD}{text}{_RESET}" if colour else text

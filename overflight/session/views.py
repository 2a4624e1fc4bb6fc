"""A session's packets as people see them, chosen by time and filter."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from overflight_contract.commandline import duration_s, utc_time
from overflight_contract.dissect import Dissector, PacketView
from overflight_contract.errors import InputError
from overflight_contract.filters import Predicate, compile_filter
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Event,
    SessionPacket,
    SessionReader,
    open_session,
)
from overflight_contract.times import iso, to_ns


class Selection(NamedTuple):
    """Which packets are wanted; times in nanoseconds, the end exclusive."""

    start_ns: int | None = None
    end_ns: int | None = None
    matches: Predicate | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()


def selected(
    session: SessionReader, selection: Selection
) -> Iterator[tuple[SessionPacket, PacketView] | Event]:
    """Yield the events and the packets wanted, each packet with its view.

    What is before the start is read nevertheless, since a CONNECT there says what later packets
    mean.
    """
    dissector = Dissector()
    start, end = selection.start_ns or 0, selection.end_ns
    for item in session:
        if isinstance(item, SessionPacket):
            if end is not None and item.crossed_at_ns >= end:
                continue
            view = dissector.view(item)
            wanted = item.crossed_at_ns >= start
            if wanted and (selection.matches is None or selection.matches(view)):
                yield item, view
            continue
        if isinstance(item, ConnectionOpened):
            dissector.opened(item.connection, opaque=item.tls == "passthrough")
        elif isinstance(item, ConnectionClosed):
            dissector.closed(item.connection)
        yield item


def add_options(parser: argparse.ArgumentParser, *, verb: str) -> None:
    """Add ``--from``, ``--until`` and ``--filter``."""
    when = "a time, or a duration from the session's start, as 90s or 1.5h"
    parser.add_argument("--from", dest="start", metavar="WHEN", help=f"{verb} from: {when}")
    parser.add_argument("--until", metavar="WHEN", help=f"{verb} up to (exclusive): {when}")
    parser.add_argument(
        "--filter", metavar="FILTER", help=f"{verb} only packets that fit, as 'type == publish'"
    )


def selection_of(args: argparse.Namespace, session: SessionReader) -> Selection:
    """Return what the options of `add_options` ask for."""
    first = session.start_ns or 0
    start_ns = None if args.start is None else moment_ns(args.start, first)
    end_ns = None if args.until is None else moment_ns(args.until, first)
    check_span(start_ns, end_ns, session)
    return Selection(start_ns, end_ns, None if args.filter is None else compile_filter(args.filter))


def check_span(start_ns: int | None, end_ns: int | None, session: SessionReader) -> None:
    """Raise `InputError` where nothing of the session can be in [start_ns, end_ns)."""
    if start_ns is not None and end_ns is not None and start_ns >= end_ns:
        raise InputError("--from is not before --until: nothing is between them")
    first, last = session.start_ns, session.end_ns
    if first is None or last is None:
        return
    if (start_ns is not None and start_ns > last) or (end_ns is not None and end_ns <= first):
        whole = f"{session.path} goes from {iso(first)} to {iso(last)}"
        raise InputError(f"nothing was recorded then: {whole} ({(last - first) / 1e9:,.0f} s)")


def moment_ns(text: str, first_ns: int) -> int:
    """Parse a time, or a duration from `first_ns`; raises `InputError`."""
    try:
        return first_ns + int(duration_s(text) * 1e9)
    except argparse.ArgumentTypeError:
        pass
    try:
        moment: dt.datetime = utc_time(text)
    except argparse.ArgumentTypeError as error:
        raise InputError(
            f"{text!r} is neither a time nor a duration; as in 2023-02-01T12:00:00Z or 90s"
        ) from error
    return to_ns(moment)


def open_path(text: str) -> SessionReader:
    """Open the session that a command line names."""
    return open_session(Path(text))

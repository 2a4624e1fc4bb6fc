"""Replaying from Python: what the pytest plugin and people's own programs call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from overflight.replay.clock import Clock
from overflight.replay.connections import Manner, Target
from overflight.replay.player import Player
from overflight.replay.report import Report
from overflight.replay.rewriting import Rewriter
from overflight.replay.timeline import Selection, Timeline
from overflight_contract.filters import compile_filter
from overflight_contract.mqtt import Publish
from overflight_contract.session import open_session
from overflight_ground.ingest.address import parse_broker, tls_context


async def play(
    path: str | Path,
    to: str,
    *,
    speed: float | None = 1.0,
    only: str = "",
    flat: bool = False,
    qos: int | None = None,
    count: int | None = None,
    gap_s: float | None = None,
    refused: bool = False,
    rename: dict[str, str] | None = None,
    on_message: Callable[[Publish], None] | None = None,
) -> Report:
    """Play a session to the broker at `to`, as ``overflight replay`` does.

    `speed` is a factor, `None` as fast as possible; it goes by the time of the running loop, so
    that it works in virtual time. `on_message` gets what the recorded clients receive. Raises
    `InputError` and `UnavailableError`.
    """
    selection = Selection(
        only=compile_filter(only) if only else None,
        gap_ns=None if gap_s is None else int(gap_s * 1e9),
        count=count,
        refused=refused,
        flat=flat,
        raw=not rename and qos is None,
    )
    address = parse_broker(to)
    target = Target(
        address=address,
        tls=tls_context(None, None, None) if address.tls else None,
        username=address.username,
        password=None if address.password is None else address.password.encode(),
        client_id="overflight-replay",
    )
    manner = Manner(flat=flat, qos=qos, lazy=bool(only), rewriter=Rewriter(rename or {}))
    now = asyncio.get_running_loop().time
    timeline = Timeline(lambda: open_session(Path(path)), selection)
    player = Player(timeline, target, manner, Clock(speed, now), on_message=on_message, now=now)
    return await player.run()

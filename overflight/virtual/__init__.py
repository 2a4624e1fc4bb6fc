"""Virtual time for asyncio code on an in-memory transport: days pass in seconds.

`run` runs a coroutine on a `VirtualLoop`; `MemoryBroker` is an MQTT broker in it.
"""

from overflight.virtual.broker import MemoryBroker
from overflight.virtual.loop import DeadlockError, VirtualLoop, run

__all__ = ["DeadlockError", "MemoryBroker", "VirtualLoop", "run"]

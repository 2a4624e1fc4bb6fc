"""The state that a session has brought about by some position: what a seek has to restore."""

from __future__ import annotations

from dataclasses import dataclass, field

from overflight.replay.timeline import Cue, Raw
from overflight_contract.dissect import PacketView
from overflight_contract.mqtt import Connect, Publish, Subscribe, Subscription, Unsubscribe


@dataclass
class Standing:
    """A connection that is open at this position, and what it is subscribed to."""

    connect: Connect | None
    subscriptions: dict[str, Subscription] = field(default_factory=dict)


class Scene:
    """Takes cues without playing them; knows connections, subscriptions and retained values."""

    def __init__(self) -> None:
        self.connections: dict[int, Standing] = {}
        self.retained: dict[str, PacketView] = {}
        """The last retained message of each topic; none for a topic that was cleared."""

    def take(self, cue: Cue) -> None:
        """Take in one cue."""
        view = cue.view
        if isinstance(view, Raw):
            return
        if view is None or view.type == "disconnect":
            self.connections.pop(cue.connection, None)
            return
        packet = view.decoded
        if isinstance(packet, Connect):
            self.connections[cue.connection] = Standing(packet)
            return
        standing = self.connections.setdefault(cue.connection, Standing(None))
        if isinstance(packet, Subscribe):
            for each in packet.subscriptions:
                standing.subscriptions[each.topic_filter] = each
        elif isinstance(packet, Unsubscribe):
            for topic_filter in packet.topic_filters:
                standing.subscriptions.pop(topic_filter, None)
        elif isinstance(packet, Publish) and packet.retain and view.topic is not None:
            if packet.payload:
                self.retained[view.topic] = view
            else:
                self.retained.pop(view.topic, None)

"""The relay's numbers as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from overflight_relay.hub import Hub
from overflight_relay.server import RelayServer
from overflight_relay.usage import Count

_COUNTS = {
    "bytes": "bytes that crossed",
    "packets": "MQTT packets that crossed",
    "messages": "PUBLISH packets that crossed",
    "refused": "packets that the policy refused",
    "marked": "packets that the policy marked and let through",
}


class RelayCollector:
    """Asks the relay when it is asked."""

    def __init__(self, relay: RelayServer, hub: Hub) -> None:
        self._relay = relay
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        relay = self._relay
        yield GaugeMetricFamily(
            "overflight_relay_connections", "open connections", value=len(relay.crossings)
        )
        yield GaugeMetricFamily(
            "overflight_relay_watchers", "who watches the tap", value=self._hub.watching
        )
        yield CounterMetricFamily(
            "overflight_relay_turned_away",
            "connections over the limits",
            value=relay.guard.turned_away,
        )
        yield CounterMetricFamily(
            "overflight_relay_recorded_packets",
            "packets written to the session",
            value=relay.tap.packets_written,
        )
        for name, text in _COUNTS.items():
            family = CounterMetricFamily(
                f"overflight_relay_{name}", text, labels=["customer", "direction"]
            )
            for customer, usage in relay.usage().items():
                for direction, count in (("up", usage.up), ("down", usage.down)):
                    family.add_metric([customer, direction], _value(count, name))
            yield family


def _value(count: Count, name: str) -> float:
    return float(getattr(count, name))


def render(relay: RelayServer, hub: Hub) -> bytes:
    """Return all metrics as text."""
    registry = CollectorRegistry()
    registry.register(RelayCollector(relay, hub))
    return generate_latest(registry)

"""The payload: fix source → outbox → uplink; camera → vault."""

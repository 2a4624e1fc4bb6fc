"""``overflight watch``: the traffic of a relay or a session file, packet by packet."""

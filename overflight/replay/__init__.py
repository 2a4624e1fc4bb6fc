"""Playing a session: to a broker as its clients did, flat, or as the broker to a payload."""

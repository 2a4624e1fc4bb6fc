"""Search of kept image content in the traffic."""

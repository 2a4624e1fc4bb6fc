"""Session files that people open here: each with a store of its own, beside live data."""

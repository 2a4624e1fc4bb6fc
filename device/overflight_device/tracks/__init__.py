"""Recorded flights, by format: each module turns the bytes of a file into fixes."""

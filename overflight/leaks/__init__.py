"""The gallery of leaks: ways out that a device may try, as a teaching set and as tests."""

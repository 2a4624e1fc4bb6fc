"""The relay: listen → frame → verdict → link → forward, with a tap that records what crosses."""

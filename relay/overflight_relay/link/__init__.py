"""The link model: what the network between payload and provider does to each packet."""

"""Watches over the flight: rules, the alerts that they raise, and who is told."""

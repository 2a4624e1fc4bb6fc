"""The flight simulator: pure cores that take state, time step, wind and chance, and return state.

Nothing here reads a clock, a file or the network. Units: metres, seconds, kilograms, degrees on
WGS-84; wind as (east, north), the way the air goes.
"""

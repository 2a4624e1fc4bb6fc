"""Recovery: takes in what came back from a flight, and never writes to it."""

from overflight_ground.recover.run import RecoverInputs, Recovery, recover

__all__ = ["RecoverInputs", "Recovery", "recover"]

"""Property tests of the payload measure what is right, not how quick a busy machine is."""

from hypothesis import settings

settings.register_profile("device", deadline=None)
settings.load_profile("device")

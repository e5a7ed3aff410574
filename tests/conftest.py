"""Settings of all tests: no law has a deadline, since machines are shared and speed is `scripts/bench`'s matter."""

from hypothesis import settings

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

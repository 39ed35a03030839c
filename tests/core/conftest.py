"""Properties are checked on the same examples every time: a red run is red again."""

from hypothesis import settings

settings.register_profile("core", derandomize=True, database=None, deadline=None, max_examples=100)
settings.load_profile("core")

"""What holds for all tests."""

from hypothesis import settings

# The same examples on every machine, and no limit on the time of one: machines differ.
settings.register_profile("pointsman", deadline=None, derandomize=True, database=None)
settings.load_profile("pointsman")

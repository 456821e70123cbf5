"""What holds for all tests."""

import os

from hypothesis import settings

# As the classifier's process has it; read when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# The same examples on every machine, and no limit on the time of one: machines differ.
settings.register_profile("pointsman", deadline=None, derandomize=True, database=None)
settings.load_profile("pointsman")

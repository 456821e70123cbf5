"""`python -m services.classifier --config FILE` runs the classifier."""

import os
import sys

# Products as small as those with routes gain nothing by numpy's threads, which on busy cores wait for each other a hundred
# times as long as the work takes. OpenBLAS reads this once, when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from services.classifier.app import run
from services.runtime.process import run_process
from services.runtime.settings import read_settings

raise SystemExit(run_process(read_settings("classifier", sys.argv[1:]), run))

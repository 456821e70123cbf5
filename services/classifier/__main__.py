"""`python -m services.classifier --config FILE` runs the classifier."""

import sys

from services.classifier.app import run
from services.runtime.process import run_process
from services.runtime.settings import read_settings

raise SystemExit(run_process(read_settings("classifier", sys.argv[1:]), run))

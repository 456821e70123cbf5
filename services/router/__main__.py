"""`python -m services.router --config FILE` runs the router."""

import sys

from services.router.app import run
from services.runtime.process import run_process
from services.runtime.settings import read_settings

raise SystemExit(run_process(read_settings("router", sys.argv[1:]), run))

"""`python -m services.telemetry --config FILE` runs the telemetry service."""

import sys

from services.runtime.process import run_process
from services.runtime.settings import read_settings
from services.telemetry.app import run

raise SystemExit(run_process(read_settings("telemetry", sys.argv[1:]), run))

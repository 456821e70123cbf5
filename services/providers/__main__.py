"""`python -m services.providers --config FILE --provider NAME` runs one provider."""

import sys

from services.providers.app import run
from services.runtime.process import run_process
from services.runtime.settings import read_settings

raise SystemExit(run_process(read_settings("providers", sys.argv[1:], instance_option="provider"), run))

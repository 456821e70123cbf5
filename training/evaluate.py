"""`make bench-classifier`, or `python training/evaluate.py --data DIR`: measures the shipped classifier; see bench/README.md."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a file, Python looks for modules beside it, not in the project.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    # Processes are started while connections are open; gRPC's handlers of a fork would only complain of it.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from bench.classifier.command import main

    raise SystemExit(main())

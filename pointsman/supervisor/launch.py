"""The first code of each supervised process: ties its life to the supervisor's, then becomes the service.

    python -m pointsman.supervisor.launch PARENT_PID MODULE ARGUMENT...

Here rather than between fork and exec, where Python code is not safe beside threads. On Linux the kernel kills the process when
the thread that started it ends, however that happens; elsewhere a supervisor that is killed outright leaves its services running.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Runs the module; it raises SystemExit with the service's exit code."""
    parent_pid, module = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The supervisor may have died before the kernel was asked.
    if os.getppid() != parent_pid:
        raise SystemExit(1)
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

"""Runs a command that must not outlive the demo: `python -m simulators.demo.tether PID COMMAND…`.

It asks the kernel to kill this process when its parent ends, however it ends, and becomes the
command. The wish survives `execv` (prctl(2), PR_SET_PDEATHSIG). A fresh process does this, rather
than a hook between fork and exec, because no such hook is safe once the parent has threads.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Become the command, tied to the parent."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the demo ended before this process could be tied to it")
    os.execv(command[0], command)  # noqa: S606 # The demo made the command; no shell is wanted.


if __name__ == "__main__":
    main()

"""Runs a command that ends when its parent ends: ``python -m agemem_grpo.processes.launch COMMAND...``.

Owns the one thing that a killed parent cannot do: a trainer killed with SIGKILL runs no cleanup, and its servers would
keep running. On Linux the kernel then sends SIGTERM to this process. Elsewhere the command simply runs, and `child.py`
ends what it finds of an earlier run.

It is a separate process, because setting this between fork and exec of a threaded Python process is not safe.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Asks Linux for SIGTERM when the thread that started this process ends. Does nothing on other systems."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have ended before the call, and then no signal comes.
    if os.getppid() != parent:
        raise SystemExit(f"the parent {parent} has ended")


def main() -> None:
    """Entry point. The first argument is the process id of the parent; the rest is the command."""
    if len(sys.argv) < 3:
        raise SystemExit("usage: python -m agemem_grpo.processes.launch PARENT_PID COMMAND...")
    die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()

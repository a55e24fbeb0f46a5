"""Runs a command in its place that the kernel kills when the starter dies: `python tether.py STARTER COMMAND…`.

Not even a starter that is killed with SIGKILL, which can clean up nothing, leaves the command behind.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Does not return."""
    starter, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(starter):  # It died before the kernel knew.
        sys.exit(128 + signal.SIGKILL)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()

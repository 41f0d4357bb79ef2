"""Be the first process of the namespaces in which the hosts of one simulated model are.

All their processes end with this one, which ends with whoever started it, even if killed. Its
network has nothing but a bridge, which joins the hosts' networks.
"""

import os
import signal
import subprocess
import sys

BRIDGE = "link add hosts type bridge\nlink set hosts up\n"


def main() -> None:
    """Make the bridge, print this process's id, and wait for the end."""
    subprocess.run(["ip", "-batch", "-"], input=BRIDGE, text=True, check=True)
    # Nobody waits for the orphans that end up here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print(os.readlink("/proc/self"), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

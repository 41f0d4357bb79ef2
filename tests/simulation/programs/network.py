"""Be the first process of the namespaces that the hosts of one simulated model share.

All their processes end with this one, which ends with whoever started it, even if killed.
"""

import fcntl
import os
import signal
import socket
import struct
import sys

SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8914, 0x8916, 1  # Of linux/sockios.h and linux/if.h.


def main() -> None:
    """Bring the loopback interface up, print this process's id, and wait for the end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        # With 127.0.0.1 alone, getaddrinfo may take the host for one that has no IPv4.
        address = struct.pack("16sHH4s8x", b"lo:0", socket.AF_INET, 0, bytes((127, 0, 1, 0)))
        fcntl.ioctl(any_socket, SIOCSIFADDR, address)
    # Nobody waits for the orphans that end up here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print(os.readlink("/proc/self"), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

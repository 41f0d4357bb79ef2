"""Be systemctl: hand the arguments to the machine's systemd, and print what comes back.

A dispatch runs some of these, so this imports next to nothing.
"""

import _socket
import sys
import time

SOCKET = "/run/systemd/private"


def connect() -> _socket.socket:
    """Connect to systemd, which may not have come up yet."""
    deadline = time.monotonic() + 60
    while True:
        connection = _socket.socket(_socket.AF_UNIX)
        try:
            connection.connect(SOCKET)
            return connection
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def main() -> None:
    """Run one command."""
    connection = connect()
    data = "\0".join(sys.argv[1:]).encode()
    while data:
        data = data[connection.send(data) :]
    connection.shutdown(_socket.SHUT_WR)
    answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    code, stdout, stderr = answer.split("\0")
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    sys.exit(int(code))


if __name__ == "__main__":
    main()

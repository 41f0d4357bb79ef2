"""Write to redis again and again, and print what was acknowledged, by whom and when.

It sticks to one address for as long as that acknowledges, and tries the next one when it refuses
or can't be reached: a client that knows nothing of leaders. It ends with its standard input.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import socket
import sys
import threading
import time

PAUSE = 0.005  # Seconds between two writes.


class RedisError(Exception):
    """Redis refuses a command."""


def main(prefix: str, targets: pathlib.Path) -> None:
    """Write to what the targets name until standard input ends.

    Args:
        prefix: What the keys begin with.
        targets: A JSON file with addresses, best first, and passwords, newest first.
    """
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    number, turn = 0, 0
    while not ended.is_set():
        aims = json.loads(targets.read_text())
        address = aims["addresses"][turn % len(aims["addresses"])]
        with contextlib.suppress(OSError, RedisError), connect(address, aims) as redis:
            while not ended.is_set():
                asked = time.monotonic()
                ask(redis, "SET", f"{prefix}{number}", "x")
                print(f"{prefix}{number}", asked, address, flush=True)
                number += 1
                time.sleep(PAUSE)
        turn += 1
        number += 1  # What was not acknowledged may have been written all the same.
        time.sleep(PAUSE)


def connect(address: str, aims: dict[str, list[str]]) -> socket.socket:
    """Connect, and log in with the first password that works.

    Raises:
        RedisError: if none does.
    """
    redis = socket.create_connection((address, 6379), timeout=5)
    for password in aims["passwords"]:
        with contextlib.suppress(RedisError):
            ask(redis, "AUTH", password)
            return redis
    redis.close()
    raise RedisError(address)


def ask(redis: socket.socket, *words: str) -> None:
    """Run a command that answers OK.

    Raises:
        RedisError: if it answers something else.
    """
    lengths = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    redis.sendall(f"*{len(words)}\r\n{lengths}".encode())
    answer = redis.recv(4096)
    if answer != b"+OK\r\n":
        raise RedisError(answer.decode())


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))

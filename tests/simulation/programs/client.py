"""Be the juju command or a hook command, by the name that this is started as.

It hands its arguments to the simulation, and prints what comes back, as Juju's own hook commands
do with the unit agent. A dispatch runs a dozen of these, so this imports next to nothing.
"""

import _socket
import os
import sys


def read(argument: str) -> str:
    """Read the file of a secret's KEY#file=PATH, which the simulation can't."""
    key, separator, path = argument.partition("#file=")
    if not separator:
        return argument
    with open(path) as file:
        return f"{key}={file.read()}"


def ask(command: str, stdin: str, *args: str) -> tuple[int, str, str]:
    """Ask the simulation, and return an exit status, standard output and standard error."""
    context = os.environ.get("JUJU_CONTEXT_ID", "")
    connection = _socket.socket(_socket.AF_UNIX)
    connection.connect(os.environ["JUJU_SIMULATION_SOCKET"])
    data = "\0".join([context, command, stdin, *map(read, args)]).encode()
    while data:
        data = data[connection.send(data) :]
    connection.shutdown(_socket.SHUT_WR)
    answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    code, stdout, stderr = answer[:-1].split("\0")
    return int(code), stdout, stderr


def main() -> None:
    """Run one command."""
    command = os.path.basename(sys.argv[0])
    # relation-set reads its settings from here; nothing else reads standard input.
    stdin = sys.stdin.read() if "-" in sys.argv and command == "relation-set" else ""
    code, stdout, stderr = ask(command, stdin, *sys.argv[1:])
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()

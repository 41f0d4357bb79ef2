"""Be a unit's agent: say that it is there, ask what to dispatch, dispatch it, say how it ended.

It keeps one connection to the controller, which renews the lease for as long as that lasts. As
containeragent does, it dispatches the charm's stop hook when it is told to stop.
"""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

CONTAINERS = pathlib.Path("/charm/containers")
JUJU = pathlib.Path("/var/lib/juju")
stop = threading.Event()


def main(unit: str) -> None:
    """Serve a unit until it is gone, or until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    new_pod = False
    if CONTAINERS.is_dir():
        # What is in here is as old as the pod.
        new_pod = not (JUJU / "agent.pid").exists()
        (JUJU / "agent.pid").write_text(str(os.getpid()))
        threading.Thread(target=answer_probes, daemon=True).start()
    with socket.socket(socket.AF_UNIX) as presence:
        ask({"ask": "started", "unit": unit, "new_pod": new_pod}, presence)
        while not stop.is_set():
            boots, checks = look()
            answer = ask({"ask": "next", "unit": unit, "boots": boots, "checks": checks})
            if answer.get("gone"):
                return
            dispatch(answer)
        dispatch(ask({"ask": "stopping", "unit": unit}))


def ask(question: dict[str, object], connection: socket.socket | None = None) -> dict[str, object]:
    """Ask the controller, and return its answer.

    Args:
        question: The question.
        connection: A new socket that is left open, if one shall be.
    """
    used = connection or socket.socket(socket.AF_UNIX)
    try:
        used.connect(os.environ["JUJU_SIMULATION_SOCKET"])
        used.sendall(f"{json.dumps(question)}\n".encode())
        with used.makefile() as answer:
            return json.loads(answer.readline())
    finally:
        if connection is None:
            used.close()


def answer_probes() -> None:
    """Tell Pebble's checks that the agent is there."""
    with socket.create_server(("localhost", int(os.environ["HTTP_PROBE_PORT"]))) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def dispatch(job: dict[str, object]) -> None:
    """Run the charm, if there is something to run it for."""
    if "dispatch" in job:
        command = str(job["dispatch"])
        environment = job["environment"]
        assert isinstance(environment, dict)
        result = subprocess.run(
            [command],
            cwd=os.path.dirname(command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ask(
            {
                "ask": "dispatched",
                "context": environment["JUJU_CONTEXT_ID"],
                "code": result.returncode,
                "output": result.stdout,
            }
        )


def look() -> tuple[dict[str, str], dict[str, dict[str, bool]]]:
    """Return the boot of each container whose Pebble answers, and which of its checks are up."""
    boots, checks = {}, {}
    for socket_file in CONTAINERS.glob("*/pebble.socket"):
        container = socket_file.parent.name
        try:
            boot = ask_pebble(socket_file, "/v1/system-info")["boot-id"]
            found = ask_pebble(socket_file, "/v1/checks")
        except OSError:
            continue
        boots[container] = boot
        checks[container] = {check["name"]: check["status"] != "down" for check in found or ()}
    return boots, checks


def ask_pebble(socket_file: pathlib.Path, path: str):  # noqa: ANN201
    """Ask Pebble something, and return its answer."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(socket_file))
        connection.request("GET", path)
        return json.load(connection.getresponse())["result"]
    finally:
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1])

"""Be a unit's agent: keep the lease, ask what to dispatch, dispatch it, say how it ended.

As containeragent does, it dispatches the charm's stop hook when it is told to stop, and start
when it comes back.
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
stop = threading.Event()


def main(unit: str, heartbeat: float) -> None:
    """Serve a unit until it is gone, or until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if CONTAINERS.is_dir():
        pathlib.Path("/charm/agent.pid").write_text(str(os.getpid()))
    claim(unit)
    threading.Thread(target=claim_often, args=(unit, heartbeat), daemon=True).start()
    ask({"agent": "started", "unit": unit})
    while not stop.is_set():
        answer = ask({"agent": "next", "unit": unit, "boots": boots()})
        if answer.get("gone"):
            return
        dispatch(answer)
    dispatch(ask({"agent": "stopping", "unit": unit}))


def ask(question: dict[str, object]) -> dict[str, object]:
    """Ask the controller, and return its answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["JUJU_SIMULATION_SOCKET"])
        connection.sendall(json.dumps(question).encode())
        connection.shutdown(socket.SHUT_WR)
        return json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))


def claim_often(unit: str, heartbeat: float) -> None:
    """Claim the lease, or renew it, however long a hook takes."""
    while not stop.wait(heartbeat):
        claim(unit)


def claim(unit: str) -> None:
    """Claim the lease, or renew it."""
    ask({"agent": "claim", "unit": unit})


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
                "agent": "dispatched",
                "context": environment["JUJU_CONTEXT_ID"],
                "code": result.returncode,
                "output": result.stdout,
            }
        )


def boots() -> dict[str, str]:
    """Return the boot of each container whose Pebble answers, as the agent's poller sees it."""
    found = {}
    for pebble in CONTAINERS.glob("*/pebble.socket"):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(pebble))
            connection.request("GET", "/v1/system-info")
            info = json.load(connection.getresponse())
        except OSError:
            continue
        finally:
            connection.close()
        found[pebble.parent.name] = info["result"]["boot-id"]
    return found


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))

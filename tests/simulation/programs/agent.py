"""Be a unit's agent: say that it is there, ask what to dispatch, dispatch it, say how it ended.

It keeps one connection to the controller, which renews the lease for as long as that lasts. As
containeragent does, it dispatches the charm's stop hook when it is told to stop.
"""

import glob
import http.client
import importlib
import json
import os
import pathlib
import runpy
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence

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
        environment = job["environment"]
        assert isinstance(environment, dict)
        run = run_in_fork if job["forks"] else run_dispatch
        code, output = run(str(job["dispatch"]), environment)
        context = environment["JUJU_CONTEXT_ID"]
        ask({"ask": "dispatched", "context": context, "code": code, "output": output})


def run_dispatch(command: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run the charm as Juju does, and return its exit status and what it printed."""
    result = subprocess.run(
        [command],
        cwd=os.path.dirname(command),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return result.returncode, result.stdout


def run_in_fork(command: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run the charm in a fork of this process, which keeps the libraries that it imports.

    It spares a hook most of its time: Python's start, the imports, and a process for each hook
    command.
    """
    charm = os.path.dirname(command)
    if "ops" not in sys.modules:
        for folder in glob.glob(f"{charm}/venv/lib/python*/site-packages"):
            site.addsitedir(folder)
        importlib.import_module("ops.hookcmds")
    with tempfile.TemporaryFile("w+") as output:
        if (child := os.fork()) == 0:
            become_hook(charm, environment, output.fileno())
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read()


def become_hook(charm: str, environment: Mapping[str, str], output: int) -> None:
    """Run the charm's code in this process, and end it."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, 1024)  # The agent's presence ends with the agent.
        os.chdir(charm)
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:0] = [f"{charm}/src", f"{charm}/lib"]
        subprocess.run = HookCommands(subprocess.run)
        runpy.run_path(f"{charm}/src/charm.py", run_name="__main__")
        code = 0
    except SystemExit as e:
        code = int(e.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class HookCommands:
    """``subprocess.run``, which asks the simulation for what the hook commands would ask it."""

    def __init__(self, run):
        self._run = run
        self._folder = os.path.dirname(os.path.abspath(__file__))
        self._ask = runpy.run_path(f"{self._folder}/is-leader")["ask"]

    def __call__(self, args: Sequence[str], *, input: str | None = None, **options):
        """Run a command as ops does: with ``capture_output``, ``check`` and ``encoding``."""
        path = shutil.which(args[0])
        if path is None:
            raise FileNotFoundError(args[0])
        name = os.path.basename(path)
        if os.path.dirname(path) != self._folder or name in ("sudo", "systemctl"):
            return self._run(args, input=input, **options)
        if name == "juju-log":
            unit, event = os.environ["JUJU_UNIT_NAME"], os.environ["JUJU_DISPATCH_PATH"]
            with open(os.environ["JUJU_SIMULATION_LOG"], "a") as log:
                log.write(f"{unit} {event}: {' '.join(args[1:])}\n")
            return subprocess.CompletedProcess(args, 0, "", "")
        code, stdout, stderr = self._ask(name, input or "", *args[1:])
        if code and options.get("check"):
            raise subprocess.CalledProcessError(code, args, stdout, stderr)
        return subprocess.CompletedProcess(args, code, stdout, stderr)


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

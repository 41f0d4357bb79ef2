"""The controller: it starts units, and answers agents, hook commands and the juju command."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import socketserver
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping

import yaml

from tests.simulation import hookcommands, hosts, jujucli, model

MODEL_UUID = "cdac5656-2423-4388-8f30-41854b4cca7d"
VERSION = "3.6.9"


class Controller:
    """Runs one charm, as a context manager that stops all it started.

    Args:
        folder: Where the units' files are.
        packed: The charm.
        python: The interpreter that the charm runs on.
        juju: The model, which may be a faulty one.
    """

    def __init__(
        self, folder: pathlib.Path, packed: pathlib.Path, python: pathlib.Path, juju: model.Model
    ):
        self.juju = juju
        self.hosts: dict[str, hosts.Host] = {}
        self.packed = packed
        self.metadata = read_yaml(packed, "metadata.yaml")
        options = read_yaml(packed, "config.yaml").get("options", {})
        juju.config = {
            name: option["default"] for name, option in options.items() if "default" in option
        }
        # What happens between the end of a hook that `dispatch` runs and its commit.
        self.before_commit: Callable[[], None] = lambda: None
        self._folder = folder
        self._python = python
        self._contexts: dict[str, hookcommands.Context] = {}
        # The path of a socket is short, and that of a test's folder is not.
        self._run_folder = pathlib.Path(tempfile.mkdtemp(prefix="juju-"))
        self.log = folder / "juju.log"
        self.environment = {
            "JUJU_SIMULATION_SOCKET": str(self._run_folder / "socket"),
            "JUJU_SIMULATION_LOG": str(self.log),
        }
        hosts.install_programs(folder / "cli", ("juju",), "client.py")

    @property
    def cli(self) -> pathlib.Path:
        """The folder that holds the juju command."""
        return self._folder / "cli"

    def __enter__(self) -> Controller:
        """Start answering."""
        self._server = _Server(str(self._run_folder / "socket"), self)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all units and all answers."""
        for host in list(self.hosts.values()):
            host.stop()
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._run_folder)
        if self._server.errors:
            raise self._server.errors[0]

    @property
    def is_kubernetes(self) -> bool:
        """Whether the charm is for Kubernetes."""
        return "containers" in self.metadata

    def add_unit(self) -> model.Unit:
        """Add a unit whose agent is not started yet."""
        with self.juju.changed:
            unit = self.juju.add_unit()
        args = (
            unit.name,
            self._folder / unit.name.replace("/", "-"),
            self._python,
            self.environment,
            self.juju.timing.lease / 9,
        )
        if self.is_kubernetes:
            pebble = hosts.find_pebble()
            assert pebble is not None
            period = self.juju.timing.kubelet_period
            host = hosts.Pod(*args, pebble=pebble, kubelet_period=period)
        else:
            host = hosts.Machine(*args)
        host.install_charm(self.packed)
        self.hosts[unit.name] = host
        return unit

    def dispatch(self, unit: model.Unit, hook: model.Hook) -> tuple[bool, str]:
        """Dispatch a hook at once, without an agent.

        Returns:
            Whether it succeeded and was committed, and what it printed.
        """
        environment = self._begin(unit, hook)
        host = self.hosts[unit.name]
        result = host.run("sh", "-c", 'cd "$1"; exec ./dispatch', "sh", host.charm,
                          environment=environment)  # fmt: skip
        context = self._contexts.pop(environment["JUJU_CONTEXT_ID"])
        self.before_commit()
        return context.finish(result.returncode), result.stdout

    def dispatch_all(self) -> None:
        """Dispatch until no unit has anything left to run."""
        units = list(self.juju.units.values())
        while pending := next(
            ((unit, hook) for unit in units if (hook := self.juju.next_hook(unit))), None
        ):
            succeeded, output = self.dispatch(*pending)
            assert succeeded, (pending[0].name, pending[1].name, output, self.juju.log)

    def run(self, context: str, command: str, stdin: str, *args: str) -> tuple[int, str, str]:
        """Run the juju command or a hook command.

        Args:
            context: The id of the hook's context, for a hook command.
            command: The command's name.
            stdin: Its standard input.
            args: Its arguments.

        Returns:
            Its exit status, standard output and standard error.
        """
        try:
            if command == "juju":
                return jujucli.run(self, list(args))
            return 0, self._contexts[context].run(command, list(args), stdin), ""
        except model.RefusedError as e:
            return 1, "", f"ERROR {e}\n"

    def answer_agent(self, question: Mapping[str, object]) -> Mapping[str, object]:
        """Answer a unit agent."""
        if question["agent"] == "dispatched":
            return self._finish(question)
        with self.juju.changed:
            unit = self.juju.units.get(str(question["unit"]))
            if unit is None:
                return {"gone": True}
            match question["agent"]:
                case "claim":
                    self.juju.claim(unit)
                case "started":
                    # A fresh agent starts its charm anew.
                    unit.told.discard("start")
                    unit.agent = "idle"
                case "next":
                    boots = question["boots"]
                    assert isinstance(boots, dict)
                    unit.boots = boots
                    return self._next(unit)
                case "stopping":
                    unit.agent = "lost"
                    return self._job(unit, model.Hook("stop"))
        return {}

    def _next(self, unit: model.Unit) -> Mapping[str, object]:
        if unit.retry_at is not None and time.monotonic() < unit.retry_at:
            self.juju.changed.wait(0.2)
            return {}
        hook = self.juju.next_hook(unit)
        if hook is None and unit.dying:
            self.juju.remove_unit(unit)
            return {"gone": True}
        if hook is None:
            unit.agent = "idle"
            self.juju.changed.wait(0.2)
            return {}
        if hook.name == "upgrade-charm" and not self.is_kubernetes:
            self.hosts[unit.name].install_charm(self.packed)
        unit.agent = "executing"
        return self._job(unit, hook)

    def _job(self, unit: model.Unit, hook: model.Hook) -> Mapping[str, object]:
        """Tell an agent what to dispatch."""
        dispatch = str(self.hosts[unit.name].charm / "dispatch")
        return {"dispatch": dispatch, "environment": self._begin(unit, hook)}

    def _begin(self, unit: model.Unit, hook: model.Hook) -> dict[str, str]:
        """Make a context, and return the environment that the charm is dispatched in."""
        context = hookcommands.Context(self.juju, unit, hook)
        self._contexts[context.id] = context
        host = self.hosts[unit.name]
        return {
            **host.environment,
            "JUJU_CONTEXT_ID": context.id,
            "JUJU_CHARM_DIR": str(host.charm),
            "JUJU_DISPATCH_PATH": f"{'actions' if hook.action else 'hooks'}/{hook.name}",
            "JUJU_HOOK_NAME": "" if hook.action else hook.name,
            "JUJU_MODEL_NAME": "simulated",
            "JUJU_MODEL_UUID": MODEL_UUID,
            "JUJU_UNIT_NAME": unit.name,
            "JUJU_VERSION": VERSION,
            **hook.environment,
        }

    def _finish(self, question: Mapping[str, object]) -> Mapping[str, object]:
        context = self._contexts.pop(str(question["context"]))
        succeeded = context.finish(int(str(question["code"])))
        with self.juju.changed:
            if not succeeded:
                self.juju.log.append(str(question["output"]))
            failed = not succeeded and context.hook.action is None
            retry = self.juju.timing.retry
            context.unit.retry_at = time.monotonic() + retry if failed else None
        return {}


def read_yaml(packed: pathlib.Path, name: str) -> dict[str, dict[str, dict[str, object]]]:
    """Read a YAML file of a packed charm."""
    with zipfile.ZipFile(packed) as archive:
        return yaml.safe_load(archive.read(name))


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    # Agents and commands of several units ask at the same time.
    request_queue_size = 128

    def __init__(self, path: str, controller: Controller):
        self.controller = controller
        self.errors: list[BaseException] = []
        super().__init__(path, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        if error := sys.exc_info()[1]:
            self.errors.append(error)


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        # Who asks may be killed before it has asked, or before it has heard.
        question = self.rfile.read().decode()
        if question.startswith("{"):
            answer = json.dumps(self.server.controller.answer_agent(json.loads(question)))
        elif question:
            answer = "\0".join(map(str, self.server.controller.run(*question.split("\0"))))
        else:
            return
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(answer.encode())

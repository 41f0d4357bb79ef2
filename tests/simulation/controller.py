"""The controller: it answers agents, hook commands, the juju command and sleeping clients."""

from __future__ import annotations

import contextlib
import json
import pathlib
import socketserver
import sys
import threading
from collections.abc import Mapping

from tests.simulation import clock, deployment, hosts, jujucli, model


class Controller(deployment.Deployment):
    """A deployment that answers, as a context manager that stops all it started.

    Args:
        forks: Whether agents run the charm's code in forks, and not ``dispatch``: faster, for
            tests of something else.
    """

    def __init__(self, *args, forks: bool = False, **kwargs):
        super().__init__(*args, **kwargs)
        self._forks = forks
        self._agents: dict[str, object] = {}  # The one that was started last, by unit.

    @property
    def cli(self) -> pathlib.Path:
        """The folder that holds the juju command."""
        return self._folder / "cli"

    def __enter__(self) -> Controller:
        """Start answering."""
        hosts.install_programs(self.cli, ("juju",), "client.py")
        self._server = _Server(str(self.socket), self)
        self.socket.chmod(0o666)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all units and all answers."""
        for host in list(self.hosts.values()):
            host.stop()
        self._server.shutdown()
        self._server.server_close()
        if not self._beside:
            self.site.close()
        if self._server.errors:
            raise self._server.errors[0]

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
            if (running := self._contexts.get(context)) is None:
                raise model.CommandError("the agent that ran this hook is gone")
            self.commands[command] += 1
            return 0, running.run(command, list(args), stdin), ""
        except model.CommandError as e:
            return e.status, "", f"ERROR {e}\n"

    def answer(self, question: Mapping[str, object], agent: object) -> Mapping[str, object]:
        """Answer a client that asks for the time or sleeps, or a unit's agent.

        Args:
            question: What it asks.
            agent: What stands for the agent, if this is the question that it starts with.
        """
        with self.juju.changed:
            match question["ask"]:
                case "time":
                    return {"now": self.juju.clock.now}
                case "sleep":
                    self.juju.clock.sleep(float(str(question["seconds"])))
                    return {}
                case "dispatched":
                    return self._finish(question)
            unit = self.juju.units.get(str(question["unit"]))
            if unit is None:
                return {"gone": True}
            match question["ask"]:
                case "started":
                    self._start_agent(unit, agent, is_new_pod=bool(question["new_pod"]))
                case "next":
                    self._look(unit, question)
                    return self._next(unit)
                case "stopping":
                    return self._stop_agent(unit)
        return {}

    def lose_agent(self, question: Mapping[str, object], agent: object) -> None:
        """Note that an agent has gone, if no other has come since."""
        unit = self.juju.units.get(str(question["unit"]))
        if unit is None:
            return
        host = self.hosts[unit.name]
        # In real time, which has to go on before the clock does.
        comes_back = isinstance(host, hosts.Pod) and host.starts_agents
        with self.juju.changed:
            if self._agents[unit.name] is not agent:
                return
            self._abandon_hook(unit)
            self.juju.agent_lost(unit)
            unit.starting = comes_back

    def _abandon_hook(self, unit: model.Unit) -> None:
        """Drop what a dead agent was running; it runs again."""
        for id_, context in list(self._contexts.items()):
            if context.unit is unit:
                del self._contexts[id_]
                context.fail()

    def _start_agent(self, unit: model.Unit, agent: object, *, is_new_pod: bool) -> None:
        self._agents[unit.name] = agent
        self._abandon_hook(unit)
        if is_new_pod:
            self.name_charm(unit)
        self.juju.agent_found(unit, is_new_pod=is_new_pod)

    def _stop_agent(self, unit: model.Unit) -> Mapping[str, object]:
        unit.agent = "stopped"
        if self.is_kubernetes and not unit.dying:
            return self._job(unit, model.Hook("stop"))
        return {}

    def _look(self, unit: model.Unit, question: Mapping[str, object]) -> None:
        """Note what the agent has seen of its containers."""
        boots, checks = question["boots"], question["checks"]
        assert isinstance(boots, dict) and isinstance(checks, dict)
        unit.boots = boots
        unit.checks = {
            (container, check): up
            for container, found in checks.items()
            for check, up in found.items()
        }

    def _next(self, unit: model.Unit) -> Mapping[str, object]:
        hook = self.juju.due_hook(unit)
        if hook is None and unit.dying and unit.failed is None:
            self.juju.remove_unit(unit)
            return {"gone": True}
        if hook is None:
            unit.agent = "idle"
            if not unit.waiting:
                unit.waiting = True
                self.juju.clock.notify()
            self.juju.changed.wait(clock.LOOK)
            return {}
        if hook.name == "upgrade-charm" and not self.is_kubernetes:
            self.hosts[unit.name].install_charm(self.packed)
            self.name_charm(unit)
        unit.agent = "executing"
        return self._job(unit, hook)

    def _job(self, unit: model.Unit, hook: model.Hook) -> Mapping[str, object]:
        """Say what an agent is to dispatch."""
        unit.waiting = False
        dispatch = f"{self.hosts[unit.name].charm_folder}/dispatch"
        environment = self._begin(unit, hook)
        return {"dispatch": dispatch, "environment": environment, "forks": self._forks}

    def _finish(self, question: Mapping[str, object]) -> Mapping[str, object]:
        context = self._contexts.pop(str(question["context"]), None)
        if context and not context.finish(int(str(question["code"]))):
            self.juju.log.append(str(question["output"]))
        return {}


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
        controller = self.server.controller
        # Who asks may be killed before it has asked, or before it has heard.
        first = self.rfile.readline().decode()
        if first.startswith("{"):
            question = json.loads(first)
            self._say(json.dumps(controller.answer(question, self)))
            if question["ask"] == "started":
                # The agent keeps this connection, which ends with it.
                with contextlib.suppress(ConnectionError):
                    self.rfile.read()
                controller.lose_agent(question, self)
        elif first:
            command = first + self.rfile.read().decode()
            self._say("\0".join(map(str, controller.run(*command.split("\0")))))

    def _say(self, answer: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(f"{answer}\n".encode())

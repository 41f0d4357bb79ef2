"""A charm's units on their hosts, and what is dispatched there."""

from __future__ import annotations

import collections
import json
import pathlib
import zipfile
from collections.abc import Callable

import yaml

from tests.simulation import hookcommands, hosts, model


class Deployment:
    """One charm.

    Args:
        folder: Where the units' files are.
        packed: The charm.
        python: The interpreter that the charm runs on.
        juju: The model, which may be a faulty one.
        beside: The deployment of another application, on whose machines this one's units are.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        packed: pathlib.Path,
        python: pathlib.Path,
        juju: model.Model,
        *,
        beside: Deployment | None = None,
    ):
        self.juju = juju
        self.hosts: dict[str, hosts.Host] = {}
        self.packed = packed
        self.metadata = read_yaml(packed, "metadata.yaml")
        self.actions = read_yaml(packed, "actions.yaml")
        juju.is_kubernetes = self.is_kubernetes
        options = read_yaml(packed, "config.yaml").get("options", {})
        juju.config = {
            name: option["default"] for name, option in options.items() if "default" in option
        }
        # What happens between the end of a hook that `dispatch` runs and its commit.
        self.before_commit: Callable[[], None] = lambda: None
        self.commands: collections.Counter[str] = collections.Counter()  # Hook commands run.
        self._folder = folder
        self._python = python
        self._contexts: dict[str, hookcommands.Context] = {}
        self._beside = beside
        self.site = beside.site if beside else hosts.Site()
        self.socket = self.site.folder / f"{juju.app}.socket"
        self.log = self.site.folder / f"{juju.app}.log"
        # Agents and hooks may be another user's.
        self.log.touch()
        self.log.chmod(0o666)
        self.environment = {
            "JUJU_SIMULATION_SOCKET": str(self.socket),
            "JUJU_SIMULATION_LOG": str(self.log),
        }

    @property
    def is_kubernetes(self) -> bool:
        """Whether the charm is for Kubernetes."""
        return "containers" in self.metadata

    def add_unit(self) -> model.Unit:
        """Add a unit whose agent is not started yet."""
        with self.juju.changed:
            unit = self.juju.add_unit()
        folder = self._folder / unit.name.replace("/", "-")
        if former := self.hosts.pop(unit.name, None):
            # A pod has the name of a former one, and nothing else of it.
            former.remove()
        args = (
            *(self.site, unit.name, unit.address),
            *(folder, self._python, self.environment),
        )
        if self.is_kubernetes:
            pebble = hosts.find_pebble()
            assert pebble is not None
            host = hosts.Pod(
                *args,
                model="simulated",
                metadata=self.metadata,
                pebble=pebble,
                period=self.juju.timing.kubelet_period,
            )
        else:
            machines = list(self._beside.hosts.values()) if self._beside else []
            machine = machines[unit.number] if machines else None
            assert machine is None or isinstance(machine, hosts.Machine)
            host = hosts.Machine(*args, beside=machine)
        host.install_charm(self.packed)
        self.hosts[unit.name] = host
        self.name_charm(unit)
        return unit

    @property
    def settings_file(self) -> str:
        """The path of what the placeholder of a workload reads."""
        folder = "/tmp" if self.is_kubernetes else "/etc"
        return f"{folder}/{self.juju.app}-workload/workload.json"

    def settings(self, unit: model.Unit) -> dict[str, object]:
        """Read what a unit's workload reads; nothing if it isn't there."""
        return json.loads(self.hosts[unit.name].read(self.settings_file) or "{}")

    def name_charm(self, unit: model.Unit) -> None:
        """Write down which charm the unit runs, where Juju does so."""
        url = f"local:{self.juju.app}-{self.juju.charm_version}"
        (self.hosts[unit.name].charm / ".juju-charm").write_text(f"{url}\n")

    def start_without_agent(self, unit: model.Unit) -> None:
        """Start what a unit's workload runs on; a machine starts when it is needed."""
        host = self.hosts[unit.name]
        if isinstance(host, hosts.Pod):
            host.start_workload()
            host.wait_for_workload()
            unit.boots = {"workload": f"boot of {unit.name}"}

    def start(self, unit: model.Unit) -> None:
        """Start what a unit runs on, and its agent."""
        unit.starting = True
        self.hosts[unit.name].start()

    def dispatch(self, unit: model.Unit, hook: model.Hook) -> tuple[bool, str]:
        """Dispatch a hook at once, without an agent.

        Returns:
            Whether it succeeded and was committed, and what it printed.
        """
        environment = self._begin(unit, hook)
        host = self.hosts[unit.name]
        result = host.run("sh", "-c", 'cd "$1"; exec ./dispatch', "sh", host.charm_folder,
                          environment=environment)  # fmt: skip
        context = self._contexts.pop(environment["JUJU_CONTEXT_ID"])
        self.before_commit()
        return context.finish(result.returncode), result.stdout

    def act(self, unit: model.Unit, name: str) -> model.Action:
        """Dispatch an action of a unit that has nothing else to run, and return it."""
        _, action = self.juju.enqueue(unit, name)
        hook = self.juju.next_hook(unit)
        assert hook is not None and hook.action is action
        self.dispatch(unit, hook)
        return action

    def dispatch_all(self) -> None:
        """Dispatch until no unit that is there has anything left to run before time passes."""
        while pending := next(filter(None, map(self._pending, self.juju.units.values())), None):
            succeeded, output = self.dispatch(*pending)
            assert succeeded, (pending[0].name, pending[1].name, output, self.juju.log)
            for unit in list(self.juju.units.values()):
                if unit.dying and self.juju.next_hook(unit) is None:
                    self.juju.remove_unit(unit)

    def _pending(self, unit: model.Unit) -> tuple[model.Unit, model.Hook] | None:
        hook = None if unit.agent == "lost" else self.juju.due_hook(unit)
        return (unit, hook) if hook else None

    def _begin(self, unit: model.Unit, hook: model.Hook) -> dict[str, str]:
        """Make a context, and return the environment that the charm is dispatched in."""
        context = hookcommands.Context(self.juju, unit, hook)
        self._contexts[context.id] = context
        host = self.hosts[unit.name]
        return {**host.environment, **hook_environment(self.juju, context, host.charm_folder)}


def hook_environment(
    juju: model.Model, context: hookcommands.Context, charm: str
) -> dict[str, str]:
    """Return the variables that a hook or an action is run with.

    Args:
        juju: The model.
        context: The hook's context.
        charm: The charm's folder.
    """
    unit, hook = context.unit, context.hook
    return {
        "JUJU_CONTEXT_ID": context.id,
        "CHARM_DIR": charm,
        "JUJU_CHARM_DIR": charm,
        "JUJU_AGENT_SOCKET_ADDRESS": str(pathlib.PurePath(charm).with_name("agent.socket")),
        "JUJU_AGENT_SOCKET_NETWORK": "unix",
        "JUJU_DISPATCH_PATH": f"{'actions' if hook.action else 'hooks'}/{hook.name}",
        "JUJU_HOOK_NAME": "" if hook.action else hook.name,
        "JUJU_MODEL_NAME": "simulated",
        "JUJU_MODEL_UUID": model.UUID,
        "JUJU_UNIT_NAME": unit.name,
        "JUJU_VERSION": juju.release.version,
        "JUJU_API_ADDRESSES": "127.0.0.1:17070",
        # Kubernetes has no machines.
        "JUJU_MACHINE_ID": "" if juju.is_kubernetes else str(unit.number),
        "JUJU_AVAILABILITY_ZONE": "" if juju.is_kubernetes else "simulated",
        "JUJU_PRINCIPAL_UNIT": "",
        "CLOUD_API_VERSION": "1.36.0" if juju.is_kubernetes else "",
        "JUJU_CHARM_HTTP_PROXY": "",
        "JUJU_CHARM_HTTPS_PROXY": "",
        "JUJU_CHARM_FTP_PROXY": "",
        "JUJU_CHARM_NO_PROXY": "127.0.0.1,localhost,::1",
        **dict.fromkeys(juju.release.variables, ""),
        "LANG": "C.UTF-8",
        "APT_LISTCHANGES_FRONTEND": "none",
        "DEBIAN_FRONTEND": "noninteractive",
        **hook.environment,
    }


def read_yaml(packed: pathlib.Path, name: str) -> dict[str, dict[str, dict[str, object]]]:
    """Read a YAML file of a packed charm, if it is there."""
    with zipfile.ZipFile(packed) as archive:
        return yaml.safe_load(archive.read(name)) if name in archive.namelist() else {}

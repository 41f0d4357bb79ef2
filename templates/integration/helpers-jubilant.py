# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""What the integration tests ask of Juju, through jubilant.

Each command has a time limit, but for those by which pytest-jubilant makes and destroys the model.
"""

import contextlib
import pathlib
import signal
import time
from collections.abc import Callable, Iterator

import convergence
import jubilant
import pytest
<% if cookiecutter.substrate == "kubernetes" %>
import yaml
<% endif %>

# In seconds.
DEPLOY_TIMEOUT = 1200.0  # Machines or pods start, and images are pulled.
TIMEOUT = 300.0  # A leader that dies silently is replaced within 60.
ERROR_TIMEOUT = 120.0
COMMAND_TIMEOUT = 300
TASK_TIMEOUT = 60.0  # Of an action or a command that a unit runs.
<% if cookiecutter.substrate == "kubernetes" %>
ROOT = pathlib.Path(__file__).parents[2]
CHARMCRAFT = yaml.safe_load((ROOT / "charmcraft.yaml").read_text())
RESOURCES = {
    name: resource["upstream-source"]
    for name, resource in CHARMCRAFT["resources"].items()
    if "upstream-source" in resource
}
<% endif %>
ActionFailedError = jubilant.TaskError


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Interrupt a juju command that hangs, for which jubilant would wait forever.

    A client may hang when its controller restarts.
    """

    def interrupt(*_: object) -> None:
        raise TimeoutError(f"a juju command has taken more than {COMMAND_TIMEOUT} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(COMMAND_TIMEOUT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Deployment:
    """The application that the tests deploy.

    Args:
        juju: The model.
        name: The application's name.
    """

    def __init__(self, juju: jubilant.Juju, name: str):
        self._juju = juju
        self.name = name
        self._errors = convergence.LastingErrors(ERROR_TIMEOUT)

    def deploy(self, charm: pathlib.Path, *, units: int) -> None:
        """Deploy a charm and wait until every unit is active."""
        with _time_limit():
<% if cookiecutter.substrate == "machine" %>
            self._juju.deploy(charm, self.name, num_units=units)
<% else %>
            self._juju.deploy(charm, self.name, num_units=units, resources=RESOURCES)
<% endif %>

        def look() -> list[str]:
            found = self.get_units()
            missing = units - len(found)
            return convergence.not_settled(found) + ["a unit is missing"] * missing

        self._wait(look, DEPLOY_TIMEOUT)

    def refresh(self, charm: pathlib.Path) -> None:
        """Move on to another revision of the charm and wait until every unit runs it.

        Only a unit itself says which charm it runs: its agent writes .juju-charm when it unpacks
        the charm, and from then on runs nothing but the new one. Until the refresh reaches a unit,
        the unit is active and idle as before. Juju 4 shows no upgrading-from; its charm-rev and
        show-unit name the new charm at once, and juju-status.since moves without any hook.
        """
        before = {}

        def look_before() -> list[str]:
            nonlocal before
            before = self._read_charm_urls()
            return [f"{unit} names no charm" for unit, url in before.items() if not url]

        self._wait(look_before, TIMEOUT)
        with _time_limit():
<% if cookiecutter.substrate == "machine" %>
            self._juju.refresh(self.name, path=charm)
<% else %>
            self._juju.refresh(self.name, path=charm, resources=RESOURCES)
<% endif %>

        def look() -> list[str]:
            now = self._read_charm_urls()
            return [
                f"{unit} runs {now.get(unit) or 'nothing'}"
                for unit, url in before.items()
                if now.get(unit) in (None, "", url)
            ]

        self._wait(look, DEPLOY_TIMEOUT)

    def get_units(self) -> list[convergence.Unit]:
        """Return what juju status says of each unit; fail if one stays in error."""
        units = [
            convergence.Unit(
                name=name,
                leads=unit.leader,
                status=unit.workload_status.current,
                message=unit.workload_status.message,
                agent=unit.juju_status.current,
            )
            for name, unit in self._show_units().items()
        ]
        if lasting := self._errors.find(units, time.monotonic()):
            pytest.fail("\n".join(lasting))
        return units

    def get_leader_unit(self) -> str | None:
        """Return the unit that leads, or None while there is none or more than one."""
        return convergence.only_leader(self.get_units())

    def wait_for_leader(self, *, other_than: str | None = None) -> str:
        """Wait for exactly one leader, which "all units are active" doesn't tell.

        Args:
            other_than: The previous leader.

        Returns:
            The leader's name.
        """
        leader = None

        def look() -> list[str]:
            nonlocal leader
            leader = self.get_leader_unit()
            return [f"{leader} leads"] if leader in (None, other_than) else []

        self._wait(look, TIMEOUT)
        assert leader is not None
        return leader

    def wait_until_converged(
        self, leader: str, *, without: str | None = None
    ) -> list[convergence.View]:
        """Wait until every unit is active, has nothing left to do and is in line with the leader.

        Args:
            leader: The unit that Juju says leads.
            without: A unit that can't answer, because its agent is stopped.

        Returns:
            What each unit says.
        """
        views = []

        def look() -> list[str]:
            nonlocal views
            units = [unit for unit in self.get_units() if unit.name != without]
            if problems := convergence.not_settled(units):
                return problems
            views = [
                convergence.View.parse(unit.name, self._run(unit.name, "show-leadership"))
                for unit in units
            ]
            return convergence.not_converged(views, leader)

        self._wait(look, TIMEOUT)
        return views

    def rotate_credentials(self, unit: str) -> None:
        """Run rotate-credentials on a unit.

        Raises:
            ActionFailedError: if the unit refuses.
        """
        self._run(unit, "rotate-credentials")

    def get_secret(self) -> tuple[str, int]:
        """Return the identifier and the newest revision of the application's one secret."""
        with _time_limit():
            secrets = [secret for secret in self._juju.secrets() if self._owns(secret.owner)]
        assert len(secrets) == 1, f"{self.name} has {len(secrets)} secrets"
        return secrets[0].uri.unique_identifier, secrets[0].revision

    def get_start_times(self) -> dict[str, str]:
        """Return when each unit's workload was started, as the service manager prints it."""
<% if cookiecutter.substrate == "machine" %>
        properties = "ExecMainStartTimestampMonotonic,MainPID"
        command = f"systemctl show {self.name}-workload --property={properties}"
        return {unit.name: self._exec(unit.name, command) for unit in self.get_units()}
<% else %>
        command = "/charm/bin/pebble services --abs-time"
        return {
            unit.name: self._ssh(unit.name, command, container="workload")
            for unit in self.get_units()
        }

    def find_unresolved(self, *addresses: str) -> list[str]:
        """Name the units in whose workload's container not all of these addresses resolve."""
        unresolved = []
        for unit in self.get_units():
            try:
                self._ssh(unit.name, f"getent hosts {' '.join(addresses)}", container="workload")
            except jubilant.CLIError:
                unresolved.append(unit.name)
        return unresolved
<% endif %>
<% if cookiecutter.substrate == "machine" %>

    def remove_unit(self, unit: str) -> None:
        """Remove a unit and wait until it is gone."""
        with _time_limit():
            self._juju.remove_unit(unit)

        def look() -> list[str]:
            return [f"{unit} is still there"] * (unit in self._show_units())

        self._wait(look, DEPLOY_TIMEOUT)
<% endif %>

    @contextlib.contextmanager
    def agent_stopped(self, unit: str) -> Iterator[None]:
<% if cookiecutter.substrate == "machine" %>
        """Keep a unit's agent stopped, so that its lease runs out.

        The agent of the machine is the process that runs the unit's agent, too
        (internal/worker/deployer/nested.go in Juju 3.6 and 4).
        """
        machine = self._show_units()[unit].machine
        service = f"jujud-machine-{machine.replace('/', '-')}"
        try:
            self._ssh(unit, f"sudo systemctl stop {service}")
            yield
        finally:
            self._ssh(unit, f"sudo systemctl start {service}")
<% else %>
        """Keep a unit's agent stopped, so that its lease runs out.

        A unit of a Kubernetes charm can't be removed by name, its pod comes back within the
        lease, and sidecar charms don't support juju_stop_unit
        (https://github.com/juju/juju/pull/13991). The liveness check must stop first: Kubernetes
        would restart the container before the lease ends.
        """
        pebble = "/charm/bin/pebble"
        try:
            self._ssh(unit, f"{pebble} stop-checks liveness", container="charm")
            self._ssh(unit, f"{pebble} stop container-agent", container="charm")
            yield
        finally:
            self._ssh(unit, f"{pebble} start container-agent", container="charm")
            self._ssh(unit, f"{pebble} start-checks liveness", container="charm")
<% endif %>

    def _wait(self, look: Callable[[], list[str]], timeout: float) -> None:
        """Wait until a look finds no problems, or fail with those that it finds."""
        deadline = time.monotonic() + timeout
        while problems := look():
            if time.monotonic() > deadline:
                pytest.fail("\n".join([f"after {timeout:.0f} s:", *problems]))
            time.sleep(1)

    def _run(self, unit: str, action: str) -> dict[str, str]:
        """Run an action on a unit and return its results.

        Raises:
            ActionFailedError: if the unit refuses.
            TimeoutError: if it takes too long. It may still run later, so that the tests must end.
        """
        with _time_limit():
            return self._juju.run(unit, action, wait=TASK_TIMEOUT).results

    def _exec(self, unit: str, command: str) -> str:
        """Run a command in a unit's charm folder, and return what it prints."""
        with _time_limit():
            return self._juju.exec(command, unit=unit, wait=TASK_TIMEOUT).stdout

<% if cookiecutter.substrate == "machine" %>
    def _ssh(self, unit: str, command: str) -> str:
        """Run a command on a unit's machine, whether its agent runs or not."""
        with _time_limit():
            return self._juju.ssh(unit, command)
<% else %>
    def _ssh(self, unit: str, command: str, *, container: str) -> str:
        """Run a command in a container of a unit, whether its agent runs or not."""
        with _time_limit():
            return self._juju.ssh(unit, command, container=container)
<% endif %>

    def _owns(self, owner: str) -> bool:
        """Whether a secret's owner is the application or one of its units."""
        return owner.split("/")[0] == self.name

    def _read_charm_urls(self) -> dict[str, str]:
        """Ask each unit which charm it runs; one that is being replaced has no answer."""
        urls = {}
        for unit in self.get_units():
            try:
                urls[unit.name] = self._exec(unit.name, "cat .juju-charm")
            except (jubilant.CLIError, jubilant.TaskError, TimeoutError, ValueError):
                urls[unit.name] = ""
        return urls

    def _show_units(self) -> dict[str, jubilant.statustypes.UnitStatus]:
        """Return what juju status says of each unit."""
        with _time_limit():
            return self._juju.status().apps[self.name].units

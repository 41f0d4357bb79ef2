# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""What the integration tests ask of Juju, through pytest-operator.

Most of it goes through the juju command. python-libjuju may not have the message of an action that
failed yet, waits forever for one that never ends
(https://github.com/juju/python-libjuju/issues/719), and fails at any error or at none.
Each command has a time limit, but for those by which pytest-operator makes, connects to and
destroys the model.
"""

import asyncio
import contextlib
import json
import pathlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import convergence
import pytest
<% if cookiecutter.substrate == "kubernetes" %>
import yaml
<% endif %>
from pytest_operator.plugin import OpsTest

# In seconds.
DEPLOY_TIMEOUT = 1200.0  # Machines or pods start, and images are pulled.
TIMEOUT = 300.0  # A leader that dies silently is replaced within 60.
ERROR_TIMEOUT = 120.0
COMMAND_TIMEOUT = 300.0  # A client may hang when its controller restarts.
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


class CommandError(Exception):
    """The juju command failed, or the command that it ran for the tests."""


class ActionFailedError(Exception):
    """A unit refused an action; the message is the unit's."""


class Deployment:
    """The application that the tests deploy.

    Args:
        ops_test: The model.
        name: The application's name.
    """

    def __init__(self, ops_test: OpsTest, name: str):
        self._ops_test = ops_test
        self.name = name
        self._errors = convergence.LastingErrors(ERROR_TIMEOUT)

    async def deploy(self, charm: pathlib.Path, *, units: int) -> None:
        """Deploy a charm and wait until every unit is active."""
        assert self._ops_test.model is not None
        deployment = self._ops_test.model.deploy(
<% if cookiecutter.substrate == "machine" %>
            charm, application_name=self.name, num_units=units
<% else %>
            charm, application_name=self.name, num_units=units, resources=RESOURCES
<% endif %>
        )
        await asyncio.wait_for(deployment, COMMAND_TIMEOUT)

        async def look() -> list[str]:
            found = await self.get_units()
            missing = units - len(found)
            return convergence.not_settled(found) + ["a unit is missing"] * missing

        await self._wait(look, DEPLOY_TIMEOUT)

    async def refresh(self, charm: pathlib.Path) -> None:
        """Move on to another revision of the charm and wait until every unit runs it.

        Only a unit itself says which charm it runs: its agent writes .juju-charm when it unpacks
        the charm, and from then on runs nothing but the new one. Until the refresh reaches a unit,
        the unit is active and idle as before. Juju 4 shows no upgrading-from; its charm-rev and
        show-unit name the new charm at once, and juju-status.since moves without any hook.
        """
        before = {}

        async def look_before() -> list[str]:
            nonlocal before
            before = await self._read_charm_urls()
            return [f"{unit} names no charm" for unit, url in before.items() if not url]

        await self._wait(look_before, TIMEOUT)
<% if cookiecutter.substrate == "machine" %>
        await self._juju("refresh", self.name, f"--path={charm}")
<% else %>
        images = [f"--resource={name}={image}" for name, image in RESOURCES.items()]
        await self._juju("refresh", self.name, f"--path={charm}", *images)
<% endif %>

        async def look() -> list[str]:
            now = await self._read_charm_urls()
            return [
                f"{unit} runs {now.get(unit) or 'nothing'}"
                for unit, url in before.items()
                if now.get(unit) in (None, "", url)
            ]

        await self._wait(look, DEPLOY_TIMEOUT)

    async def get_units(self) -> list[convergence.Unit]:
        """Return what juju status says of each unit; fail if one stays in error."""
        units = [
            convergence.Unit(
                name=name,
                leads=unit.get("leader", False),
                status=unit["workload-status"]["current"],
                message=unit["workload-status"].get("message", ""),
                agent=unit["juju-status"]["current"],
            )
            for name, unit in (await self._show_units()).items()
        ]
        if lasting := self._errors.find(units, time.monotonic()):
            pytest.fail("\n".join(lasting))
        return units

    async def get_leader_unit(self) -> str | None:
        """Return the unit that leads, or None while there is none or more than one."""
        return convergence.only_leader(await self.get_units())

    async def wait_for_leader(self, *, other_than: str | None = None) -> str:
        """Wait for exactly one leader, which "all units are active" doesn't tell.

        Args:
            other_than: The previous leader.

        Returns:
            The leader's name.
        """
        leader = None

        async def look() -> list[str]:
            nonlocal leader
            leader = await self.get_leader_unit()
            return [f"{leader} leads"] if leader in (None, other_than) else []

        await self._wait(look, TIMEOUT)
        assert leader is not None
        return leader

    async def wait_until_converged(
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

        async def look() -> list[str]:
            nonlocal views
            units = [unit for unit in await self.get_units() if unit.name != without]
            if problems := convergence.not_settled(units):
                return problems
            views = [
                convergence.View.parse(unit.name, await self._run(unit.name, "show-leadership"))
                for unit in units
            ]
            return convergence.not_converged(views, leader)

        await self._wait(look, TIMEOUT)
        return views

    async def rotate_credentials(self, unit: str) -> None:
        """Run rotate-credentials on a unit.

        Raises:
            ActionFailedError: if the unit refuses.
        """
        await self._run(unit, "rotate-credentials")

    async def get_secret(self) -> tuple[str, int]:
        """Return the identifier and the newest revision of the application's one secret."""
        listed = json.loads(await self._juju("secrets", "--format=json"))
        secrets = [item for item in listed.items() if self._owns(item[1]["owner"])]
        assert len(secrets) == 1, f"{self.name} has {len(secrets)} secrets"
        return secrets[0][0], secrets[0][1]["revision"]

    async def get_start_times(self) -> dict[str, str]:
        """Return when each unit's workload was started, as the service manager prints it."""
<% if cookiecutter.substrate == "machine" %>
        properties = "ExecMainStartTimestampMonotonic,MainPID"
        command = f"systemctl show {self.name}-workload --property={properties}"
        return {unit.name: await self._exec(unit.name, command) for unit in await self.get_units()}
<% else %>
        command = "/charm/bin/pebble services --abs-time"
        return {
            unit.name: await self._ssh(unit.name, command, container="workload")
            for unit in await self.get_units()
        }

    async def find_unresolved(self, *addresses: str) -> list[str]:
        """Name the units in whose workload's container not all of these addresses resolve."""
        unresolved = []
        command = f"getent hosts {' '.join(addresses)}"
        for unit in await self.get_units():
            try:
                await self._ssh(unit.name, command, container="workload")
            except CommandError:
                unresolved.append(unit.name)
        return unresolved
<% endif %>
<% if cookiecutter.substrate == "machine" %>

    async def remove_unit(self, unit: str) -> None:
        """Remove a unit and wait until it is gone."""
        await self._juju("remove-unit", "--no-prompt", unit)

        async def look() -> list[str]:
            return [f"{unit} is still there"] * (unit in await self._show_units())

        await self._wait(look, DEPLOY_TIMEOUT)
<% endif %>

    @contextlib.asynccontextmanager
    async def agent_stopped(self, unit: str) -> AsyncIterator[None]:
<% if cookiecutter.substrate == "machine" %>
        """Keep a unit's agent stopped, so that its lease runs out.

        The agent of the machine is the process that runs the unit's agent, too
        (internal/worker/deployer/nested.go in Juju 3.6 and 4).
        """
        machine = (await self._show_units())[unit]["machine"]
        service = f"jujud-machine-{machine.replace('/', '-')}"
        try:
            await self._ssh(unit, f"sudo systemctl stop {service}")
            yield
        finally:
            await self._ssh(unit, f"sudo systemctl start {service}")
<% else %>
        """Keep a unit's agent stopped, so that its lease runs out.

        A unit of a Kubernetes charm can't be removed by name, its pod comes back within the
        lease, and sidecar charms don't support juju_stop_unit
        (https://github.com/juju/juju/pull/13991). The liveness check must stop first: Kubernetes
        would restart the container before the lease ends.
        """
        pebble = "/charm/bin/pebble"
        try:
            await self._ssh(unit, f"{pebble} stop-checks liveness", container="charm")
            await self._ssh(unit, f"{pebble} stop container-agent", container="charm")
            yield
        finally:
            await self._ssh(unit, f"{pebble} start container-agent", container="charm")
            await self._ssh(unit, f"{pebble} start-checks liveness", container="charm")
<% endif %>

    async def _wait(self, look: Callable[[], Awaitable[list[str]]], timeout: float) -> None:
        """Wait until a look finds no problems, or fail with those that it finds."""
        deadline = time.monotonic() + timeout
        while problems := await look():
            if time.monotonic() > deadline:
                pytest.fail("\n".join([f"after {timeout:.0f} s:", *problems]))
            await asyncio.sleep(1)

    async def _run(self, unit: str, action: str) -> dict[str, str]:
        """Run an action on a unit and return its results.

        Raises:
            ActionFailedError: if the unit refuses.
            TimeoutError: if it takes too long. It may still run later, so that the tests must end.
        """
        return await self._task("run", unit, action)

    async def _exec(self, unit: str, command: str) -> str:
        """Run a command in a unit's charm folder, and return what it prints."""
        return (await self._task("exec", "--unit", unit, "--", command)).get("stdout", "")

<% if cookiecutter.substrate == "machine" %>
    async def _ssh(self, unit: str, command: str) -> str:
        """Run a command on a unit's machine, whether its agent runs or not."""
        return await self._juju("ssh", unit, command)
<% else %>
    async def _ssh(self, unit: str, command: str, *, container: str) -> str:
        """Run a command in a container of a unit, whether its agent runs or not."""
        return await self._juju("ssh", "--container", container, unit, command)
<% endif %>

    def _owns(self, owner: str) -> bool:
        """Whether a secret's owner is the application or one of its units."""
        return owner.split("/")[0] == self.name

    async def _read_charm_urls(self) -> dict[str, str]:
        """Ask each unit which charm it runs; one that is being replaced has no answer."""
        urls = {}
        for unit in await self.get_units():
            try:
                urls[unit.name] = await self._exec(unit.name, "cat .juju-charm")
            except (ActionFailedError, CommandError, TimeoutError, asyncio.TimeoutError):
                urls[unit.name] = ""
        return urls

    async def _show_units(self) -> dict[str, dict[str, Any]]:
        """Return what juju status says of each unit."""
        status = json.loads(await self._juju("status", "--format=json"))
        return status["applications"][self.name].get("units", {})

    async def _task(self, command: str, *args: str) -> dict[str, str]:
        """Let a unit run an action or a command, and return the results.

        The exit status isn't asked, as it is 0 for an action that failed.
        """
        wait = f"--wait={TASK_TIMEOUT:.0f}s"
        _, output, error = await self._call(command, "--format=json", wait, *args)
        if "timed out" in error:
            raise TimeoutError(f"{' '.join(args)}: {error}")
        if not output.strip():
            raise CommandError(f"{' '.join(args)}: {error}")
        (task,) = json.loads(output).values()
        if task["status"] != "completed" or task["results"].get("return-code"):
            raise ActionFailedError(task.get("message", task))
        return task["results"]

    async def _juju(self, *args: str) -> str:
        """Run the juju command and return what it prints."""
        status, output, error = await self._call(*args)
        if status != 0:
            raise CommandError(f"juju {' '.join(args)}: {error or output}")
        return output

    async def _call(self, *args: str) -> tuple[int | None, str, str]:
        """Run the juju command, with a time limit."""
        return await asyncio.wait_for(self._ops_test.juju(*args), COMMAND_TIMEOUT)

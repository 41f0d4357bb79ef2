# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

<% if cookiecutter.integration_tests == "jubilant" %>
"""What the integration tests ask of Juju, through jubilant."""
<% else %>
"""What the integration tests ask of Juju, through pytest-operator."""
<% endif %>

<% if cookiecutter.integration_tests == "pytest-operator" %>
import asyncio
<% endif %>
<% if cookiecutter.substrate == "kubernetes" %>
import contextlib
<% endif %>
<% if cookiecutter.integration_tests == "pytest-operator" %>
import json
<% endif %>
import pathlib
import time
<% if cookiecutter.substrate == "kubernetes" %>
from collections.abc import << "" if cookiecutter.integration_tests == "jubilant" else "Async" >>Iterator
<% endif %>
<% if cookiecutter.integration_tests == "pytest-operator" %>
from typing import Any
<% endif %>

import convergence
<% if cookiecutter.integration_tests == "jubilant" %>
import jubilant
<% else %>
import juju.model
<% endif %>
import pytest
<% if cookiecutter.substrate == "kubernetes" %>
import yaml
<% endif %>
<% if cookiecutter.integration_tests == "pytest-operator" %>
from pytest_operator.plugin import OpsTest
<% endif %>

TIMEOUT = 120.0  # Seconds; a leader that dies silently is replaced within 60.
<% if cookiecutter.substrate == "kubernetes" %>
ROOT = pathlib.Path(__file__).parents[2]
CHARMCRAFT = yaml.safe_load((ROOT / "charmcraft.yaml").read_text())
RESOURCES = {"workload-image": CHARMCRAFT["resources"]["workload-image"]["upstream-source"]}
<% endif %>
<% if cookiecutter.integration_tests == "jubilant" %>
ActionFailedError = jubilant.TaskError


class Application:
    """The application that the tests deploy.

    Args:
        juju: The model.
        name: The application's name.
    """

    def __init__(self, juju: jubilant.Juju, name: str):
        self._juju = juju
        self.name = name

    def deploy(self, charm: pathlib.Path, *, units: int) -> None:
        """Deploy a charm and wait until every unit is active."""
<% if cookiecutter.substrate == "machine" %>
        self._juju.deploy(charm, self.name, num_units=units)
<% else %>
        self._juju.deploy(charm, self.name, num_units=units, resources=RESOURCES)
<% endif %>
        # On Kubernetes, a unit is listed only when its pod has come up.
        self._juju.wait(
            lambda status: (
                len(status.apps[self.name].units) == units and jubilant.all_active(status)
            ),
            error=jubilant.any_error,
            timeout=1200,
        )

    def refresh(self, charm: pathlib.Path) -> None:
        """Move on to another revision of the charm and wait until every unit is active."""
<% if cookiecutter.substrate == "machine" %>
        self._juju.refresh(self.name, path=charm)
<% else %>
        self._juju.refresh(self.name, path=charm, resources=RESOURCES)
<% endif %>

        def refreshed(status: jubilant.Status) -> bool:
            # Until the refresh reaches a unit, the unit is idle and active as before.
            units = status.apps[self.name].units.values()
            return (
                not any(unit.upgrading_from for unit in units)
                and jubilant.all_agents_idle(status)
                and jubilant.all_active(status)
            )

        self._juju.wait(refreshed, error=jubilant.any_error, timeout=1200)

    def wait_for_leader(self, *, other_than: str | None = None) -> str:
        """Wait for exactly one leader, which "all units are active" doesn't tell.

        Args:
            other_than: The unit that led before, and shall no longer.

        Returns:
            The leader's name.

        Raises:
            TimeoutError: if there is no such leader in time.
        """
        leader = None

        def elected(status: jubilant.Status) -> bool:
            nonlocal leader
            leader = self._only_leader(status)
            return leader not in (None, other_than)

        self._juju.wait(elected, timeout=TIMEOUT)
        assert leader is not None
        return leader

    def show_leadership(self) -> list[convergence.View]:
        """Ask every unit what it knows of the leader and the credentials."""
        return [
            convergence.View.parse(unit, self._juju.run(unit, "show-leadership").results)
            for unit in self._juju.status().apps[self.name].units
        ]

    def wait_until_in_line(self, leader: str) -> list[convergence.View]:
        """Wait until every unit is in line with the leader; fail with what is wrong if not."""
        deadline = time.monotonic() + TIMEOUT
        while problems := convergence.problems(views := self.show_leadership(), leader):
            if time.monotonic() > deadline:
                pytest.fail("\n".join(problems))
            time.sleep(1)
        return views

    def rotate_credentials(self, unit: str) -> None:
        """Run rotate-credentials on a unit.

        Raises:
            ActionFailedError: if the unit refuses.
        """
        self._juju.run(unit, "rotate-credentials")

    def get_secret(self) -> tuple[str, int]:
        """Return the identifier and the newest revision of the application's one secret."""
        ((identifier, revision),) = [
            (secret.uri.unique_identifier, secret.revision)
            for secret in self._juju.secrets()
            if secret.owner == self.name and secret.label == "credentials"
        ]
        return identifier, revision
<% if cookiecutter.substrate == "machine" %>

    def remove_unit(self, unit: str) -> None:
        """Remove a unit and wait until it is gone."""
        self._juju.remove_unit(unit)
        self._juju.wait(
            lambda status: unit not in status.apps[self.name].units, timeout=5 * TIMEOUT
        )
<% else %>

    @contextlib.contextmanager
    def agent_stopped(self, unit: str) -> Iterator[None]:
        """Keep a unit's agent stopped, so that its lease runs out.

        A unit of a Kubernetes charm can't be removed by name, its pod comes back within the
        lease, and sidecar charms don't support juju_stop_unit
        (https://github.com/juju/juju/pull/13991). The liveness check must stop first: Kubernetes
        would restart the container before the lease ends.
        """

        def pebble(*args: str) -> None:
            self._juju.ssh(unit, "/charm/bin/pebble", *args, container="charm")

        try:
            pebble("stop-checks", "liveness")
            pebble("stop", "container-agent")
            yield
        finally:
            pebble("start", "container-agent")
            pebble("start-checks", "liveness")
<% endif %>

    def _only_leader(self, status: jubilant.Status) -> str | None:
        units = status.apps[self.name].units
        return convergence.only_leader({name: unit.leader for name, unit in units.items()})
<% else %>


class ActionFailedError(Exception):
    """A unit refused an action; the message is the unit's."""


class Application:
    """The application that the tests deploy.

    Args:
        ops_test: The model.
        name: The application's name.
    """

    def __init__(self, ops_test: OpsTest, name: str):
        self._ops_test = ops_test
        self.name = name

    async def deploy(self, charm: pathlib.Path, *, units: int) -> None:
        """Deploy a charm and wait until every unit is active."""
<% if cookiecutter.substrate == "machine" %>
        await self._model.deploy(charm, application_name=self.name, num_units=units)
<% else %>
        await self._model.deploy(
            charm, application_name=self.name, num_units=units, resources=RESOURCES
        )
<% endif %>
        await self._model.wait_for_idle(
            apps=[self.name], status="active", timeout=1200, wait_for_exact_units=units
        )

    async def refresh(self, charm: pathlib.Path) -> None:
        """Move on to another revision of the charm and wait until every unit is active."""
<% if cookiecutter.substrate == "machine" %>
        await self._juju("refresh", self.name, "--path", str(charm))
<% else %>
        images = [f"--resource={name}={image}" for name, image in RESOURCES.items()]
        await self._juju("refresh", self.name, "--path", str(charm), *images)
<% endif %>
        # Until the refresh reaches a unit, the unit is idle and active as before.
        deadline = time.monotonic() + 1200
        while any("upgrading-from" in unit for unit in (await self._show_units()).values()):
            if time.monotonic() > deadline:
                pytest.fail("the refresh hasn't reached every unit within 1200 s")
            await asyncio.sleep(1)
        await self._model.wait_for_idle(apps=[self.name], status="active", timeout=1200)

    async def wait_for_leader(self, *, other_than: str | None = None) -> str:
        """Wait for exactly one leader, which "all units are active" doesn't tell.

        Args:
            other_than: The unit that led before, and shall no longer.

        Returns:
            The leader's name.

        Raises:
            TimeoutError: if there is no such leader in time.
        """
        deadline = time.monotonic() + TIMEOUT
        while (leader := await self._only_leader()) in (None, other_than):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no leader other than {other_than} in time, but {leader}")
            await asyncio.sleep(1)
        assert leader is not None
        return leader

    async def show_leadership(self) -> list[convergence.View]:
        """Ask every unit what it knows of the leader and the credentials."""
        return [
            convergence.View.parse(unit, await self._run(unit, "show-leadership"))
            for unit in await self._show_units()
        ]

    async def wait_until_in_line(self, leader: str) -> list[convergence.View]:
        """Wait until every unit is in line with the leader; fail with what is wrong if not."""
        deadline = time.monotonic() + TIMEOUT
        while problems := convergence.problems(views := await self.show_leadership(), leader):
            if time.monotonic() > deadline:
                pytest.fail("\n".join(problems))
            await asyncio.sleep(1)
        return views

    async def rotate_credentials(self, unit: str) -> None:
        """Run rotate-credentials on a unit.

        Raises:
            ActionFailedError: if the unit refuses.
        """
        await self._run(unit, "rotate-credentials")

    async def get_secret(self) -> tuple[str, int]:
        """Return the identifier and the newest revision of the application's one secret."""
        secrets = json.loads(await self._juju("secrets", "--format", "json"))
        ((identifier, revision),) = [
            (identifier, secret["revision"])
            for identifier, secret in secrets.items()
            if secret["owner"] == self.name and secret.get("label") == "credentials"
        ]
        return identifier, revision
<% if cookiecutter.substrate == "machine" %>

    async def remove_unit(self, unit: str) -> None:
        """Remove a unit and wait until it is gone."""
        await self._model.applications[self.name].destroy_units(unit)
        await self._model.block_until(lambda: unit not in self._model.units, timeout=5 * TIMEOUT)
<% else %>

    @contextlib.asynccontextmanager
    async def agent_stopped(self, unit: str) -> AsyncIterator[None]:
        """Keep a unit's agent stopped, so that its lease runs out.

        A unit of a Kubernetes charm can't be removed by name, its pod comes back within the
        lease, and sidecar charms don't support juju_stop_unit
        (https://github.com/juju/juju/pull/13991). The liveness check must stop first: Kubernetes
        would restart the container before the lease ends.
        """

        async def pebble(*args: str) -> None:
            await self._juju("ssh", "--container", "charm", unit, "/charm/bin/pebble", *args)

        try:
            await pebble("stop-checks", "liveness")
            await pebble("stop", "container-agent")
            yield
        finally:
            await pebble("start", "container-agent")
            await pebble("start-checks", "liveness")
<% endif %>

    @property
    def _model(self) -> juju.model.Model:
        """The model that pytest-operator made for this module."""
        assert self._ops_test.model is not None
        return self._ops_test.model

    async def _juju(self, *args: str) -> str:
        """Run the juju command and return what it prints."""
        _, output, _ = await self._ops_test.juju(*args, check=True)
        return output

    async def _only_leader(self) -> str | None:
        units = await self._show_units()
        return convergence.only_leader(
            {name: unit.get("leader", False) for name, unit in units.items()}
        )

    async def _show_units(self) -> dict[str, dict[str, Any]]:
        """Return what juju status says of each unit."""
        status = json.loads(await self._juju("status", "--format", "json"))
        return status["applications"][self.name]["units"]

    async def _run(self, unit: str, action: str) -> dict[str, str]:
        """Run an action on a unit and return its results.

        It runs the juju command because python-libjuju may not have the message of an action that
        failed yet, and waits for ever for one that never ends
        (https://github.com/juju/python-libjuju/issues/719).

        Raises:
            ActionFailedError: if the unit refuses.
        """
        _, output, error = await self._ops_test.juju("run", "--format", "json", unit, action)
        task: dict[str, Any] = json.loads(output)[unit] if output else {}
        status = task.get("status", error)
        if status == "failed":
            raise ActionFailedError(task.get("message", ""))
        if status != "completed":
            pytest.fail(f"{action} on {unit}: {status}")
        return task["results"]
<% endif %>

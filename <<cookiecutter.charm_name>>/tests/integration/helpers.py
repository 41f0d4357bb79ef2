# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

<% if cookiecutter.integration_tests == "jubilant" %>
"""What the integration tests ask of Juju, through jubilant."""

<% if cookiecutter.substrate == "kubernetes" %>
import contextlib
<% endif %>
import time
<% if cookiecutter.substrate == "kubernetes" %>
from collections.abc import Iterator
<% endif %>

import convergence
import jubilant
import pytest

TIMEOUT = 120.0  # Seconds; a leader that dies silently is replaced within 60.
ActionFailedError = jubilant.TaskError


def get_leader_unit(juju: jubilant.Juju, app: str) -> str | None:
    """Return the name of the one unit that leads, or None while there is no such unit."""
    units = juju.status().apps[app].units
    return convergence.only_leader({name: unit.leader for name, unit in units.items()})


def wait_for_leader(juju: jubilant.Juju, app: str, *, other_than: str | None = None) -> str:
    """Wait for exactly one leader, which "all units are active" doesn't tell.

    Args:
        juju: The model.
        app: The application.
        other_than: The unit that led before, and shall no longer.

    Returns:
        The leader's name.

    Raises:
        TimeoutError: if there is no such leader in time.
    """
    leader = None

    def elected(status: jubilant.Status) -> bool:
        nonlocal leader
        units = status.apps[app].units
        leader = convergence.only_leader({name: unit.leader for name, unit in units.items()})
        return leader not in (None, other_than)

    juju.wait(elected, timeout=TIMEOUT)
    assert leader is not None
    return leader


def show_leadership(juju: jubilant.Juju, app: str) -> list[convergence.View]:
    """Ask every unit what it knows of the leader and the credentials."""
    units = juju.status().apps[app].units
    return [
        convergence.View.parse(unit, juju.run(unit, "show-leadership").results) for unit in units
    ]


def wait_until_in_line(juju: jubilant.Juju, app: str, leader: str) -> list[convergence.View]:
    """Wait until every unit is in line with the leader; fail with what is wrong if not in time."""
    deadline = time.monotonic() + TIMEOUT
    while problems := convergence.problems(views := show_leadership(juju, app), leader):
        if time.monotonic() > deadline:
            pytest.fail("\n".join(problems))
        time.sleep(1)
    return views


def rotate_credentials(juju: jubilant.Juju, unit: str) -> None:
    """Run rotate-credentials on a unit.

    Raises:
        ActionFailedError: if the unit refuses.
    """
    juju.run(unit, "rotate-credentials")


def get_secret(juju: jubilant.Juju, app: str) -> tuple[str, int]:
    """Return the identifier and the newest revision of the application's one secret."""
    ((uri, revision),) = [
        (secret.uri.unique_identifier, secret.revision)
        for secret in juju.secrets()
        if secret.owner == app and secret.label == "credentials"
    ]
    return uri, revision
<% if cookiecutter.substrate == "machine" %>


def remove_unit(juju: jubilant.Juju, app: str, unit: str) -> None:
    """Remove a unit and wait until it is gone."""
    juju.remove_unit(unit)
    juju.wait(lambda status: unit not in status.apps[app].units, timeout=5 * TIMEOUT)
<% else %>


@contextlib.contextmanager
def agent_stopped(juju: jubilant.Juju, unit: str) -> Iterator[None]:
    """Keep a unit's agent stopped, so that its lease runs out.

    A unit of a Kubernetes charm can't be removed by name, its pod comes back within the lease, and
    juju_stop_unit does nothing in sidecar charms (https://github.com/juju/juju/pull/13991). The
    liveness check must stop first: Kubernetes would restart the container before the lease ends.
    """

    def pebble(*args: str) -> None:
        juju.ssh(unit, "/charm/bin/pebble", *args, container="charm")

    try:
        pebble("stop-checks", "liveness")
        pebble("stop", "container-agent")
        yield
    finally:
        pebble("start", "container-agent")
        pebble("start-checks", "liveness")
<% endif %>
<% else %>
"""What the integration tests ask of Juju, through pytest-operator."""

import asyncio
<% if cookiecutter.substrate == "kubernetes" %>
import contextlib
<% endif %>
import json
import time
<% if cookiecutter.substrate == "kubernetes" %>
from collections.abc import AsyncIterator
<% endif %>

import convergence
import juju.model
import pytest
from pytest_operator.plugin import OpsTest

TIMEOUT = 120.0  # Seconds; a leader that dies silently is replaced within 60.


class ActionFailedError(Exception):
    """A unit refused an action; the message is the unit's."""


async def get_leader_unit(
    ops_test: OpsTest, app: str, model: juju.model.Model | None = None
) -> str | None:
    """Return the name of the one unit that leads, or None while there is no such unit."""
    units = (model or get_model(ops_test)).applications[app].units
    return convergence.only_leader(
        {unit.name: await unit.is_leader_from_status() for unit in units}
    )


async def wait_for_leader(ops_test: OpsTest, app: str, *, other_than: str | None = None) -> str:
    """Wait for exactly one leader, which "all units are active" doesn't tell.

    Args:
        ops_test: The model.
        app: The application.
        other_than: The unit that led before, and shall no longer.

    Returns:
        The leader's name.
    """
    deadline = time.monotonic() + TIMEOUT
    while (leader := await get_leader_unit(ops_test, app)) in (None, other_than):
        if time.monotonic() > deadline:
            pytest.fail(f"no leader other than {other_than} within {TIMEOUT} s, but {leader}")
        await asyncio.sleep(1)
    assert leader is not None
    return leader


async def show_leadership(ops_test: OpsTest, app: str) -> list[convergence.View]:
    """Ask every unit what it knows of the leader and the credentials."""
    return [
        convergence.View.parse(unit.name, await run_action(ops_test, unit.name, "show-leadership"))
        for unit in get_model(ops_test).applications[app].units
    ]


async def wait_until_in_line(ops_test: OpsTest, app: str, leader: str) -> list[convergence.View]:
    """Wait until every unit is in line with the leader; fail with what is wrong if not in time."""
    deadline = time.monotonic() + TIMEOUT
    while problems := convergence.problems(views := await show_leadership(ops_test, app), leader):
        if time.monotonic() > deadline:
            pytest.fail("\n".join(problems))
        await asyncio.sleep(1)
    return views


async def rotate_credentials(ops_test: OpsTest, unit: str) -> None:
    """Run rotate-credentials on a unit.

    Raises:
        ActionFailedError: if the unit refuses.
    """
    await run_action(ops_test, unit, "rotate-credentials")


async def get_secret(ops_test: OpsTest, app: str) -> tuple[str, int]:
    """Return the identifier and the newest revision of the application's one secret."""
    _, output, _ = await ops_test.juju("secrets", "--format", "json", check=True)
    ((identifier, revision),) = [
        (identifier, secret["revision"])
        for identifier, secret in json.loads(output).items()
        if secret["owner"] == app and secret.get("label") == "credentials"
    ]
    return identifier, revision


async def run_action(ops_test: OpsTest, unit: str, name: str) -> dict[str, str]:
    """Run an action on a unit and return its results.

    Raises:
        ActionFailedError: if the unit refuses.
    """
    action = await get_model(ops_test).units[unit].run_action(name)
    action = await action.wait()
    if action.status != "completed":
        raise ActionFailedError(action.safe_data["message"])
    return action.results


def get_model(ops_test: OpsTest) -> juju.model.Model:
    """Return the model that pytest-operator made for this module."""
    assert ops_test.model is not None
    return ops_test.model
<% if cookiecutter.substrate == "machine" %>


async def remove_unit(ops_test: OpsTest, app: str, unit: str) -> None:
    """Remove a unit and wait until it is gone."""
    model = get_model(ops_test)
    await model.applications[app].destroy_units(unit)
    await model.block_until(lambda: unit not in model.units, timeout=5 * TIMEOUT)
<% else %>


@contextlib.asynccontextmanager
async def agent_stopped(ops_test: OpsTest, unit: str) -> AsyncIterator[None]:
    """Keep a unit's agent stopped, so that its lease runs out.

    A unit of a Kubernetes charm can't be removed by name, its pod comes back within the lease, and
    juju_stop_unit does nothing in sidecar charms (https://github.com/juju/juju/pull/13991). The
    liveness check must stop first: Kubernetes would restart the container before the lease ends.
    """

    async def pebble(*args: str) -> None:
        await ops_test.juju(
            "ssh", "--container", "charm", unit, "/charm/bin/pebble", *args, check=True
        )

    try:
        await pebble("stop-checks", "liveness")
        await pebble("stop", "container-agent")
        yield
    finally:
        await pebble("start", "container-agent")
        await pebble("start-checks", "liveness")
<% endif %>
<% endif %>

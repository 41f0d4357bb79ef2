# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The statuses: what a unit and the application wait for."""

import dataclasses

import pytest
import states
from ops import testing
<% if cookiecutter.substrate == "kubernetes" %>

from workload import CONTAINER
<% endif %>


@pytest.mark.parametrize("leader", [True, False])
def test_active(ctx: testing.Context, deployed: testing.State, leader: bool):
    """Only the leader sets the application's status."""
    state = ctx.run(ctx.on.start(), dataclasses.replace(deployed, leader=leader))

    assert state.unit_status == testing.ActiveStatus()
    assert state.app_status == (testing.ActiveStatus() if leader else testing.UnknownStatus())


def test_a_follower_waits_for_the_leader(ctx: testing.Context, fresh: testing.State):
    state = ctx.run(ctx.on.start(), fresh)

    message = "waiting for the leader to publish credentials"
    assert state.unit_status == testing.WaitingStatus(message)


def test_a_missing_relation_comes_after_a_bad_option(ctx: testing.Context, fresh: testing.State):
    """Juju shows what the operator can correct."""
    relations = fresh.relations - {states.peers(fresh)}
    state = dataclasses.replace(fresh, relations=relations, config={states.OPTION: states.INVALID})

    assert isinstance(ctx.run(ctx.on.start(), state).unit_status, testing.BlockedStatus)
<% if cookiecutter.substrate == "kubernetes" %>


def test_a_unit_waits_for_pebble(ctx: testing.Context, deployed: testing.State):
    """What the leader publishes doesn't wait for it."""
    container = dataclasses.replace(deployed.get_container(CONTAINER), can_connect=False)
    state = states.with_container(dataclasses.replace(deployed, leader=True), container)

    state = ctx.run(ctx.on.start(), state)

    assert state.unit_status == testing.WaitingStatus("waiting for Pebble")
    assert state.app_status == testing.ActiveStatus()
    assert states.peers(state).local_app_data["leader"] == f"{states.APP}/0"
<% endif %>

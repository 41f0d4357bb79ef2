# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Who leads and where: what the leader publishes, and what every unit makes of it."""

import dataclasses

import fakes
<% if cookiecutter.substrate == "machine" %>
import ops
<% endif %>
import pytest
import states
from ops import testing

import leadership

ME, OTHER = f"{states.APP}/0", f"{states.APP}/1"
<% if cookiecutter.substrate == "machine" %>
MY_ADDRESS, OTHER_ADDRESS = "10.0.0.1", "10.0.0.2"
<% else %>
MY_ADDRESS = f"{states.APP}-0.{states.APP}-endpoints"
OTHER_ADDRESS = f"{states.APP}-1.{states.APP}-endpoints"
<% endif %>


def test_the_first_leader_publishes_itself_and_a_secret(
    ctx: testing.Context, system: fakes.System, fresh: testing.State
):
    state = ctx.run(ctx.on.leader_elected(), dataclasses.replace(fresh, leader=True))

    secret = states.secret(state)
    assert (secret.owner, secret.label) == ("app", "credentials")
    assert secret.rotate == leadership.SECRET_ROTATION
    bare_id = secret.id.removeprefix("secret:")
    published = states.peers(state).local_app_data
    assert published == {**published, "leader": ME, "credentials-id": bare_id}
    assert system.settings is not None
    assert system.settings["leader"] == ME
    assert system.settings["leader_address"] == MY_ADDRESS


@pytest.mark.parametrize("leader", [True, False])
def test_the_workload_follows_the_leader(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, leader: bool
):
    """A new leader publishes itself; a follower goes by what is published."""
    ctx.run(ctx.on.config_changed(), dataclasses.replace(deployed, leader=leader))

    expected = (ME, MY_ADDRESS) if leader else (OTHER, OTHER_ADDRESS)
    assert system.settings is not None
    assert (system.settings["leader"], system.settings["leader_address"]) == expected
    assert system.settings.get("leads", leader) is leader  # If its file says so.
    assert system.settings["unit"] == ME
    assert system.settings["planned_units"] == 3


def test_the_application_may_have_another_name_than_the_charm(
    system: fakes.System, deployed: testing.State
):
    ctx = states.context(0, "other")
    published = {**states.peers(deployed).local_app_data, "leader": "other/1"}

    ctx.run(ctx.on.start(), states.with_peers(deployed, local_app_data=published))

    assert system.settings is not None
    assert system.settings["leader_address"] == OTHER_ADDRESS.replace(states.APP, "other")


def test_a_follower_that_has_the_published_name_waits(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    """Kubernetes uses names again, and a deposed leader reads its own for a while."""
    published = {**states.peers(deployed).local_app_data, "leader": ME}
    state = ctx.run(ctx.on.start(), states.with_peers(deployed, local_app_data=published))

    message = "waiting for the new leader to publish itself"
    assert state.unit_status == testing.WaitingStatus(message)
    assert system.settings is None
    ctx.run(ctx.on.action("show-leadership"), state)
    shown = ctx.action_results or {}
    assert (shown["leader"], shown["is-leader"]) == ("", "false")
<% if cookiecutter.substrate == "machine" %>


def test_a_changed_address_of_the_leader_reaches_the_workload(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    state = ctx.run(ctx.on.start(), deployed)
    peers_data = {1: {"ingress-address": "10.0.0.9"}, 2: states.address(2)}
    state = states.with_peers(state, peers_data=peers_data)

    ctx.run(ctx.on.relation_changed(states.peers(state), remote_unit=1), state)

    assert system.settings is not None
    assert system.settings["leader_address"] == "10.0.0.9"
    assert system.interruptions == 0


@pytest.mark.parametrize("peers_data", [{2: states.address(2)}, {1: {}, 2: states.address(2)}])
def test_a_leader_without_an_address_is_waited_for(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, peers_data: dict
):
    """The databag can name a leader that has gone, or that this unit hasn't met yet."""
    state = ctx.run(ctx.on.start(), states.with_peers(deployed, peers_data=peers_data))

    assert state.unit_status == testing.WaitingStatus("waiting for the leader's address")
    assert system.settings is None
<% endif %>


def test_of_two_peer_relations_the_newer_counts(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    """See https://github.com/juju/juju/issues/19631"""
    old = dataclasses.replace(
        states.peers(deployed), id=0, local_app_data={"leader": f"{states.APP}/2"}
    )
    both = dataclasses.replace(deployed, relations={*deployed.relations, old})

    state = ctx.run(ctx.on.update_status(), both)

    assert state.unit_status == testing.ActiveStatus()
    assert system.settings is not None
    assert system.settings["leader"] == OTHER


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize("event", ["install", "start", "upgrade_charm"])
def test_a_relation_that_juju_refuses_is_left_alone(
    ctx: testing.Context, deployed: testing.State, event: str, leader: bool
):
    """ops shows no data then: https://github.com/canonical/operator/issues/1452 and 2709"""
    relations = {
        dataclasses.replace(relation, local_unit_data={}, local_app_data={})
        for relation in deployed.relations
    }
    state = dataclasses.replace(deployed, relations=relations, leader=leader)

    after = ctx.run(getattr(ctx.on, event)(), state)

    for relation in after.relations:
        hint = f"Juju may refuse {relation.endpoint}: look whether it has data[self.unit] first"
        hint += "; if a library in lib/ writes, replace the library in tests/unit/conftest.py"
        assert (relation.local_app_data, relation.local_unit_data) == ({}, {}), hint
    assert after.app_status == testing.UnknownStatus()
    assert after.secrets == state.secrets
<% if cookiecutter.substrate == "machine" %>


@pytest.mark.parametrize("error", ["relation unit not found", "connection is shut down"])
def test_a_leader_that_is_listed_and_gone_is_waited_for(
    ctx: testing.Context, deployed: testing.State, monkeypatch: pytest.MonkeyPatch, error: str
):
    """See https://github.com/juju/juju/issues/23326; another error fails the hook."""
    get = ops.RelationDataContent.__getitem__

    def fail(databag: ops.RelationDataContent, key: str) -> str:
        if key == "ingress-address":
            raise ops.ModelError(f"ERROR {error}")
        return get(databag, key)

    monkeypatch.setattr(ops.RelationDataContent, "__getitem__", fail)

    if "not found" not in error:
        with pytest.raises(testing.errors.UncaughtCharmError):
            ctx.run(ctx.on.update_status(), deployed)
        return
    state = ctx.run(ctx.on.update_status(), deployed)

    assert state.unit_status == testing.WaitingStatus("waiting for the leader's address")
<% endif %>


def leaving(ctx: testing.Context, state: testing.State) -> dict[str, object]:
    """Return what Juju sends to a unit that it takes away, in order."""
    peers = states.peers(state)
    return {
        "departed": ctx.on.relation_departed(peers, remote_unit=1, departing_unit=7),
        "broken": ctx.on.relation_broken(peers),
        "stop": ctx.on.stop(),
        "remove": ctx.on.remove(),
    }


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize("event", ["departed", "broken", "stop", "remove"])
def test_a_unit_that_leaves_changes_nothing_and_says_so(
    system: fakes.System, deployed: testing.State, event: str, leader: bool
):
    """It may lead to the end, and whatever it published for the application would stay."""
    ctx = states.context(7)
    relations = deployed.relations
    if event in ("broken", "remove"):
        relations = relations - {states.peers(deployed)} if event == "remove" else relations
    state = dataclasses.replace(
        deployed, leader=leader, relations=relations, config={states.OPTION: states.INVALID}
    )

    after = ctx.run(leaving(ctx, deployed)[event], state)  # type: ignore[arg-type]

    assert after.unit_status == testing.MaintenanceStatus("stopping")
    assert after.app_status == testing.UnknownStatus()
    assert {r.id: r.local_app_data for r in after.relations} == {
        r.id: r.local_app_data for r in state.relations
    }
    assert after.secrets == state.secrets
    assert system.files == {}


def test_a_unit_stays_when_one_leaves_whose_name_begins_alike(system: fakes.System):
    ctx = states.context(1)
    state = dataclasses.replace(states.fresh(1, system), leader=True)
    state = states.with_peers(state, peers_data={10: states.address(10)})
    leaves = ctx.on.relation_departed(states.peers(state), remote_unit=10, departing_unit=10)

    after = ctx.run(leaves, state)

    assert after.unit_status == testing.ActiveStatus()


def test_without_the_peer_relation_nothing_is_written(
    ctx: testing.Context, system: fakes.System, fresh: testing.State
):
    """An upgrade that adds the endpoint runs before Juju makes the relation."""
    relations = fresh.relations - {states.peers(fresh)}
    state = dataclasses.replace(fresh, leader=True, relations=relations)

    after = ctx.run(ctx.on.upgrade_charm(), state)

    assert after.unit_status == testing.WaitingStatus("waiting for the peer relation")
    assert after.app_status == testing.UnknownStatus()
    assert states.credentials(after) == {}
    assert system.settings is None

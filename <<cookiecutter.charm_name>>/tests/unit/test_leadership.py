# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Who leads and where: what the leader publishes, and what every unit makes of it."""

import dataclasses

import fakes
import ops
import pytest
import states
from ops import testing

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
    assert secret.rotate == ops.SecretRotate.MONTHLY
    bare_id = secret.id.removeprefix("secret:")
    assert states.peers(state).local_app_data == {"leader": ME, "credentials-id": bare_id}
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
    assert system.settings["unit"] == ME
    assert system.settings["planned_units"] == 3


def test_a_follower_writes_nothing_to_its_own_databag(
    ctx: testing.Context, deployed: testing.State
):
    """If each unit answered, one failover would cost N squared events."""
    state = ctx.run(ctx.on.leader_elected(), deployed)

    before = states.peers(deployed)
    assert states.peers(state).local_unit_data == before.local_unit_data


def test_a_follower_that_has_the_published_name_waits(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    """Kubernetes uses names again, and a deposed leader reads its own for a while."""
    published = {**states.peers(deployed).local_app_data, "leader": ME}
    state = ctx.run(ctx.on.start(), states.with_peers(deployed, local_app_data=published))

    message = "waiting for the new leader to publish itself"
    assert state.unit_status == testing.WaitingStatus(message)
    assert system.settings is None
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


def test_leadership_may_be_lost_while_the_address_is_looked_up(
    ctx: testing.Context, deployed: testing.State, monkeypatch: pytest.MonkeyPatch
):
    published = {**states.peers(deployed).local_app_data, "leader": ME}
    state = states.with_peers(deployed, local_app_data=published)
    for answers in ([], [True], [True, True]):
        with ctx(ctx.on.update_status(), state) as manager, monkeypatch.context() as patch:
            patch.setattr(ops.Unit, "is_leader", lambda _, left=answers: bool(left and left.pop()))
            expected = MY_ADDRESS if answers else None

            assert manager.charm.leadership.leader_address == expected
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
@pytest.mark.parametrize("event", ["install", "start", "stop", "upgrade_charm"])
def test_a_databag_that_juju_refuses_is_no_error(
    ctx: testing.Context,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
    event: str,
    leader: bool,
):
    """See https://github.com/canonical/operator/issues/1452 and 2709"""

    def refuse(*args: object, **kwargs: object):
        raise ops.ModelError("ERROR permission denied")

    state = dataclasses.replace(deployed, leader=leader)
    monkeypatch.setattr(ops.RelationDataContent, "__iter__", refuse)

    after = ctx.run(getattr(ctx.on, event)(), state)

    assert after.app_status == testing.UnknownStatus()
    assert after.secrets == state.secrets


def test_another_error_of_juju_fails_the_hook(
    ctx: testing.Context, deployed: testing.State, monkeypatch: pytest.MonkeyPatch
):
    """Juju retries the hook; a status would only hide the error."""

    def fail(*args: object, **kwargs: object):
        raise ops.ModelError("ERROR connection is shut down")

    monkeypatch.setattr(ops.RelationDataContent, "__iter__", fail)

    with pytest.raises(testing.errors.UncaughtCharmError):
        ctx.run(ctx.on.update_status(), deployed)


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
    state = dataclasses.replace(deployed, leader=leader, relations=relations)

    after = ctx.run(leaving(ctx, deployed)[event], state)  # type: ignore[arg-type]

    assert after.unit_status == testing.MaintenanceStatus("stopping")
    assert after.app_status == testing.UnknownStatus()
    assert {r.id: r.local_app_data for r in after.relations} == {
        r.id: r.local_app_data for r in state.relations
    }
    assert after.secrets == state.secrets
    assert system.settings is None


def test_without_the_peer_relation_nothing_is_written(
    ctx: testing.Context, system: fakes.System, fresh: testing.State
):
    """An upgrade that adds the endpoint runs before Juju makes the relation."""
    relations = fresh.relations - {states.peers(fresh)}
    state = dataclasses.replace(fresh, leader=True, relations=relations)

    after = ctx.run(ctx.on.upgrade_charm(), state)

    assert after.unit_status == testing.WaitingStatus("waiting for the peer relation")
    assert after.app_status == testing.UnknownStatus()
    assert after.secrets == frozenset()
    assert system.settings is None

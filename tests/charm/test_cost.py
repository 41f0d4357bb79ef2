"""What does leadership cost: events for a failover, hook commands and restarts for an event?"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import pathlib

import pytest
from ops import testing

from tests.support import baking, loading, parameters, scenario_commands

PEERS = {"relation-ids": 1, "relation-list": 1}
# In install the charm sees no peer relation; one that leaves looks at nothing.
INSTALL = {"is-leader": 1, "status-set": 1, "relation-ids": 1, "config-get": 1}
LEAVING = {"is-leader": 1, "status-set": 1}
ACTION = {"action-get": 2, "action-set": 1}


def costs(substrate: str, leader: bool) -> dict[str, dict[str, int]]:
    """Return the hook commands of each event that costs something else than most of them.

    A unit reads its own databag and the application's, and a follower on a machine the leader's
    for its address. ops fetches a secret before it can refresh it.
    """
    usual = {
        **{"is-leader": 1, "status-set": 2 if leader else 1, "config-get": 1, "goal-state": 1},
        **PEERS,
        "relation-get": 3 if substrate == "machine" and not leader else 2,
        "secret-get": 2,
        **({"secret-info-get": 1} if leader else {}),
    }
    # An action that changes nothing leaves the unit's status alone.
    looking = {**usual, "secret-get": 1, "secret-info-get": 0, **ACTION}
    looking["status-set"] -= 1
    refused = {"is-leader": 1, "config-get": 1, "action-get": 2, "action-fail": 1}
    different = {"install": INSTALL, "stop": LEAVING, "remove": LEAVING}
    different["update_status"] = {**usual, "app-version-set": 1}
    if leader:
        # It peeks, asks for the ID to set, sets, and fetches what it has set; the workload starts.
        rotating = {**usual, "secret-get": 5, "secret-info-get": 2, "secret-set": 1}
        rotating |= {"app-version-set": 1}
        different |= {
            "secret_rotate": {**rotating, "secret-get": 6, "secret-info-get": 3},
            "secret_remove": {**usual, "secret-info-get": 3, "secret-remove": 1},
            "rotate_credentials_action": {**rotating, **ACTION, "goal-state": 2},
        }
    else:
        different |= {"rotate_credentials_action": refused}
    return {"usual": usual, "show_leadership_action": looking, **different}


@pytest.mark.parametrize("count", [3, 10, 30])
@parameters.SUBSTRATES
def test_one_failover_causes_an_event_on_each_unit_and_interrupts_none(
    baker: baking.Baker, tmp_path: pathlib.Path, substrate: str, count: int
):
    """Juju sends peers-relation-changed to the unit that wrote as well."""
    with loading.loaded(baker.bake({"substrate": substrate})) as charm:
        app = charm.application.Application(tmp_path, count)
        app.elect(0)
        app.deliver()

        app.elect(1)
        events = app.deliver()

        kinds = collections.Counter(event for _, event in events)
        assert kinds == {"leader_elected": 1, "peers_relation_changed": count}
        assert [unit.system.interruptions for unit in app.units.values()] == [0] * count

        app.remove(1)
        kinds = collections.Counter(event for _, event in app.deliver())
        assert kinds == {"peers_relation_departed": count - 1}
        assert [unit.system.interruptions for unit in app.units.values()] == [0] * (count - 1)


@parameters.SUBSTRATES
def test_a_rotation_interrupts_each_workload_once(
    baker: baking.Baker, tmp_path: pathlib.Path, substrate: str
):
    with loading.loaded(baker.bake({"substrate": substrate})) as charm:
        app = charm.application.Application(tmp_path, 10)
        app.elect(0)
        app.deliver()

        app.run(0, "secret_rotate")
        events = app.deliver()

        kinds = collections.Counter(event for _, event in events)
        assert kinds == {"secret_changed": 9}
        assert [unit.system.interruptions for unit in app.units.values()] == [1] * 10


@pytest.mark.parametrize("count", [3, 300])
@pytest.mark.parametrize("leader", [True, False], ids=["leader", "follower"])
@parameters.SUBSTRATES
def test_the_hook_commands_of_each_event_are_these_however_many_units(
    baker: baking.Baker, tmp_path: pathlib.Path, substrate: str, leader: bool, count: int
):
    """The leader has published itself, and the workload runs with it."""
    expected = costs(substrate, leader)
    with loading.loaded(baker.bake({"substrate": substrate})) as charm:
        for kind in charm.events.OBSERVED:
            commands = count_commands(charm, tmp_path / kind, kind, leader, count)
            assert commands == collections.Counter(expected.get(kind, expected["usual"])), kind


def count_commands(
    charm: loading.Charm, root: pathlib.Path, kind: str, leader: bool, units: int
) -> collections.Counter[str]:
    """Count the hook commands of an event, but for juju-log, of which ops itself runs most."""
    app = charm.states.APP
    ctx, system = charm.states.context(1), charm.fakes.System(root)
    secret = testing.Secret(
        {"username": "admin", "password": "first-password"},
        id="secret:9m4e2mr0ui3e8a215n4g",
        owner="app",
        label="credentials",
        rotate=charm.leadership.SECRET_ROTATION,
    )
    state = charm.states.with_peers(
        charm.states.fresh(1, system, units=units),
        local_app_data={
            "leader": f"{app}/{1 if leader else 0}",
            "credentials-id": "9m4e2mr0ui3e8a215n4g",
        },
    )
    state = dataclasses.replace(state, leader=leader, secrets={secret})
    commands: collections.Counter[str] = collections.Counter()

    def count(backend: scenario_commands.Backend, command: str) -> None:
        commands[command] += 1

    with system.patched():
        state = charm.events.seen_by(kind, ctx.run(ctx.on.start(), state))
        executed = len(system.commands)
        if kind == "secret_remove":
            event = ctx.on.secret_remove(next(iter(state.secrets)), revision=0)
        else:
            event = charm.events.variants(ctx, kind, state)[0]
        with scenario_commands.watched(count), contextlib.suppress(testing.ActionFailed):
            ctx.run(event, state)
    # The only command to the workload asks for its version.
    assert len(system.commands) - executed == commands["app-version-set"], kind
    # ops asks Juju once in 30 seconds, Scenario each time.
    commands["is-leader"] = min(commands["is-leader"], 1)
    del commands["juju-log"]
    return commands

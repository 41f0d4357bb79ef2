"""What does leadership cost: events for each failover, hook commands for each event?"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import pathlib

import pytest
from ops import testing

from tests.support import baking, hook_commands, loading, matrix

SUBSTRATES = pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])

# What ops runs for any event: it collects the statuses, of which the leader sets one more.
STATUSES = {"is-leader": 1, "config-get": 1, "status-set": 1}
PEERS = {"relation-ids": 1, "relation-list": 1, "relation-get": 1}
# ops fetches a secret before it can refresh it.
FOLLOWER = {**STATUSES, **PEERS, "secret-get": 2}
LEADER = {**FOLLOWER, "status-set": 2}
ACTION = {"action-get": 2}
# Every other event costs what FOLLOWER and LEADER say.
FOLLOWERS = {
    "secret_rotate": {**FOLLOWER, "secret-get": 3},
    "secret_expired": {**FOLLOWER, "secret-get": 3},
    "secret_remove": {**STATUSES, **PEERS},
    "rotate-credentials": {**STATUSES, **PEERS, **ACTION, "secret-get": 2, "action-fail": 1},
    "show-leadership": {**STATUSES, **PEERS, **ACTION, "secret-get": 1, "action-set": 1},
    "install": STATUSES,
    "stop": {**STATUSES, **PEERS},
    "remove": {**STATUSES, **PEERS},
}
LEADERS = {
    # It peeks, asks for the id to set, sets, and fetches what it has set.
    "secret_rotate": {**LEADER, "secret-get": 4, "secret-info-get": 1, "secret-set": 1},
    # Here the secret has a newer revision than the expired one, so there is nothing to set.
    "secret_expired": {**LEADER, "secret-get": 3, "secret-info-get": 1},
    "secret_remove": {**FOLLOWERS["secret_remove"], "status-set": 2, "secret-remove": 1},
    "rotate-credentials": {
        **LEADER,
        **ACTION,
        "secret-get": 4,
        "secret-info-get": 1,
        "secret-set": 1,
        "action-set": 1,
    },
    "show-leadership": {**FOLLOWERS["show-leadership"], "status-set": 2},
    "install": {**FOLLOWERS["install"], "status-set": 2},
    "stop": {**FOLLOWERS["stop"], "status-set": 2},
    "remove": {**FOLLOWERS["remove"], "status-set": 2},
}


@pytest.mark.parametrize("count", [3, 10, 30])
@SUBSTRATES
def test_one_failover_causes_one_event_a_unit(
    baker: baking.Baker, tmp_path: pathlib.Path, substrate: str, count: int
):
    with loading.loaded(baker.bake({"substrate": substrate})) as charm:
        app = charm.application.Application(tmp_path, count)
        app.elect(0)
        app.deliver()

        app.elect(1)
        events = app.deliver()

    assert len(events) == count
    assert collections.Counter(event for _, event in events) == {
        "leader_elected": 1,
        "peers_changed": count - 1,
    }


@pytest.mark.parametrize("count", [3, 30])
@pytest.mark.parametrize("leader", [True, False])
@SUBSTRATES
def test_the_hook_commands_of_each_event_are_these_however_many_units(
    baker: baking.Baker, tmp_path: pathlib.Path, substrate: str, leader: bool, count: int
):
    """The leader has published itself, and there is a revision to move on to."""
    special, usual = (LEADERS, LEADER) if leader else (FOLLOWERS, FOLLOWER)
    with loading.loaded(baker.bake({"substrate": substrate})) as charm:
        events = charm.units.RECONCILING + charm.units.OTHERS
        costs = {event: count_commands(charm, tmp_path, event, leader, count) for event in events}

    assert costs == {event: special.get(event, usual) for event in events}


def count_commands(
    charm: loading.Charm, root: pathlib.Path, event: str, leader: bool, number: int
) -> dict[str, int]:
    """Count the hook commands of an event, but for juju-log, of which ops itself runs most."""
    units = charm.units
    unit = units.Unit(1, root / event)
    secret = units.make_secret(latest={**units.CONTENT, "password": "second"})
    databag = {"leader": f"{units.APP}/{1 if leader else 0}", "credentials-id": secret.id}
    state = unit.state(leader=leader, databag=databag, secret=secret)
    others = {other: {} for other in range(number) if other != 1}
    peers = dataclasses.replace(units.get_peers(state), peers_data=others)
    state = dataclasses.replace(state, relations={peers})
    commands: collections.Counter[str] = collections.Counter()

    def count(backend: hook_commands.Backend, command: str) -> None:
        commands[command] += 1

    refused = event == "rotate-credentials" and not leader
    with (
        hook_commands.watched(count),
        pytest.raises(testing.ActionFailed) if refused else contextlib.nullcontext(),
    ):
        unit.run(event, state, revision=0)
    # ops asks Juju once in 30 seconds, Scenario each time.
    commands["is-leader"] = min(commands["is-leader"], 1)
    del commands["juju-log"]
    return dict(commands)

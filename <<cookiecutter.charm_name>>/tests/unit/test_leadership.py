# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Who leads, as every unit learns it from the peer relation."""

import pathlib

import pytest
import units

ME, OTHER = f"{units.APP}/0", f"{units.APP}/1"


@pytest.mark.parametrize("leader", (True, False))
@pytest.mark.parametrize("event", units.RECONCILING)
def test_every_event_brings_the_unit_in_line(unit: units.Unit, event: str, leader: bool):
    """The leader publishes itself; any unit tells its workload who leads."""
    # Arrange: another unit led until now.
    secret = units.make_secret()
    databag = {"leader": OTHER, "credentials-id": secret.id}

    # Act:
    state = unit.run(event, unit.state(leader=leader, databag=databag, secret=secret))

    # Assert:
    assert units.get_databag(state) == {**databag, "leader": ME if leader else OTHER}
    assert units.get_secret(state).id == secret.id
    content = units.get_secret(state).latest_content
    rotated = leader and event in ("secret_rotate", "secret_expired")
    assert (content["password"] != units.CONTENT["password"]) == rotated
    assert unit.configuration == {
        "leader": ME if leader else OTHER,
        "username": "admin",
        "password": content["password"],
        "log_level": "info",
    }


@pytest.mark.parametrize("leader", (True, False))
@pytest.mark.parametrize("event", units.RECONCILING)
def test_reconciling_twice_equals_once(unit: units.Unit, event: str, leader: bool):
    """A second run changes no databag and no file, and restarts nothing."""
    secret = units.make_secret()
    databag = {"leader": ME if leader else OTHER, "credentials-id": secret.id}
    once = unit.run(event, unit.state(leader=leader, databag=databag, secret=secret))
    configuration = unit.configuration

    twice = unit.run("update_status", once)

    assert units.get_databag(twice) == units.get_databag(once)
    assert units.get_secret(twice).latest_content == units.get_secret(once).latest_content
    assert unit.configuration == configuration
    assert unit.interruptions == 0


@pytest.mark.parametrize("leader", (True, False))
@pytest.mark.parametrize("event", units.OTHERS)
def test_other_events_leave_the_databag_alone(unit: units.Unit, event: str, leader: bool):
    """Nothing but reconciling publishes, which a leader that goes would do in vain."""
    secret = units.make_secret(latest={**units.CONTENT, "password": "second"})
    databag = {"leader": OTHER, "credentials-id": secret.id}
    state = unit.state(leader=leader, databag=databag, secret=secret)

    try:
        state = unit.run(event, state, revision=0)
    except units.testing.ActionFailed as refusal:
        assert isinstance(refusal.state, units.testing.State)
        state = refusal.state

    reconciles = event == "rotate-credentials" and leader
    assert units.get_databag(state) == {**databag, "leader": ME if reconciles else OTHER}


@pytest.mark.parametrize("leader", (True, False))
@pytest.mark.parametrize(
    "event", [event for event in units.RECONCILING if not event.startswith(("peers", "secret"))]
)
def test_without_the_peer_relation_nothing_is_written(unit: units.Unit, event: str, leader: bool):
    """An upgrade that adds the endpoint runs before Juju makes the relation."""
    state = unit.run(event, unit.state(leader=leader, peers=False))

    assert state.secrets == frozenset()
    assert unit.configuration is None


def test_a_follower_keeps_quiet_before_the_leader_has_published(unit: units.Unit):
    state = unit.run("peers_created", unit.state(leader=False))

    assert units.get_databag(state) == {}
    assert state.secrets == frozenset()
    assert unit.configuration is None


def test_a_follower_leaves_a_secret_alone_that_is_not_announced(unit: units.Unit):
    """Juju logs an ERROR for each unit that asks for a secret before there is one."""
    state = unit.state(leader=False, databag={"leader": OTHER}, secret=units.make_secret())

    unit.run("peers_changed", state)

    assert unit.configuration is None


def test_a_reconcile_logs_what_it_decided_from(unit: units.Unit):
    secret = units.make_secret()
    databag = {"leader": OTHER, "credentials-id": secret.id}

    unit.run("secret_rotate", unit.state(leader=False, databag=databag, secret=secret))

    assert [line.message for line in unit.context.juju_log if line.level == "INFO"] == [
        "leadership moved on; Juju asks the new leader to rotate",
        f"reconcile with Settings(leader='{OTHER}', log_level='info'), workload available: True",
    ]


def test_a_unit_never_writes_to_its_own_databag(unit: units.Unit):
    """An answer from each unit would turn one failover into N squared events."""
    secret = units.make_secret()
    databag = {"leader": OTHER, "credentials-id": secret.id}

    state = unit.run("peers_changed", unit.state(leader=False, databag=databag, secret=secret))

    default = units.testing.PeerRelation("peers").local_unit_data
    assert units.get_peers(state).local_unit_data == default


def test_a_departing_unit_leaves_its_workload_as_it_is(tmp_path: pathlib.Path):
    """A unit that goes has nothing left to follow: stop and remove run next."""
    leaving = units.Unit(2, tmp_path)
    secret = units.make_secret()
    databag = {"leader": ME, "credentials-id": secret.id}

    state = leaving.state(leader=False, databag=databag, secret=secret)
    leaving.run("peers_departed", state, departing=2)

    assert leaving.configuration is None

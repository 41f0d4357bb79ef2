# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The statuses: what a unit and the application wait for."""

import pytest
import units
from ops import testing

ME, OTHER = f"{units.APP}/0", f"{units.APP}/1"


@pytest.mark.parametrize("leader", (True, False))
def test_active_once_everything_is_there(unit: units.Unit, leader: bool):
    secret = units.make_secret()
    databag = {"leader": ME if leader else OTHER, "credentials-id": secret.id}

    state = unit.run("start", unit.state(leader=leader, databag=databag, secret=secret))

    assert state.unit_status == testing.ActiveStatus()
    # Only the leader may set the application's status.
    assert state.app_status == (testing.ActiveStatus() if leader else testing.UnknownStatus())


@pytest.mark.parametrize("leader", (True, False))
def test_waiting_for_the_peer_relation(unit: units.Unit, leader: bool):
    state = unit.run("start", unit.state(leader=leader, peers=False))

    waiting = testing.WaitingStatus("waiting for the peer relation")
    assert state.unit_status == waiting
    assert state.app_status == (waiting if leader else testing.UnknownStatus())


@pytest.mark.parametrize("leader", (True, False))
def test_install_leaves_the_peer_relation_alone(unit: units.Unit, leader: bool):
    """Juju lists the relation during install, and refuses its data."""
    secret = units.make_secret()
    databag = {"leader": OTHER, "credentials-id": secret.id}

    state = unit.run("install", unit.state(leader=leader, databag=databag, secret=secret))

    assert state.unit_status == testing.WaitingStatus("waiting for the peer relation")


def test_waiting_for_the_leader(unit: units.Unit):
    state = unit.run("start", unit.state(leader=False))

    waiting = testing.WaitingStatus("waiting for the leader to publish credentials")
    assert state.unit_status == waiting


def test_waiting_for_the_workload(unit: units.Unit):
    secret = units.make_secret()
    databag = {"leader": ME, "credentials-id": secret.id}

    state = unit.run(
        "config_changed",
        unit.state(leader=True, databag=databag, secret=secret, available=False),
    )

<% if cookiecutter.substrate == "machine" %>
    assert state.unit_status == testing.WaitingStatus("waiting for the workload's installation")
<% else %>
    assert state.unit_status == testing.WaitingStatus("waiting for Pebble")
<% endif %>
    assert state.app_status == testing.ActiveStatus()
    assert unit.configuration is None


def test_waiting_for_the_secret_that_was_announced(unit: units.Unit):
    databag = {"leader": OTHER, "credentials-id": "secret:9m4e2mr0ui3e8a215n4g"}

    state = unit.run("peers_changed", unit.state(leader=False, databag=databag))

    assert state.unit_status == testing.WaitingStatus("waiting for the workload to run")
    assert unit.configuration is None


@pytest.mark.parametrize("leader", (True, False))
def test_blocked_by_a_bad_option_while_leadership_goes_on(unit: units.Unit, leader: bool):
    secret = units.make_secret()
    databag = {"leader": OTHER, "credentials-id": secret.id}

    state = unit.run(
        "config_changed",
        unit.state(leader=leader, databag=databag, secret=secret, log_level="loud"),
    )

    assert state.unit_status == testing.BlockedStatus(
        "log-level must be one of: debug, info, warning, error"
    )
    assert units.get_databag(state)["leader"] == (ME if leader else OTHER)
    assert unit.configuration is None

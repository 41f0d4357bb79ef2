# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The actions: the leader rotates, and every unit shows what it knows."""

import pytest
import units
from ops import testing

ME, OTHER = f"{units.APP}/0", f"{units.APP}/1"


def test_rotate_on_the_leader_sets_and_applies_a_new_password(unit: units.Unit):
    secret = units.make_secret()
    databag = {"leader": ME, "credentials-id": secret.id}

    state = unit.state(leader=True, databag=databag, secret=secret)

    state = unit.run("rotate-credentials", state)

    content = units.get_secret(state).latest_content
    assert content["password"] != units.CONTENT["password"]
    assert unit.configuration is not None
    assert unit.configuration["password"] == content["password"]
    assert unit.context.action_results is not None
    assert unit.context.action_results["workload-configured"] == "true"
    assert content["password"] not in str(unit.context.action_results)


@pytest.mark.parametrize("exists", (True, False))
def test_rotate_on_a_follower_names_the_command_that_works(unit: units.Unit, exists: bool):
    secret = units.make_secret() if exists else None
    databag = {"leader": OTHER, "credentials-id": secret.id} if secret else {}

    with pytest.raises(testing.ActionFailed) as failed:
        unit.run("rotate-credentials", unit.state(leader=False, databag=databag, secret=secret))

    command = f"juju run {units.APP}/leader rotate-credentials"
    assert failed.value.message == f"{ME} is not the leader; run: {command}"
    if secret:
        assert secret.latest_content == units.CONTENT


def test_rotate_before_there_are_credentials_says_so(unit: units.Unit):
    with pytest.raises(testing.ActionFailed) as failed:
        unit.run("rotate-credentials", unit.state(leader=True, peers=False))

    problem = "no leader has made the credentials yet"
    assert failed.value.message == f"{problem}; wait until {ME} is active"


@pytest.mark.parametrize("leader", (True, False))
def test_show_leadership(unit: units.Unit, leader: bool):
    """The same credentials have the same fingerprint on every unit."""
    secret = units.make_secret()
    databag = {"leader": ME if leader else OTHER, "credentials-id": secret.id}
    state = unit.run("start", unit.state(leader=leader, databag=databag, secret=secret))

    unit.run("show-leadership", state)

    assert unit.context.action_results == {
        "leader": ME if leader else OTHER,
        "is-leader": str(leader).lower(),
        "credentials-fingerprint": "849a84b89491",
        "workload-configured": "true",
    }


def test_show_leadership_tells_a_workload_that_lags_behind(unit: units.Unit):
    """The databag names the new leader before relation-changed has reached this unit."""
    secret = units.make_secret()
    databag = {"leader": OTHER, "credentials-id": secret.id}
    unit.run("start", unit.state(leader=False, databag=databag, secret=secret))

    databag["leader"] = f"{units.APP}/2"
    unit.run("show-leadership", unit.state(leader=False, databag=databag, secret=secret))

    assert unit.context.action_results is not None
    assert unit.context.action_results["leader"] == f"{units.APP}/2"
    assert unit.context.action_results["workload-configured"] == "false"


def test_show_leadership_moves_on_to_no_other_revision(unit: units.Unit):
    """Looking changes nothing: the unit moves on when it reconciles."""
    secret = units.make_secret(latest={**units.CONTENT, "password": "second"})
    databag = {"leader": OTHER, "credentials-id": secret.id}

    state = unit.state(leader=False, databag=databag, secret=secret)
    state = unit.run("show-leadership", state)

    assert units.get_secret(state).tracked_content == units.CONTENT
    assert unit.context.action_results is not None
    assert unit.context.action_results["credentials-fingerprint"] == "849a84b89491"


def test_show_leadership_before_anything_is_published(unit: units.Unit):
    unit.run("show-leadership", unit.state(leader=False, peers=False, available=False))

    assert unit.context.action_results == {
        "leader": "",
        "is-leader": "false",
        "credentials-fingerprint": "",
        "workload-configured": "false",
    }

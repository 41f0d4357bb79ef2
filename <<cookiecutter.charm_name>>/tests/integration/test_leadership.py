<% set async, await = ("async ", "await ") if cookiecutter.integration_tests == "pytest-operator" else ("", "") %>
# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Leadership on a real controller: who leads, what the leader alone may do, and a failover."""

import pathlib

import helpers
import pytest

UNITS = 3


<% if cookiecutter.integration_tests == "jubilant" %>
@pytest.mark.juju_setup
<% else %>
@pytest.mark.abort_on_fail
<% endif %>
<< async >>def test_deploy(app: helpers.Application, charm: pathlib.Path):
    """An unedited charm becomes active, with exactly one leader."""
    << await >>app.deploy(charm, units=UNITS)

    << await >>app.wait_for_leader()


<< async >>def test_every_unit_follows_the_leader(app: helpers.Application):
    """The leader takes itself for the leader; every other unit names it and follows."""
    leader = << await >>app.wait_for_leader()

    views = << await >>app.wait_until_in_line(leader)

    assert len(views) == UNITS


<< async >>def test_rotation_reaches_every_unit(app: helpers.Application):
    """The action on the leader makes a new revision, and every workload gets it."""
    leader = << await >>app.wait_for_leader()
    before = << await >>app.wait_until_in_line(leader)
    secret, revision = << await >>app.get_secret()

    << await >>app.rotate_credentials(leader)

    after = << await >>app.wait_until_in_line(leader)
    assert after[0].fingerprint != before[0].fingerprint
    assert << await >>app.get_secret() == (secret, revision + 1)


<< async >>def test_rotation_is_refused_on_a_follower(app: helpers.Application):
    """A follower names the command that works, and changes nothing."""
    leader = << await >>app.wait_for_leader()
    before = << await >>app.wait_until_in_line(leader)
    secret = << await >>app.get_secret()
    follower = next(view.unit for view in before if view.unit != leader)

    with pytest.raises(helpers.ActionFailedError, match=f"juju run {app.name}/leader"):
        << await >>app.rotate_credentials(follower)

    assert << await >>app.wait_until_in_line(leader) == before
    assert << await >>app.get_secret() == secret


<< async >>def test_refresh_keeps_leader_and_secret(app: helpers.Application, charm: pathlib.Path):
    """A new revision of the charm finds what the old one published."""
    before = << await >>app.wait_until_in_line(<< await >>app.wait_for_leader())
    secret = << await >>app.get_secret()

    << await >>app.refresh(charm)

    # A refresh on Kubernetes replaces the pods, and may move leadership.
    after = << await >>app.wait_until_in_line(<< await >>app.wait_for_leader())
    assert after[0].fingerprint == before[0].fingerprint
    assert << await >>app.get_secret() == secret


<< async >>def test_failover(app: helpers.Application):
    """When the leader goes, another unit takes over with the same secret, and can rotate it."""
    old = << await >>app.wait_for_leader()
    before = << await >>app.wait_until_in_line(old)
    secret, revision = << await >>app.get_secret()

<% if cookiecutter.substrate == "machine" %>
    << await >>app.remove_unit(old)
    new = << await >>app.wait_for_leader(other_than=old)
<% else %>
    << async >>with app.agent_stopped(old):
        new = << await >>app.wait_for_leader(other_than=old)
<% endif %>

    after = << await >>app.wait_until_in_line(new)
<% if cookiecutter.substrate == "machine" %>
    assert {view.unit for view in after} == {view.unit for view in before} - {old}
<% else %>
    assert {view.unit for view in after} == {view.unit for view in before}
<% endif %>
    assert after[0].fingerprint == before[0].fingerprint
    assert << await >>app.get_secret() == (secret, revision)

    << await >>app.rotate_credentials(new)

    rotated = << await >>app.wait_until_in_line(new)
    assert rotated[0].fingerprint != after[0].fingerprint
    assert << await >>app.get_secret() == (secret, revision + 1)

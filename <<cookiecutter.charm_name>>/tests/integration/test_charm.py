<% set async, await = ("async ", "await ") if cookiecutter.integration_tests == "pytest-operator" else ("", "") %>
# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Leadership on a real controller: who leads, what the leader alone may do, and failovers.

The tests share one deployment, in this order; through tox, they end with the first that fails.
"""

import pathlib

import helpers
import pytest

UNITS = 3
ROTATION_RESTARTS = True  # As src/workload.py marks the password.


<% if cookiecutter.integration_tests == "jubilant" %>
@pytest.mark.juju_setup
<% else %>
@pytest.mark.skip_if_deployed
<% endif %>
<< async >>def test_deploy(app: helpers.Deployment, charm: pathlib.Path):
    """An unedited charm becomes active, with exactly one leader."""
    << await >>app.deploy(charm, units=UNITS)

    << await >>app.wait_for_leader()


<< async >>def test_every_unit_follows_the_leader(app: helpers.Deployment):
    """Only the leader claims leadership; every other unit names it and follows."""
    leader = << await >>app.wait_for_leader()

    views = << await >>app.wait_until_converged(leader)

    assert len(views) == UNITS
    assert << await >>app.get_leader_unit() == leader


<< async >>def test_rotation_reaches_every_unit(app: helpers.Deployment):
    """The action on the leader makes a new revision, and every workload runs with it."""
    leader = << await >>app.wait_for_leader()
    before = << await >>app.wait_until_converged(leader)
    started = << await >>app.get_start_times()
    secret, revision = << await >>app.get_secret()

    << await >>app.rotate_credentials(leader)

    after = << await >>app.wait_until_converged(leader)
    assert after[0].fingerprint != before[0].fingerprint
    assert << await >>app.get_secret() == (secret, revision + 1)
    now = << await >>app.get_start_times()
    restarted = {unit for unit in started if now[unit] != started[unit]}
    assert restarted == (set(started) if ROTATION_RESTARTS else set())


<< async >>def test_rotation_is_refused_on_a_follower(app: helpers.Deployment):
    """A follower names the command that works, and changes nothing."""
    leader = << await >>app.wait_for_leader()
    before = << await >>app.wait_until_converged(leader)
    started = << await >>app.get_start_times()
    secret = << await >>app.get_secret()
    follower = next(view.unit for view in before if view.unit != leader)

    with pytest.raises(helpers.ActionFailedError, match=f"juju run {app.name}/leader"):
        << await >>app.rotate_credentials(follower)

    assert << await >>app.wait_until_converged(leader) == before
    assert << await >>app.get_start_times() == started
    assert << await >>app.get_secret() == secret


<< async >>def test_refresh_keeps_the_secret(app: helpers.Deployment, charm: pathlib.Path):
<% if cookiecutter.substrate == "machine" %>
<% if cookiecutter.substrate == "machine" %>
    """A new revision of the charm finds what the old one published, and interrupts no workload."""
<% else %>
    """A new revision of the charm, in new pods, finds what the old one published."""
<% endif %>
<% else %>
    """A new revision of the charm, for which every pod is replaced, finds what was published."""
<% endif %>
    before = << await >>app.wait_until_converged(<< await >>app.wait_for_leader())
    secret = << await >>app.get_secret()
<% if cookiecutter.substrate == "machine" %>
    started = << await >>app.get_start_times()
<% endif %>

    << await >>app.refresh(charm)

<% if cookiecutter.substrate == "kubernetes" %>
    # A pod that takes longer than a minute loses the lead.
<% endif %>
    after = << await >>app.wait_until_converged(<< await >>app.wait_for_leader())
    assert {view.unit for view in after} == {view.unit for view in before}
    assert after[0].fingerprint == before[0].fingerprint
    assert << await >>app.get_secret() == secret
<% if cookiecutter.substrate == "machine" %>
    assert << await >>app.get_start_times() == started
<% endif %>


<< async >>def test_failover(app: helpers.Deployment):
    """When the leader's agent stops, another unit takes over, which the old leader follows.

    No workload is interrupted, the credentials stay, and the new leader can rotate them.
    """
    old = << await >>app.wait_for_leader()
    before = << await >>app.wait_until_converged(old)
    started = << await >>app.get_start_times()
    secret, revision = << await >>app.get_secret()
<% if cookiecutter.substrate == "kubernetes" %>
    # Any of them may lead next.
    names = [f"{view.unit.replace('/', '-')}.{app.name}-endpoints" for view in before]
    assert << await >>app.find_unresolved(before[0].address, *names) == []
<% endif %>

    << async >>with app.agent_stopped(old):
        new = << await >>app.wait_for_leader(other_than=old)
        << await >>app.wait_until_converged(new, without=old)

    after = << await >>app.wait_until_converged(new)
    assert {view.unit for view in after} == {view.unit for view in before}
    assert after[0].fingerprint == before[0].fingerprint
    assert << await >>app.get_secret() == (secret, revision)
    assert << await >>app.get_start_times() == started
<% if cookiecutter.substrate == "kubernetes" %>
    assert << await >>app.find_unresolved(after[0].address, *names) == []
<% endif %>

    << await >>app.rotate_credentials(new)

    rotated = << await >>app.wait_until_converged(new)
    assert rotated[0].fingerprint != after[0].fingerprint
    assert << await >>app.get_secret() == (secret, revision + 1)
<% if cookiecutter.substrate == "machine" %>


<< async >>def test_failover_by_removal(app: helpers.Deployment):
    """When the leader is removed, another unit takes over, and no workload is interrupted."""
    old = << await >>app.wait_for_leader()
    before = << await >>app.wait_until_converged(old)
    started = << await >>app.get_start_times()
    secret, revision = << await >>app.get_secret()

    << await >>app.remove_unit(old)
    new = << await >>app.wait_for_leader(other_than=old)

    after = << await >>app.wait_until_converged(new)
    assert {view.unit for view in after} == {view.unit for view in before} - {old}
    assert after[0].fingerprint == before[0].fingerprint
    assert << await >>app.get_secret() == (secret, revision)
    del started[old]
    assert << await >>app.get_start_times() == started
<% endif %>

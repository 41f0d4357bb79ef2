# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Leadership on a real controller: who leads, what the leader alone may do, and a failover."""

import pathlib

import helpers
<% if cookiecutter.integration_tests == "jubilant" %>
import jubilant
<% endif %>
import pytest
<% if cookiecutter.substrate == "kubernetes" %>
import yaml
<% endif %>
<% if cookiecutter.integration_tests == "pytest-operator" %>
from pytest_operator.plugin import OpsTest
<% endif %>

APP = "<< cookiecutter.charm_name >>"
UNITS = 3
<% if cookiecutter.substrate == "kubernetes" %>
CHARMCRAFT = yaml.safe_load(pathlib.Path("charmcraft.yaml").read_text())
RESOURCES = {"workload-image": CHARMCRAFT["resources"]["workload-image"]["upstream-source"]}
<% endif %>


<% if cookiecutter.integration_tests == "jubilant" %>
@pytest.mark.juju_setup
def test_deploy(juju: jubilant.Juju, charm: pathlib.Path):
    """An unedited charm becomes active, with exactly one leader."""
<% if cookiecutter.substrate == "machine" %>
    juju.deploy(charm, APP, num_units=UNITS)
<% else %>
    juju.deploy(charm, APP, num_units=UNITS, resources=RESOURCES)
<% endif %>
    juju.wait(jubilant.all_active, error=jubilant.any_error, timeout=1200)
<% else %>
@pytest.mark.abort_on_fail
async def test_deploy(ops_test: OpsTest, charm: pathlib.Path):
    """An unedited charm becomes active, with exactly one leader."""
    model = helpers.get_model(ops_test)
<% if cookiecutter.substrate == "machine" %>
    await model.deploy(charm, application_name=APP, num_units=UNITS)
<% else %>
    await model.deploy(charm, application_name=APP, num_units=UNITS, resources=RESOURCES)
<% endif %>
    await model.wait_for_idle(
        apps=[APP], status="active", timeout=1200, wait_for_exact_units=UNITS
    )
<% endif %>

    assert << cookiecutter.__await >>helpers.get_leader_unit(<< cookiecutter.__model >>, APP) is not None


<< cookiecutter.__async >>def test_every_unit_follows_the_leader(<< cookiecutter.__model >>: << cookiecutter.__model_type >>):
    """The leader takes itself for the leader; every other unit names it and follows."""
    leader = << cookiecutter.__await >>helpers.wait_for_leader(<< cookiecutter.__model >>, APP)

    views = << cookiecutter.__await >>helpers.wait_until_in_line(<< cookiecutter.__model >>, APP, leader)

    assert len(views) == UNITS


<< cookiecutter.__async >>def test_rotation_reaches_every_unit(<< cookiecutter.__model >>: << cookiecutter.__model_type >>):
    """The action on the leader makes a new revision, and every workload gets it."""
    leader = << cookiecutter.__await >>helpers.wait_for_leader(<< cookiecutter.__model >>, APP)
    before = << cookiecutter.__await >>helpers.wait_until_in_line(<< cookiecutter.__model >>, APP, leader)
    secret, revision = << cookiecutter.__await >>helpers.get_secret(<< cookiecutter.__model >>, APP)

    << cookiecutter.__await >>helpers.rotate_credentials(<< cookiecutter.__model >>, leader)

    after = << cookiecutter.__await >>helpers.wait_until_in_line(<< cookiecutter.__model >>, APP, leader)
    assert after[0].fingerprint != before[0].fingerprint
    assert << cookiecutter.__await >>helpers.get_secret(<< cookiecutter.__model >>, APP) == (secret, revision + 1)


<< cookiecutter.__async >>def test_rotation_is_refused_on_a_follower(<< cookiecutter.__model >>: << cookiecutter.__model_type >>):
    """A follower names the command that works, and changes nothing."""
    leader = << cookiecutter.__await >>helpers.wait_for_leader(<< cookiecutter.__model >>, APP)
    before = << cookiecutter.__await >>helpers.wait_until_in_line(<< cookiecutter.__model >>, APP, leader)
    secret = << cookiecutter.__await >>helpers.get_secret(<< cookiecutter.__model >>, APP)
    follower = next(view.unit for view in before if view.unit != leader)

    with pytest.raises(helpers.ActionFailedError, match=f"juju run {APP}/leader"):
        << cookiecutter.__await >>helpers.rotate_credentials(<< cookiecutter.__model >>, follower)

    assert << cookiecutter.__await >>helpers.wait_until_in_line(<< cookiecutter.__model >>, APP, leader) == before
    assert << cookiecutter.__await >>helpers.get_secret(<< cookiecutter.__model >>, APP) == secret


<< cookiecutter.__async >>def test_refresh_keeps_leader_and_secret(<< cookiecutter.__model >>: << cookiecutter.__model_type >>, charm: pathlib.Path):
    """A new revision of the charm finds what the old one published."""
    leader = << cookiecutter.__await >>helpers.wait_for_leader(<< cookiecutter.__model >>, APP)
    before = << cookiecutter.__await >>helpers.wait_until_in_line(<< cookiecutter.__model >>, APP, leader)
    secret = << cookiecutter.__await >>helpers.get_secret(<< cookiecutter.__model >>, APP)

<% if cookiecutter.integration_tests == "jubilant" %>
<% if cookiecutter.substrate == "machine" %>
    juju.refresh(APP, path=charm)
<% else %>
    juju.refresh(APP, path=charm, resources=RESOURCES)
<% endif %>
    juju.wait(jubilant.all_agents_idle, timeout=1200)
    juju.wait(jubilant.all_active, error=jubilant.any_error, timeout=1200)
<% else %>
<% if cookiecutter.substrate == "machine" %>
    await ops_test.juju("refresh", APP, "--path", str(charm), check=True)
<% else %>
    images = [f"--resource={name}={image}" for name, image in RESOURCES.items()]
    await ops_test.juju("refresh", APP, "--path", str(charm), *images, check=True)
<% endif %>
    model = helpers.get_model(ops_test)
    await model.wait_for_idle(apps=[APP], status="active", timeout=1200)
<% endif %>

    # A refresh on Kubernetes replaces the pods, and may move leadership.
    leader = << cookiecutter.__await >>helpers.wait_for_leader(<< cookiecutter.__model >>, APP)
    after = << cookiecutter.__await >>helpers.wait_until_in_line(<< cookiecutter.__model >>, APP, leader)
    assert after[0].fingerprint == before[0].fingerprint
    assert << cookiecutter.__await >>helpers.get_secret(<< cookiecutter.__model >>, APP) == secret


<< cookiecutter.__async >>def test_failover(<< cookiecutter.__model >>: << cookiecutter.__model_type >>):
    """When the leader goes, another unit takes over with the same secret, and can rotate it."""
    old = << cookiecutter.__await >>helpers.wait_for_leader(<< cookiecutter.__model >>, APP)
    before = << cookiecutter.__await >>helpers.wait_until_in_line(<< cookiecutter.__model >>, APP, old)
    secret, revision = << cookiecutter.__await >>helpers.get_secret(<< cookiecutter.__model >>, APP)

<% if cookiecutter.substrate == "machine" %>
    << cookiecutter.__await >>helpers.remove_unit(<< cookiecutter.__model >>, APP, old)
    new = << cookiecutter.__await >>helpers.wait_for_leader(<< cookiecutter.__model >>, APP, other_than=old)
<% else %>
    << cookiecutter.__async >>with helpers.agent_stopped(<< cookiecutter.__model >>, old):
        new = << cookiecutter.__await >>helpers.wait_for_leader(<< cookiecutter.__model >>, APP, other_than=old)
<% endif %>

    after = << cookiecutter.__await >>helpers.wait_until_in_line(<< cookiecutter.__model >>, APP, new)
<% if cookiecutter.substrate == "machine" %>
    assert {view.unit for view in after} == {view.unit for view in before} - {old}
<% else %>
    assert {view.unit for view in after} == {view.unit for view in before}
<% endif %>
    assert after[0].fingerprint == before[0].fingerprint
    assert << cookiecutter.__await >>helpers.get_secret(<< cookiecutter.__model >>, APP) == (secret, revision)

    << cookiecutter.__await >>helpers.rotate_credentials(<< cookiecutter.__model >>, new)

    rotated = << cookiecutter.__await >>helpers.wait_until_in_line(<< cookiecutter.__model >>, APP, new)
    assert rotated[0].fingerprint != after[0].fingerprint
    assert << cookiecutter.__await >>helpers.get_secret(<< cookiecutter.__model >>, APP) == (secret, revision + 1)

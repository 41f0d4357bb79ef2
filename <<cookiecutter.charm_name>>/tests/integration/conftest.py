# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

import os
import pathlib

import helpers
<% if cookiecutter.integration_tests == "jubilant" %>
import jubilant
<% endif %>
import pytest
<% if cookiecutter.integration_tests == "pytest-operator" %>
from pytest_operator.plugin import OpsTest
<% endif %>

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="session")
def charm() -> pathlib.Path:
    """Return the packed charm: CHARM_PATH, or the one .charm file in the project."""
    if path := os.environ.get("CHARM_PATH"):
        charms = [pathlib.Path(path).resolve()]
    else:
        charms = sorted(ROOT.glob("*.charm"))
    if not charms:
        pytest.fail(f"no .charm file in {ROOT}: run 'charmcraft pack' first", pytrace=False)
    if len(charms) > 1:
        names = ", ".join(charm.name for charm in charms)
        pytest.fail(f"more than one .charm file ({names}): set CHARM_PATH to one", pytrace=False)
    if not charms[0].is_file():
        pytest.fail(f"CHARM_PATH names {charms[0]}, which is not a file", pytrace=False)
    return charms[0]


@pytest.fixture
<% if cookiecutter.integration_tests == "jubilant" %>
def app(juju: jubilant.Juju) -> helpers.Application:
<% else %>
def app(ops_test: OpsTest) -> helpers.Application:
<% endif %>
    """Return the application that the tests of a module share."""
    return helpers.Application(<< "juju" if cookiecutter.integration_tests == "jubilant" else "ops_test" >>, "<< cookiecutter.charm_name >>")

# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

import os
import pathlib
import shutil

import helpers
<% if cookiecutter.integration_tests == "jubilant" %>
import jubilant
<% endif %>
import pytest
<% if cookiecutter.integration_tests == "pytest-operator" %>
from pytest_operator.plugin import OpsTest
<% endif %>

ROOT = pathlib.Path(__file__).parents[2]
<% if cookiecutter.integration_tests == "jubilant" %>
COMMANDS = ("juju",)
<% else %>
COMMANDS = ("juju", "charmcraft")
<% endif %>


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say what is missing in one line, rather than once for each test."""
    if session.config.option.collectonly:
        return
    for command in COMMANDS:
        if not shutil.which(command):
            raise pytest.UsageError(f"no {command} on PATH: CONTRIBUTING.md says how to set it up")
    find_charm()


def find_charm() -> pathlib.Path:
    """Return the packed charm: CHARM_PATH, or the one .charm file in the project.

    Raises:
        pytest.UsageError: if it isn't there, or isn't the only one.
    """
    if path := os.environ.get("CHARM_PATH"):
        charms = [pathlib.Path(path).resolve()]
    else:
        charms = sorted(ROOT.glob("*.charm"))
    if not charms:
        raise pytest.UsageError(f"no .charm file in {ROOT}: run 'charmcraft pack' first")
    if len(charms) > 1:
        names = ", ".join(charm.name for charm in charms)
        raise pytest.UsageError(f"more than one .charm file ({names}): set CHARM_PATH to one")
    if not charms[0].is_file():
        raise pytest.UsageError(f"CHARM_PATH names {charms[0]}, which is not a file")
    return charms[0]


@pytest.fixture(scope="session")
def charm() -> pathlib.Path:
    """Return the packed charm."""
    return find_charm()


@pytest.fixture
<% if cookiecutter.integration_tests == "jubilant" %>
def app(juju: jubilant.Juju) -> helpers.Deployment:
    """Return the application that the tests share."""
    return helpers.Deployment(juju, "<< cookiecutter.charm_name >>")
<% else %>
def app(ops_test: OpsTest) -> helpers.Deployment:
    """Return the application that the tests share."""
    return helpers.Deployment(ops_test, "<< cookiecutter.charm_name >>")
<% endif %>

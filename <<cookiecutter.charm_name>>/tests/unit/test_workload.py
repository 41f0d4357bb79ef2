# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The workload: its file, its service, and when the service restarts."""

import stat

import pytest
import units
<% if cookiecutter.substrate == "kubernetes" %>
from ops import pebble
<% endif %>

ME = f"{units.APP}/0"


@pytest.fixture
def configured(unit: units.Unit) -> units.testing.State:
    """Return the state of a leader whose workload is configured and runs."""
    secret = units.make_secret()
    databag = {"leader": ME, "credentials-id": secret.id}
    return unit.run("start", unit.state(leader=True, databag=databag, secret=secret))


@pytest.mark.usefixtures("configured")
def test_the_file_is_closed_to_others(unit: units.Unit):
    assert stat.S_IMODE(unit.config_file.stat().st_mode) == 0o600
    assert [file.name for file in unit.etc.iterdir() if file.suffix == ".new"] == []


def test_a_changed_option_is_applied_with_one_restart(
    unit: units.Unit, configured: units.testing.State
):
    before = unit.restarts
    secret = units.get_secret(configured)
    databag = units.get_databag(configured)

    unit.run(
        "config_changed",
        unit.state(leader=True, databag=databag, secret=secret, log_level="debug"),
    )

    assert unit.configuration is not None
    assert unit.configuration["log_level"] == "debug"
    assert unit.restarts == before + 1
<% if cookiecutter.substrate == "machine" %>


def test_a_stopped_service_is_started_again(unit: units.Unit, configured: units.testing.State):
    unit.systemd.running = False

    state = unit.run("update_status", configured)

    assert unit.systemd.running
    assert state.unit_status == units.testing.ActiveStatus()


def test_install_makes_a_service_that_starts_at_boot(unit: units.Unit):
    unit.run("install", unit.state(leader=False, peers=False, available=False))

    assert "ExecStart=/bin/sleep infinity" in unit.unit_file.read_text()
    assert unit.systemd.enabled
    assert not unit.systemd.running


def test_upgrade_restarts_a_service_that_the_new_revision_changes(
    unit: units.Unit, configured: units.testing.State
):
    unit.unit_file.write_text("what the old revision installed")
    before = unit.restarts

    unit.run("upgrade_charm", configured)
    unit.run("upgrade_charm", configured)

    assert "ExecStart=/bin/sleep infinity" in unit.unit_file.read_text()
    assert unit.restarts == before + 1


@pytest.mark.parametrize("event", ["stop", "remove"])
def test_stop_and_remove_end_the_service(
    unit: units.Unit, configured: units.testing.State, event: str
):
    for _ in range(2):
        unit.run(event, configured)

    assert not unit.systemd.running


def test_remove_leaves_nothing_behind(unit: units.Unit, configured: units.testing.State):
    unit.run("install", configured)

    unit.run("remove", configured)

    assert list(unit.etc.iterdir()) == []
    assert not unit.systemd.enabled
<% else %>


def test_a_stopped_service_is_started_again(unit: units.Unit, configured: units.testing.State):
    container = configured.get_container("workload")
    stopped = units.dataclasses.replace(
        container, service_statuses={"workload": pebble.ServiceStatus.INACTIVE}
    )
    state = units.dataclasses.replace(configured, containers={stopped})

    state = unit.run("update_status", state)

    services = state.get_container("workload").service_statuses
    assert services == {"workload": pebble.ServiceStatus.ACTIVE}
    assert state.unit_status == units.testing.ActiveStatus()


def test_the_service_runs_the_placeholder(configured: units.testing.State):
    service = configured.get_container("workload").plan.services["workload"]

    assert service.command == "/bin/sleep infinity"
    assert service.startup == "enabled"
<% endif %>

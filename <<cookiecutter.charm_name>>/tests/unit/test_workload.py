# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The workload: its file, its service, and when the service restarts."""

import stat
<% if cookiecutter.substrate == "kubernetes" %>
from typing import Any
<% endif %>

<% if cookiecutter.substrate == "kubernetes" %>
import ops
<% endif %>
import pytest
import units
<% if cookiecutter.substrate == "kubernetes" %>
from charmlibs import pathops
from ops import pebble
<% endif %>

ME = f"{units.APP}/0"
<% if cookiecutter.substrate == "machine" %>
SERVICE = f"{units.APP}-workload"
<% endif %>


@pytest.fixture
def configured(unit: units.Unit) -> units.testing.State:
    """Return the state of a leader whose workload is configured and runs."""
    secret = units.make_secret()
    databag = {"leader": ME, "credentials-id": secret.id}
    return unit.run("start", unit.state(leader=True, databag=databag, secret=secret))


@pytest.mark.usefixtures("configured")
def test_the_file_is_closed_to_others(unit: units.Unit):
    assert stat.S_IMODE(unit.config_file.stat().st_mode) == 0o600
<% if cookiecutter.substrate == "machine" %>
    assert [file.name for file in unit.etc.iterdir() if file.suffix == ".new"] == []
<% endif %>


def test_a_changed_option_is_applied_with_one_restart(
    unit: units.Unit, configured: units.testing.State
):
    changed = units.dataclasses.replace(configured, config={"log-level": "debug"})

    state = unit.run("config_changed", changed)

    assert unit.configuration is not None
    assert unit.configuration["log_level"] == "debug"
    assert unit.interruptions == 1
    assert state.unit_status == units.testing.ActiveStatus()
<% if cookiecutter.substrate == "machine" %>


def cut_short(unit: units.Unit, event: str, state: units.testing.State, *, at: str) -> None:
    """Run an event whose hook ends where the charm calls a function of systemd."""

    def fail(*args: str):
        raise RuntimeError("the hook is cut short")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unit.systemd, at, fail)
        with pytest.raises(units.testing.errors.UncaughtCharmError):
            unit.run(event, state)


def test_a_hook_that_is_cut_short_leaves_no_service_with_old_settings(
    unit: units.Unit, configured: units.testing.State
):
    """The next hook finds the new file in place, which doesn't tell what is running."""
    changed = units.dataclasses.replace(configured, config={"log-level": "debug"})

    cut_short(unit, "config_changed", changed, at="service_start")

    assert not unit.systemd.running
    unit.run("update_status", changed)

    assert unit.systemd.running == {SERVICE}


def test_a_stopped_service_is_started_again(unit: units.Unit, configured: units.testing.State):
    unit.systemd.running.clear()

    state = unit.run("update_status", configured)

    assert unit.systemd.running == {SERVICE}
    assert state.unit_status == units.testing.ActiveStatus()


def test_install_makes_a_service_that_starts_at_boot(unit: units.Unit):
    unit.run("install", unit.state(leader=False, peers=False, available=False))

    assert "ExecStart=/bin/sleep infinity" in unit.unit_file.read_text()
    assert unit.systemd.loaded
    assert unit.systemd.enabled == {SERVICE}
    assert not unit.systemd.running


def test_upgrade_restarts_a_service_that_the_new_revision_changes(
    unit: units.Unit, configured: units.testing.State
):
    unit.unit_file.write_text("what the old revision installed")
    before = unit.interruptions

    unit.run("upgrade_charm", configured)
    unit.run("upgrade_charm", configured)

    assert "ExecStart=/bin/sleep infinity" in unit.unit_file.read_text()
    assert unit.systemd.running == {SERVICE}
    assert unit.interruptions == before + 1


def test_an_upgrade_that_is_cut_short_leaves_no_service_of_the_old_revision(
    unit: units.Unit, configured: units.testing.State
):
    """The next hook finds the new unit file in place, which doesn't tell what is running."""
    unit.unit_file.write_text("what the old revision installed")

    cut_short(unit, "upgrade_charm", configured, at="daemon_reload")

    assert not unit.systemd.running
    unit.run("upgrade_charm", configured)

    assert unit.systemd.running == {SERVICE}


def test_an_upgrade_restarts_the_service_while_an_option_is_bad(
    unit: units.Unit, configured: units.testing.State
):
    """The charm is blocked, and the workload goes on with what it was told last."""
    unit.unit_file.write_text("what the old revision installed")

    state = unit.run(
        "upgrade_charm", units.dataclasses.replace(configured, config={"log-level": "loud"})
    )

    assert isinstance(state.unit_status, units.testing.BlockedStatus)
    assert unit.systemd.running == {SERVICE}


@pytest.mark.parametrize("event", ["stop", "remove"])
def test_stop_and_remove_end_the_service(
    unit: units.Unit, configured: units.testing.State, event: str
):
    for _ in range(2):
        unit.run(event, configured)

    assert not unit.systemd.running


def test_remove_leaves_nothing_behind(unit: units.Unit, configured: units.testing.State):
    unit.run("install", configured)
    # What a hook leaves that is cut short while it writes.
    unit.config_file.with_name(f"{unit.config_file.name}.new").touch()

    unit.run("remove", configured)

    assert list(unit.etc.iterdir()) == []
    assert not unit.systemd.loaded
    assert not unit.systemd.enabled
<% else %>


def test_the_service_is_stopped_before_its_file_changes(
    unit: units.Unit, configured: units.testing.State, monkeypatch: pytest.MonkeyPatch
):
    """A hook that is cut short in between leaves no service that runs with old settings."""
    changed = units.dataclasses.replace(configured, config={"log-level": "debug"})
    interruptions: list[int] = []
    write = pathops.ensure_contents

    def watch(*args: Any, **kwargs: Any) -> bool:
        interruptions.append(unit.interruptions)
        return write(*args, **kwargs)

    monkeypatch.setattr(pathops, "ensure_contents", watch)
    unit.run("config_changed", changed)

    assert interruptions == [1]


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


def test_a_status_is_reported_without_pebble(
    unit: units.Unit, configured: units.testing.State, monkeypatch: pytest.MonkeyPatch
):
    """Pebble may go away between two questions, as it does when the pod ends."""

    def fail(*args: str):
        raise pebble.ConnectionError("no Pebble")

    monkeypatch.setattr(ops.Container, "get_services", fail)
    state = unit.run("update_status", configured)

    assert state.unit_status == units.testing.WaitingStatus("waiting for the workload to run")


def test_the_service_runs_the_placeholder(configured: units.testing.State):
    service = configured.get_container("workload").plan.services["workload"]

    assert service.command == "/bin/sleep infinity"
    assert service.startup == "enabled"
<% endif %>

# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The workload: its settings, what interrupts it, and what a hook that is cut short leaves."""

<% if cookiecutter.substrate == "machine" %>
import contextlib
<% endif %>
import dataclasses
import itertools
import json
<% if cookiecutter.substrate == "machine" %>
import os
<% endif %>
import pathlib
from collections.abc import Callable
from typing import Any

import fakes
<% if cookiecutter.substrate == "kubernetes" %>
import ops
<% endif %>
import pytest
import states
from ops import testing

import workload

SETTING = states.OPTION.replace("-", "_")
WAITING = testing.WaitingStatus("waiting for the workload to apply its settings")


def elect(state: testing.State) -> testing.State:
    """Let this unit lead."""
    return dataclasses.replace(state, leader=True)


def scale(state: testing.State) -> testing.State:
    """Let the application have another number of units."""
    return dataclasses.replace(state, planned_units=5)


def set_option(state: testing.State) -> testing.State:
    """Let an operator set an option."""
    return dataclasses.replace(state, config={states.OPTION: states.VALID})


def rename(state: testing.State) -> testing.State:
    """Let another unit change the user name."""
    return states.rotate(state, "username")


def rotate_and_elect(state: testing.State) -> testing.State:
    """Let this unit lead just when another one has rotated."""
    return elect(states.rotate(state))


CHANGES = (elect, states.rotate, set_option, rotate_and_elect)


def applied(system: fakes.System) -> dict[str, Any]:
    """Return what the running workload has applied, failing if there is nothing."""
    assert system.settings is not None
    return system.settings


@pytest.mark.parametrize("change", [elect, scale, states.rotate, rename, set_option])
def test_a_change_interrupts_the_workload_once_if_it_must(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    change: Callable[[testing.State], testing.State],
):
    state = ctx.run(ctx.on.start(), deployed)
    before = applied(system)

    state = ctx.run(ctx.on.config_changed(), change(state))

    changed = {name for name, value in applied(system).items() if value != before.get(name)}
    assert changed
    assert system.interruptions == (not changed <= {*fakes.NO_RESTART, "leads"})
    assert state.unit_status == testing.ActiveStatus()


def test_what_is_only_written_leaves_the_workload_alone(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    with ctx(ctx.on.update_status(), deployed) as manager:
<% if cookiecutter.substrate == "machine" %>
        manager.charm.workload.install()
<% endif %>
        settings = manager.charm._settings()
        manager.charm.workload.reconfigure(settings)
        before = dict(system.read or {})
        changed = dataclasses.replace(settings, unit="app/9")

        manager.charm.workload.reconfigure(changed)

        assert manager.charm.workload.is_configured(changed)
        assert system.read == before
        assert changed.render() in system.files.values()
        assert system.interruptions == 0


def test_a_new_setting_restarts_unless_it_is_marked(ctx: testing.Context, deployed: testing.State):
    """A restart is always right, if not always welcome."""

    @dataclasses.dataclass(frozen=True)
    class Settings(workload.Settings):
        unmarked: str = "old"
        marked_otherwise: str = dataclasses.field(default="old", metadata={"doc": "a text"})

    with ctx(ctx.on.update_status(), deployed) as manager:
        old = Settings(**vars(manager.charm._settings()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workload, "Settings", Settings)
        new = dataclasses.replace(old, unmarked="new", marked_otherwise="new")
        changed = workload._changes([old], new, workload.RESTART)
        assert changed == ["unmarked", "marked_otherwise"]


def test_a_unit_leads_by_its_whole_name(ctx: testing.Context, deployed: testing.State):
    with ctx(ctx.on.update_status(), deployed) as manager:
        settings = dataclasses.replace(manager.charm._settings(), unit="app/1", leader="app/1")

    assert settings.leads
    assert not dataclasses.replace(settings, leader="app/10").leads


def test_a_change_that_the_workload_refuses_is_tried_again(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    """The unit isn't active before its workload has applied the change."""
    state = elect(ctx.run(ctx.on.start(), deployed))
    system.rejects = True
    for _ in range(2):
        state = ctx.run(ctx.on.update_status(), state)
        assert state.unit_status == WAITING
    system.rejects = False

    state = ctx.run(ctx.on.update_status(), state)

    assert state.unit_status == testing.ActiveStatus()
    assert applied(system)["leader"] == f"{states.APP}/0"
    assert system.interruptions == 0


def test_changes_that_the_workload_refused_are_part_of_the_next(
    ctx: testing.Context, deployed: testing.State, monkeypatch: pytest.MonkeyPatch
):
    """A workload that takes commands would be left with half of what has changed."""
    state = ctx.run(ctx.on.start(), deployed)
    offered: list[list[str]] = []

    def take(
        _: workload.Workload, earlier: list[workload.Settings], settings: workload.Settings
    ) -> bool:
        offered.append(workload._changes(earlier, settings, workload.LIVE))
        return len(offered) > 3

    monkeypatch.setattr(workload.Workload, "apply", take)
    scaled = scale(state)
    elected = elect(scaled)
    for changed in (scaled, elected, dataclasses.replace(elected, planned_units=3)):
        state = ctx.run(ctx.on.config_changed(), changed)
        assert state.unit_status == WAITING

    state = ctx.run(ctx.on.update_status(), state)

    everything = ["leader", "leader_address", "planned_units"]
    assert offered == [["planned_units"], everything, everything, everything]
    assert state.unit_status == testing.ActiveStatus()


@pytest.mark.parametrize("change", [None, *CHANGES])
def test_a_hook_that_is_cut_short_is_corrected_by_the_next_event(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    change: Callable[[testing.State], testing.State] | None,
):
    """Wherever it is, and though the change is undone or the workload restarts itself since."""
    before = ctx.run(ctx.on.start(), deployed) if change else deployed
    after = change(before) if change else before
    for steps in itertools.count():
        with system.rewound():
            system.steps_left = steps
            try:
                ctx.run(ctx.on.config_changed(), after)
                assert steps or after == before, "nothing was cut short"
                return
            except fakes.Killed:
                pass
            finals = (after, before) if change else (after,)
            for final, crashes in itertools.product(finals, (False, True)):
                with system.rewound():
                    if crashes:
                        system.crash()
                    state = ctx.run(ctx.on.update_status(), final)

                    assert state.unit_status == testing.ActiveStatus(), f"after step {steps}"
                    settings = applied(system)
                    assert settings["leader"] == f"{states.APP}/{0 if final.leader else 1}"
                    password = states.credentials(final).get("password")
                    assert settings.get("password") == password
                    assert settings[SETTING] == final.config.get(states.OPTION, states.DEFAULT)
                    assert system.interruptions <= 2
                    assert state.workload_version == fakes.VERSION


@pytest.mark.parametrize("text", ["", "[{", "null", '[{"of_another_revision": 1}]'])
def test_a_corrupt_record_restarts_the_workload(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, text: str
):
    """It can be broken, or of another revision of the charm."""
    state = ctx.run(ctx.on.start(), deployed)
    (record,) = system.root.rglob("applied.json")
    record.write_text(text)

    state = ctx.run(ctx.on.upgrade_charm(), state)

    assert state.unit_status == testing.ActiveStatus()
    assert applied(system)["unit"] == f"{states.APP}/0"
    assert system.interruptions == 1


def test_a_workload_that_has_stopped_is_started(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    state = ctx.run(ctx.on.start(), deployed)
    assert "stopped by itself" not in str(ctx.juju_log)
    state = ctx.run(ctx.on.config_changed(), set_option(state))
    assert "stopped by itself" not in str(ctx.juju_log)
    system.running.clear()
<% if cookiecutter.substrate == "kubernetes" %>
    stopped = dataclasses.replace(
        state.get_container(workload.CONTAINER),
        service_statuses={workload.SERVICE: ops.pebble.ServiceStatus.INACTIVE},
    )
    state = states.with_container(state, stopped)
<% endif %>
    ctx.run(ctx.on.action("show-leadership"), state)
    assert (ctx.action_results or {})["workload-configured"] == "false"

    state = ctx.run(ctx.on.update_status(), state)

    assert applied(system)["leader"] == f"{states.APP}/1"
    assert state.unit_status == testing.ActiveStatus()
    assert "stopped by itself" in str(ctx.juju_log)


<% if cookiecutter.substrate == "kubernetes" %>
def test_a_service_that_keeps_failing_does_not_run(ctx: testing.Context, deployed: testing.State):
    state = ctx.run(ctx.on.start(), deployed)
    failing = dataclasses.replace(
        state.get_container(workload.CONTAINER),
        service_statuses={workload.SERVICE: ops.pebble.ServiceStatus.ERROR},
    )

    ctx.run(ctx.on.action("show-leadership"), states.with_container(state, failing))

    assert (ctx.action_results or {})["workload-configured"] == "false"


<% endif %>
def test_a_unit_with_a_bad_option_follows_with_its_last_good_one(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    """It is blocked all the time; without a good one it doesn't start."""
    bad = dataclasses.replace(deployed, config={states.OPTION: states.INVALID})
    blocked = ctx.run(ctx.on.start(), bad).unit_status
    assert isinstance(blocked, testing.BlockedStatus)
    assert system.read is None
    state = ctx.run(ctx.on.start(), set_option(deployed))

    changed = scale(rename(rotate_and_elect(state)))
    bad = dataclasses.replace(changed, config={states.OPTION: states.INVALID})
    after = ctx.run(ctx.on.config_changed(), bad)

    assert (after.unit_status, after.app_status) == (blocked, testing.ActiveStatus())
    assert states.peers(after).local_app_data["leader"] == f"{states.APP}/0"
    settings = applied(system)
    assert (settings["leader"], settings[SETTING]) == (f"{states.APP}/0", states.VALID)
    assert settings["planned_units"] == 5
    for key in ("username", "password"):
        assert settings.get(key) == states.credentials(after).get(key)


@pytest.mark.parametrize("text", ["[{}]", "[[]]", "[]", "{}", "1"])
def test_options_that_another_release_recorded_are_taken_if_all_are_there(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, text: str
):
    """With a bad option; without the last good one, the workload goes on with all that it has."""
    state = ctx.run(ctx.on.start(), set_option(deployed))
    (record,) = system.root.rglob("applied.json")
    (settings,) = json.loads(record.read_text())
    bad = dataclasses.replace(rotate_and_elect(state), config={states.OPTION: states.INVALID})
    before = system.config.read_text()

    record.write_text(text)
    ctx.run(ctx.on.upgrade_charm(), bad)
    assert system.config.read_text() == before
    record.write_text(json.dumps([{**settings, "of_another_release": 1}]))
    ctx.run(ctx.on.upgrade_charm(), bad)

    assert applied(system)["leader"] == f"{states.APP}/0"
    assert applied(system)[SETTING] == states.VALID


def test_each_log_level_reaches_the_workload(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    for level in ("debug", "info", "warning", "error"):
        state = dataclasses.replace(deployed, config={"log-level": level})
        ctx.run(ctx.on.config_changed(), state)
        assert applied(system)["log_level"] == level


@pytest.mark.parametrize("level", ["loud", "in", "INFO", "debugging"])
def test_another_log_level_blocks_the_unit(
    ctx: testing.Context, deployed: testing.State, level: str
):
    state = dataclasses.replace(deployed, config={"log-level": level})

    state = ctx.run(ctx.on.config_changed(), state)

    message = "log-level must be one of: debug, info, warning, error"
    assert state.unit_status == testing.BlockedStatus(message)


def test_a_workload_need_not_know_that_its_application_is_removed(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    """Juju plans no unit from then on, while a quorum of none could harm what still runs."""
    state = ctx.run(ctx.on.start(), deployed)

    state = ctx.run(ctx.on.update_status(), dataclasses.replace(state, planned_units=0))

    assert applied(system)["planned_units"] == 3
    assert state.unit_status == testing.ActiveStatus()


<% if cookiecutter.substrate == "machine" %>
@pytest.mark.parametrize("change", ["unlink", "write", "encode", "chmod"])
<% else %>
@pytest.mark.parametrize("change", ["unlink", "write", "encode"])
<% endif %>
def test_a_file_that_was_changed_by_hand_is_written_again(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, change: str
):
    state = ctx.run(ctx.on.start(), deployed)
    config = system.config
    text = config.read_text()
    changes = {
        "unlink": config.unlink,
        "write": lambda: config.write_text("changed by hand"),
        "encode": lambda: config.write_bytes("chang\u00e9".encode("latin-1")),
<% if cookiecutter.substrate == "machine" %>
        "chmod": lambda: config.chmod(0o640),
<% endif %>
    }
    changes[change]()
    ctx.run(ctx.on.action("show-leadership"), state)
    assert (ctx.action_results or {})["workload-configured"] == "false"

    ctx.run(ctx.on.update_status(), state)

    assert config.read_text() == text
    assert config.stat().st_mode & 0o777 == 0o600


def test_the_version_is_set_after_a_change_and_by_update_status(
    ctx: testing.Context, deployed: testing.State, monkeypatch: pytest.MonkeyPatch
):
    state = ctx.run(ctx.on.start(), deployed)
    assert state.workload_version == fakes.VERSION
    monkeypatch.setattr(workload.Workload, "version", lambda _: "10.0")

    state = ctx.run(ctx.on.config_changed(), state)
    assert ctx.workload_version_history == []  # No command for each event.

    state = ctx.run(ctx.on.update_status(), state)
    assert state.workload_version == "10.0"


@pytest.mark.parametrize("printed", ["", "\n", "no version\n"])
def test_a_version_that_is_not_printed_fails_no_hook(
    ctx: testing.Context, deployed: testing.State, monkeypatch: pytest.MonkeyPatch, printed: str
):
    """Some commands print it on standard error, which isn't read."""
    monkeypatch.setattr(workload.Workload, "run", lambda *_: printed)

    with ctx(ctx.on.update_status(), deployed) as manager:
        assert isinstance(manager.charm.workload.version(), str)


@pytest.mark.parametrize("failure", workload.FAILURES)
def test_a_failing_version_command_is_ignored(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
    failure: type[Exception],
):
    """The workload may have to run for some time before it answers."""

    def fail(_: workload.Workload) -> str:
        raise failure("it failed")

    monkeypatch.setattr(workload.Workload, "version", fail)

    state = ctx.run(ctx.on.start(), deployed)

    assert state.unit_status == testing.ActiveStatus()
    assert applied(system)["leader"] == f"{states.APP}/1"
    assert state.workload_version == ""


def test_a_command_gets_what_is_secret_by_stdin_or_environment(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(fakes.OUTPUT, "tell", "answer\n")
<% if cookiecutter.substrate == "machine" %>
    monkeypatch.setenv("SECRET", "that of the agent")
<% endif %>
<% if cookiecutter.substrate == "kubernetes" %>
    deployed = states.with_container(deployed, system.container())
<% endif %>
    with ctx(ctx.on.update_status(), deployed) as manager:
        answer = manager.charm.workload.run(["tell", "it"], "the-stdin", {"SECRET": "the-env"})
        manager.charm.workload.run(["tell"])

        assert answer == "answer\n"
<% if cookiecutter.substrate == "machine" %>
        (command, options), (_, others) = system.commands[-2:]
        assert command == ["tell", "it"]
        assert (options["input"], options["env"]["SECRET"]) == ("the-stdin", "the-env")
        assert (others["input"], others["env"]) == ("", os.environ)
        assert options["env"]["PATH"] == os.environ["PATH"]
        assert (options["check"], options["timeout"]) == (True, 60)
<% else %>
        executed, other = ctx.exec_history[workload.CONTAINER]
        assert executed.command == ["tell", "it"]
        assert (executed.stdin, executed.environment) == ("the-stdin", {"SECRET": "the-env"})
        assert (other.stdin, other.environment) == ("", {})
        assert system.timeouts == [60, 60]
<% endif %>
<% if cookiecutter.substrate == "machine" %>


def test_the_service_is_defined_and_enabled(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    ctx.run(ctx.on.update_status(), deployed)  # install may have been skipped.

    (service,) = system.running
    assert service == f"{states.APP}-workload"
    assert system.enabled == {service}
    unit = system.loaded[service]
    for line in (
        f"User={workload.USER}",
        "Restart=always",
        f"ConditionPathExists={system.config}",
        "WantedBy=multi-user.target",
    ):
        assert line in unit.splitlines()


def test_a_changed_unit_file_restarts_the_service(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    assert_nothing_secret_is_shown: Callable[[testing.State, testing.State, str], None],
    monkeypatch: pytest.MonkeyPatch,
):
    """upgrade-charm may have been skipped."""
    state = ctx.run(ctx.on.start(), deployed)
    monkeypatch.setattr(workload, "UNIT", workload.UNIT + "# new\n")

    after = ctx.run(ctx.on.update_status(), state)

    assert system.read is not None
    assert system.read[""].endswith("# new\n")
    assert system.interruptions == 1
    assert_nothing_secret_is_shown(state, after, "update_status")


@pytest.mark.parametrize("steps", range(5))
@pytest.mark.parametrize("error", [fakes.Killed(), OSError("it failed")], ids=repr)
def test_an_upgrade_that_does_not_get_through_restarts_the_service(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    error: BaseException,
):
    state = ctx.run(ctx.on.start(), deployed)
    monkeypatch.setattr(workload, "UNIT", workload.UNIT + "# new\n")
    system.steps_left, system.error = steps, error
    with contextlib.suppress(fakes.Killed):
        ctx.run(ctx.on.upgrade_charm(), state)
    assert system.steps_left < 0

    ctx.run(ctx.on.update_status(), state)

    assert system.read is not None
    assert system.read[""].endswith("# new\n")


@pytest.mark.parametrize("steps", range(6))
def test_an_upgrade_under_a_bad_option_keeps_the_last_good_one(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
):
    """Even if the hook is cut short."""
    state = ctx.run(ctx.on.start(), set_option(deployed))
    monkeypatch.setattr(workload, "UNIT", workload.UNIT + "# new\n")
    bad = dataclasses.replace(elect(state), config={states.OPTION: states.INVALID})
    system.steps_left = steps
    with pytest.raises(fakes.Killed):
        ctx.run(ctx.on.upgrade_charm(), bad)

    ctx.run(ctx.on.update_status(), bad)

    settings = applied(system)
    assert system.loaded[f"{states.APP}-workload"].endswith("# new\n")
    assert (settings["leader"], settings[SETTING]) == (f"{states.APP}/0", states.VALID)


@pytest.mark.parametrize("text", ["null", "1"])
def test_an_upgrade_survives_a_corrupt_record(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
):
    state = ctx.run(ctx.on.start(), deployed)
    (record,) = system.root.rglob("applied.json")
    record.write_text(text)
    monkeypatch.setattr(workload, "UNIT", workload.UNIT + "# new\n")

    state = ctx.run(ctx.on.upgrade_charm(), state)

    assert state.unit_status == testing.ActiveStatus()
    assert system.interruptions == 1


def test_a_disabled_service_is_enabled_again(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
):
    """Once, since systemctl enable reloads all of systemd."""
    state = ctx.run(ctx.on.start(), deployed)
    enabled = set(system.enabled)
    system.enabled.clear()

    ctx.run(ctx.on.update_status(), state)

    assert system.enabled == enabled
    assert system.interruptions == 0
    monkeypatch.setattr(system, "service_enable", lambda service: pytest.fail("enabled again"))
    ctx.run(ctx.on.update_status(), state)


def test_the_files_are_the_users_alone(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
):
    """They are whole and closed to others before they are there, whatever was left behind."""
    state = ctx.run(ctx.on.start(), deployed)
    new = system.config.with_name(f"{system.config.name}.new")
    new.touch(mode=0o644)
    owners: list[Any] = []
    modes: list[int] = []
    replace = workload.pathops.LocalPath.replace

    def watch(path: Any, target: Any) -> Any:
        modes.append(path.stat().st_mode & 0o777)
        return replace(path, target)

    monkeypatch.setattr(workload.pathops.LocalPath, "replace", watch)
    monkeypatch.setattr("shutil.chown", lambda path, user=None, group=None: owners.append(user))

    ctx.run(ctx.on.update_status(), elect(state))

    assert set(modes) == {0o600}
    assert set(owners) == {workload.USER}
    assert len(owners) == len(modes)
    assert not new.exists()


@pytest.mark.parametrize("is_there", [True, False])
def test_another_owner_is_mended(
    ctx: testing.Context,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
    is_there: bool,
):
    """A new revision may run the service as another user; the old one may be gone by then."""
    state = ctx.run(ctx.on.start(), deployed)
    written: list[Any] = []

    def owner(path: pathlib.Path) -> str:
        if is_there:
            return "somebody-else"
        raise KeyError("getpwuid(): uid not found: 999")

    monkeypatch.setattr("shutil.chown", lambda path, user=None, group=None: written.append(user))
    monkeypatch.setattr(pathlib.Path, "owner", owner)

    ctx.run(ctx.on.update_status(), state)

    assert set(written) == {workload.USER}


@pytest.mark.parametrize("event", ["stop", "remove"])
def test_stop_and_remove(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, event: str
):
    """A skipped stop doesn't keep remove from leaving nothing behind."""
    state = ctx.run(ctx.on.start(), deployed)
    if event == "stop":
        system.enabled.clear()  # By an administrator.

    ctx.run(getattr(ctx.on, event)(), state)

    assert system.running == {}
    if event == "remove":
        assert system.files == {}
        assert (system.enabled, system.loaded) == (set(), {})
        assert {path.name for path in (system.root / "etc").iterdir()} == {"systemd"}


def test_remove_ends_what_another_one_began(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    for steps in range(4):
        state = ctx.run(ctx.on.start(), deployed)
        system.steps_left = steps
        with pytest.raises(fakes.Killed) if steps < 3 else contextlib.nullcontext():
            ctx.run(ctx.on.remove(), state)
        ctx.run(ctx.on.remove(), state)
        assert (system.files, system.running) == ({}, {})
    ctx.run(ctx.on.stop(), deployed)
    ctx.run(ctx.on.remove(), deployed)  # Nothing is there.


def test_two_applications_share_a_machine(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    other = states.context(0, "other")
    mine = ctx.run(ctx.on.start(), deployed)
    before, files = dict(system.running), system.files

    published = {**states.peers(deployed).local_app_data, "leader": "other/1"}
    state = other.run(other.on.start(), states.with_peers(deployed, local_app_data=published))
    ctx.run(ctx.on.update_status(), mine)
    assert system.running.keys() == {f"{states.APP}-workload", "other-workload"}
    assert system.interruptions == 0
    assert len(system.files) == 2 * len(files)
    other.run(other.on.remove(), state)

    assert (system.running, system.files) == (before, files)
    assert system.enabled == {f"{states.APP}-workload"}
<% else %>


def test_the_service_and_its_check_are_in_the_plan(ctx: testing.Context, deployed: testing.State):
    state = ctx.run(ctx.on.update_status(), deployed)  # pebble-ready may have been skipped.

    plan = state.get_container(workload.CONTAINER).plan
    assert plan.services[workload.SERVICE].startup == "enabled"
    assert plan.checks[workload.CHECK].level == ops.pebble.CheckLevel.READY


def test_a_changed_layer_restarts_the_service(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
):
    state = ctx.run(ctx.on.start(), deployed)
    layer = workload.LAYER.to_dict()
    layer["services"][workload.SERVICE]["command"] = "/bin/new"  # type: ignore[index]
    monkeypatch.setattr(workload, "LAYER", ops.pebble.Layer(layer))

    ctx.run(ctx.on.update_status(), state)

    assert system.read is not None
    assert system.read[""] == "/bin/new"
    assert system.interruptions == 1


def test_a_replaced_pod_converges(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, tmp_path: pathlib.Path
):
    """A new pod gets upgrade-charm, config-changed, start and pebble-ready, in this order or not.

    In the old pod's stop, Pebble has gone already.
    """
    old = ctx.run(ctx.on.start(), deployed)
    names = states.CHARMCRAFT["containers"]
    containers = {system.container(name, can_connect=False) for name in names}
    gone = dataclasses.replace(old, containers=containers)
    ctx.run(ctx.on.stop(), gone)

    for number, order in enumerate(itertools.permutations(("config", "start", "pebble"))):
        new = fakes.System(tmp_path / f"new-{number}")
        ready = new.container()
        events = {
            "config": ctx.on.config_changed(),
            "start": ctx.on.start(),
            "pebble": ctx.on.pebble_ready(ready),
        }
        with new.patched():
            state = ctx.run(ctx.on.upgrade_charm(), gone)
            assert state.unit_status == testing.WaitingStatus("waiting for Pebble")
            for name in order:
                if name == "pebble":
                    state = states.with_container(state, ready)
                state = ctx.run(events[name], state)

        assert state.unit_status == testing.ActiveStatus(), order
        assert applied(new)["leader"] == f"{states.APP}/1"
        assert new.interruptions == 0


def test_the_check_counts_for_the_status(ctx: testing.Context, deployed: testing.State):
    """At once, since Pebble tells when it fails and when it succeeds again."""
    state = ctx.run(ctx.on.start(), deployed)
    waiting = testing.WaitingStatus("waiting for the workload's check to succeed")
    for event, status, expected in (
        ("failed", ops.pebble.CheckStatus.DOWN, waiting),
        ("recovered", ops.pebble.CheckStatus.UP, testing.ActiveStatus()),
    ):
        container = state.get_container(workload.CONTAINER)
        checks = {dataclasses.replace(each, status=status) for each in container.check_infos}
        container = dataclasses.replace(container, check_infos=checks)
        told = getattr(ctx.on, f"pebble_check_{event}")(container, next(iter(checks)))
        checked = states.with_container(state, container)

        for happened in (ctx.on.update_status(), told):
            state = ctx.run(happened, checked)
            assert state.unit_status == expected
<% endif %>

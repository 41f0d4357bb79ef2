# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""What goes wrong with the workload blocks its unit alone; any other error fails the hook."""

import dataclasses
import itertools
<% if cookiecutter.substrate == "machine" %>
import pathlib
<% endif %>
import re
<% if cookiecutter.substrate == "machine" %>
import shutil
<% endif %>
from collections.abc import Callable, Iterator
<% if cookiecutter.substrate == "machine" %>
from typing import Any
<% endif %>

import fakes
import ops
import pytest
import states
from ops import testing

import workload

EVENTS = ("start", "leader_elected", "config_changed")
<% if cookiecutter.substrate == "machine" %>
LAST_EVENTS = ("stop", "remove")
<% else %>
LAST_EVENTS = ()
<% endif %>


def fail_at_each_step(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    event: str,
    *errors: Exception,
) -> Iterator[testing.State]:
    """Yield a unit that is about to lead, once for each change of the system that fails.

    Args:
        ctx: The unit's context.
        system: What its workload runs on.
        deployed: The unit's state.
        event: What the unit will run; nothing has run before a start.
        errors: What the changes raise: each of them the first change, the others in turn.
    """
    state = deployed if event == "start" else ctx.run(ctx.on.start(), deployed)
    config = {states.OPTION: states.VALID} if event == "config_changed" else {}
    state = dataclasses.replace(state, leader=True, config=config)
    first = ((0, error) for error in errors)
    for steps, error in itertools.chain(first, enumerate(itertools.cycle(errors), 1)):
        with system.rewound():
            system.steps_left, system.error = steps, error
            yield state
            if system.steps_left >= 0:
                assert steps, "there was no step"
                return


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (ops.Application, "planned_units"),
        (ops.CharmBase, "load_config"),
        (ops.RelationDataContent, "__getitem__"),
        (ops.RelationDataContent, "update"),
        (ops.Unit, "is_leader"),
        (ops.Unit, "set_workload_version"),
    ],
)
def test_an_error_of_juju_fails_the_hook(
    ctx: testing.Context,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    method: str,
):
    monkeypatch.setattr(owner, method, states.fail)

    with pytest.raises(testing.errors.UncaughtCharmError) as failed:
        ctx.run(ctx.on.leader_elected(), dataclasses.replace(deployed, leader=True))

    assert failed.value.__cause__ is states.ERROR


@pytest.mark.parametrize("event", EVENTS)
def test_a_workload_that_fails_blocks_its_unit_alone(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, event: str
):
    """The leader publishes all the same, and the next event tries again."""
    failures = [failure("it failed") for failure in workload.FAILURES]
    for before in fail_at_each_step(ctx, system, deployed, event, *failures):
        state = ctx.run(getattr(ctx.on, event)(), before)

        assert state.app_status == testing.ActiveStatus()
        assert states.peers(state).local_app_data["leader"] == f"{states.APP}/0"
        if system.steps_left < 0:
            assert state.unit_status.message in (
                f"the workload failed with {type(system.error).__name__}; see juju debug-log",
                "waiting for the workload to apply its settings",  # If a reload has failed.
            )
            shown = ctx.run(ctx.on.action("show-leadership"), state)
            assert shown.unit_status in (state.unit_status, testing.UnknownStatus())
            state = ctx.run(ctx.on.update_status(), state)
        assert state.unit_status == testing.ActiveStatus()
        assert system.settings is not None
        assert system.settings["leader"] == f"{states.APP}/0"


def test_a_workload_that_fails_shows_nothing_secret(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    assert_nothing_secret_is_shown: Callable[[testing.State, testing.State, str], None],
):
    """Nor does a command that prints what it was told; the log says which one, and its exit."""
    system.steps_left, system.error = 0, workload.FAILURES[0]("it failed")
    blocked = ctx.run(ctx.on.start(), deployed)
    assert isinstance(blocked.unit_status, testing.BlockedStatus)
    assert "it failed" in str(ctx.juju_log)  # To which the status refers.
    assert_nothing_secret_is_shown(deployed, blocked, "start")
    system.failing_output = str(states.credentials(deployed))

    after = ctx.run(ctx.on.start(), deployed)

    assert after.workload_version == ""
    assert re.search(r"exit (code|status) 1\b", str(ctx.juju_log))
    assert any(command in str(ctx.juju_log) for command in fakes.OUTPUT)
    assert_nothing_secret_is_shown(deployed, after, "start")


@pytest.mark.parametrize("event", [*EVENTS, *LAST_EVENTS])
def test_a_mistake_fails_the_hook(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, event: str
):
    """At whichever step it comes."""
    mistake = RuntimeError("a mistake")
    for state in fail_at_each_step(ctx, system, deployed, event, mistake):
        try:
            ctx.run(getattr(ctx.on, event)(), state)
        except testing.errors.UncaughtCharmError as e:
            assert e.__cause__ is mistake
        else:
            assert system.steps_left >= 0, "the mistake was swallowed"


@pytest.mark.parametrize("failure", [*workload.FAILURES, RuntimeError])
@pytest.mark.parametrize(
    ("method", "config"), [("is_running", {}), ("_read_record", {states.OPTION: states.INVALID})]
)
def test_what_cannot_be_read_is_not_configured(
    ctx: testing.Context,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
    failure: type[Exception],
    method: str,
    config: dict[str, str],
):
    """With a bad option, what was recorded is read first. A mistake fails even then."""
    state = ctx.run(ctx.on.start(), deployed)
    state = dataclasses.replace(state, config=config)

    def fail(_: workload.Workload) -> None:
        raise failure("it failed")

    monkeypatch.setattr(workload.Workload, method, fail)

    try:
        ctx.run(ctx.on.action("show-leadership"), state)
    except testing.errors.UncaughtCharmError:
        assert failure is RuntimeError
    else:
        assert failure is not RuntimeError
        assert (ctx.action_results or {})["workload-configured"] == "false"
<% if cookiecutter.substrate == "machine" %>


READS = ("owner", "read_bytes", "read_text", "stat")


@pytest.mark.parametrize("method", [*READS, "mkdir", "touch", "unlink"])
def test_a_file_that_cannot_be_used_blocks_the_unit(
    ctx: testing.Context, deployed: testing.State, monkeypatch: pytest.MonkeyPatch, method: str
):
    state = ctx.run(ctx.on.start(), deployed) if method in READS else deployed

    def fail(*args: Any, **options: Any) -> None:
        raise PermissionError("permission denied")

    monkeypatch.setattr(workload.pathops.LocalPath, method, fail)

    after = ctx.run(ctx.on.start(), state)

    message = "the workload failed with PermissionError; see juju debug-log"
    assert after.unit_status == testing.BlockedStatus(message)


@pytest.mark.parametrize(
    ("owner", "method"), [(workload.pathops.LocalPath, "unlink"), (shutil, "rmtree")]
)
def test_what_cannot_be_removed_fails_the_hook(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    method: str,
):
    state = ctx.run(ctx.on.start(), deployed)
    remove = getattr(owner, method)

    def fail(path: Any, *args: Any, **options: Any) -> None:
        if system.root in pathlib.Path(path).parents:
            raise PermissionError("permission denied")
        remove(path, *args, **options)

    monkeypatch.setattr(owner, method, fail)

    with pytest.raises(testing.errors.UncaughtCharmError):
        ctx.run(ctx.on.remove(), state)
<% endif %>

# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""An error that the charm can't handle fails the hook: Juju shows it, and tries again."""

import dataclasses
import itertools
import pathlib
<% if cookiecutter.substrate == "machine" %>
import shutil
from typing import Any
<% endif %>

import fakes
import ops
import pytest
import states
from ops import testing
<% if cookiecutter.substrate == "machine" %>

import workload
<% endif %>

<% if cookiecutter.substrate == "machine" %>
EVENTS = ("start", "leader_elected", "config_changed", "stop", "remove")
<% else %>
EVENTS = ("start", "leader_elected", "config_changed")
<% endif %>


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
def test_an_error_of_the_system_fails_the_hook(
    deployed: testing.State, tmp_path: pathlib.Path, event: str
):
    """At whichever step it comes."""
    for steps in itertools.count():
        ctx, system = states.context(0), fakes.System(tmp_path / f"{steps}")
        with system.patched():
            state = deployed
<% if cookiecutter.substrate == "kubernetes" %>
            state = dataclasses.replace(deployed, containers={system.container()})
<% endif %>
            if event != "start":
                state = ctx.run(ctx.on.start(), state)
            level = "debug" if event == "config_changed" else "info"
            state = dataclasses.replace(
                state, leader=event == "leader_elected", config={"log-level": level}
            )
            system.steps_left, system.error = steps, OSError("no space left on device")
            try:
                ctx.run(getattr(ctx.on, event)(), state)
            except testing.errors.UncaughtCharmError as e:
                assert e.__cause__ is system.error
            else:
                assert system.steps_left >= 0, f"the error in step {steps} was swallowed"
                assert steps, "there was no step"
                return
<% if cookiecutter.substrate == "machine" %>


@pytest.mark.parametrize("method", ["mkdir", "owner", "read_text", "touch", "unlink"])
def test_an_error_of_a_file_fails_the_hook(
    ctx: testing.Context, deployed: testing.State, monkeypatch: pytest.MonkeyPatch, method: str
):
    state = ctx.run(ctx.on.start(), deployed) if method in ("owner", "read_text") else deployed
    error = PermissionError("permission denied")

    def fail(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(workload.pathops.LocalPath, method, fail)

    with pytest.raises(testing.errors.UncaughtCharmError) as failed:
        ctx.run(ctx.on.start(), state)

    assert failed.value.__cause__ is error


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

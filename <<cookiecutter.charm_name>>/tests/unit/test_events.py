# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Every event that the charm observes, as leader and as follower; a new one needs no new test."""

import dataclasses
from collections.abc import Callable
from typing import Any

import events
import fakes
import ops
import pytest
import states
from ops import testing

ME = f"{states.APP}/0"
# Actions that any unit may run. On a follower, all others must fail with the command to run.
ANY_UNIT_ACTIONS = {"show_leadership_action"}
LEADER_ACTIONS = [kind for kind in events.ACTIONS if kind not in ANY_UNIT_ACTIONS]
ROLES = {
    "leader": {"leader": True},
    "follower": {"leader": False},
    "namesake": {"leader": False},  # It has the name of the unit that was the leader.
}
# Values that are odd, by the type of an option.
VALUES = {"string": ("", "?"), "int": (-1, 0, 10**12), "float": (-0.5,), "boolean": (True, False)}
VALUES["secret"] = ("secret:d41jbs2mp25c76r8o1kg",)  # Not granted to the application.
OPTIONS = [
    (name, value)
    for name, option in states.CHARMCRAFT.get("config", {}).get("options", {}).items()
    for value in VALUES.get(option["type"], ())
]
HINT = states.GUARD_HINT
ShownCheck = Callable[[testing.State, testing.State, str], None]
everywhere = pytest.mark.parametrize("role", ROLES)


def seen_by(role: str, state: testing.State) -> testing.State:
    """Return the state as a unit in this role sees it."""
    if role == "namesake":
        published = {**states.peers(state).local_app_data, "leader": ME}
        state = states.with_peers(state, local_app_data=published)
    return dataclasses.replace(state, **ROLES[role])


def run(ctx: testing.Context, event: Any, state: testing.State) -> testing.State:
    """Run an event; an action may fail."""
    try:
        return ctx.run(event, state)
    except testing.ActionFailed as e:
        assert isinstance(e.state, testing.State)
        return e.state
    except testing.errors.UncaughtCharmError as e:
        if not state.leader and isinstance(
            e.__cause__, (ops.ModelError, ops.RelationDataAccessError, RuntimeError)
        ):
            pytest.fail(f"{event.name} on a follower: {HINT}: {e.__cause__}")
        raise


@everywhere
@pytest.mark.parametrize("kind", events.OBSERVED)
def test_a_follower_changes_nothing_of_the_application(
    ctx: testing.Context, deployed: testing.State, kind: str, role: str
):
    state = events.seen_by(kind, seen_by(role, deployed))

    for event in events.variants(ctx, kind, state):
        after = run(ctx, event, state)

        if role != "leader":
            is_same = states.application(after) == states.application(state)
            assert is_same, f"{kind}: {HINT}"  # pytest would show what is secret.


@pytest.mark.parametrize("kind", LEADER_ACTIONS)
def test_a_leader_only_action_on_a_follower_names_the_command_to_run(
    system: fakes.System, deployed: testing.State, kind: str
):
    ctx = states.context(0, "other")  # The application may have another name than the charm.
    (event,) = events.variants(ctx, kind, deployed)
    action = event.name.removesuffix("_action").replace("_", "-")

    try:
        ctx.run(event, deployed)
    except testing.ActionFailed as e:
        assert e.message == f"other/0 is not the leader; run: juju run other/leader {action}"
    else:
        pytest.fail(f"{action} runs on a follower: {HINT}, or add it to ANY_UNIT_ACTIONS here")


@everywhere
@pytest.mark.parametrize("kind", events.EVENTS)
def test_a_second_event_finds_nothing_to_do(
    ctx: testing.Context,
    system: fakes.System,
    deployed: testing.State,
    kind: str,
    role: str,
):
    state = events.seen_by(kind, seen_by(role, deployed))
    for event in events.variants(ctx, kind, state):
        once = ctx.run(ctx.on.update_status(), ctx.run(event, state))
        written, interruptions = system.written, system.interruptions

        with pytest.MonkeyPatch.context() as patch:
            # Scenario's state doesn't show what sets the same again.
            for name in ("set_content", "set_info"):
                patch.setattr(ops.Secret, name, lambda *_, **__: pytest.fail("a needless write"))
            twice = ctx.run(ctx.on.update_status(), once)

        is_same = states.application(twice) == states.application(once)
        assert is_same, f"{kind}: it is written otherwise by the next event"
        assert role != "namesake" or system.settings is None
        hint = f"{kind}: what has not changed is neither written again nor restarted"
        assert (system.written, system.interruptions) == (written, interruptions), hint


@pytest.mark.parametrize("kind", [kind for kind in events.EVENTS if "secret" not in kind])
def test_what_an_event_writes_any_other_one_would_write(
    ctx: testing.Context, deployed: testing.State, kind: str
):
    """Juju may leave an event out, or send it before this unit leads."""
    state = events.seen_by(kind, seen_by("leader", deployed))
    without = ctx.run(ctx.on.update_status(), state)
    for event in events.variants(ctx, kind, state):
        after = ctx.run(ctx.on.update_status(), ctx.run(event, state))

        is_same = states.application(after) == states.application(without)
        assert is_same, f"{kind} writes what update_status doesn't; write it in _reconcile"


def test_each_secret_is_rotated_when_it_is_due(ctx: testing.Context, deployed: testing.State):
    state = seen_by("leader", deployed)
    for secret in (each for each in state.secrets if each.rotate):
        after = ctx.run(ctx.on.secret_rotate(secret), state)

        rotated = after.get_secret(id=secret.id).latest_content != secret.latest_content
        assert rotated, f"secret_rotate changes nothing of {secret.label}; handle the event"


@pytest.mark.parametrize(("option", "value"), OPTIONS)
def test_an_option_is_taken_or_blocks_the_unit(
    ctx: testing.Context, deployed: testing.State, option: str, value: Any
):
    state = dataclasses.replace(deployed, config={option: value})
    try:
        status = ctx.run(ctx.on.config_changed(), state).unit_status
    except testing.errors.UncaughtCharmError as e:
        hint = "raise ValueError in charm.Config, which blocks the unit"
        pytest.fail(f"{option}={value!r} fails the hook: {e.__cause__!r}; {hint}")

    assert status == testing.ActiveStatus() or option in status.message


def test_leadership_is_not_asked_in_init(ctx: testing.Context, deployed: testing.State):
    """By the time that the charm writes, the answer would be old."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops.Unit, "is_leader", lambda unit: pytest.fail(f"in __init__: {HINT}"))
        with ctx(ctx.on.update_status(), deployed):
            patch.undo()


@everywhere
@pytest.mark.parametrize("kind", events.OBSERVED)
def test_nothing_secret_is_shown(
    ctx: testing.Context,
    deployed: testing.State,
    assert_nothing_secret_is_shown: ShownCheck,
    kind: str,
    role: str,
):
    started = ctx.run(ctx.on.start(), deployed)
    state = events.seen_by(kind, seen_by(role, started))
    for event in events.variants(ctx, kind, state):
        after = run(ctx, event, state)

        assert_nothing_secret_is_shown(state, after, kind)

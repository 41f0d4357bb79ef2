# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The actions: the leader rotates, and every unit shows what it knows."""

import dataclasses

import fakes
import pytest
import states
from ops import testing

import leadership

ME, OTHER = f"{states.APP}/0", f"{states.APP}/1"


def results(ctx: testing.Context) -> dict[str, str]:
    """Return what the last action has shown."""
    assert ctx.action_results is not None
    return dict(ctx.action_results)


def test_rotate_sets_and_applies_a_new_password(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    state = dataclasses.replace(deployed, leader=True)
    ctx.run(ctx.on.action("show-leadership"), state)
    before = results(ctx)["credentials-fingerprint"]

    state = ctx.run(ctx.on.action("rotate-credentials"), state)

    password = (states.secret(state).latest_content or {})["password"]
    assert password != "first-password"
    assert system.settings is not None
    assert system.settings["password"] == password
    assert results(ctx)["workload-configured"] == "true"
    assert results(ctx)["credentials-fingerprint"] != before


def test_rotate_without_credentials_says_so(ctx: testing.Context, fresh: testing.State):
    relations = fresh.relations - {states.peers(fresh)}
    state = dataclasses.replace(fresh, leader=True, relations=relations)

    with pytest.raises(testing.ActionFailed) as failed:
        ctx.run(ctx.on.action("rotate-credentials"), state)

    assert failed.value.message == "there are no credentials to rotate yet"


@pytest.mark.parametrize("leader", [True, False])
def test_show_leadership(ctx: testing.Context, deployed: testing.State, leader: bool):
    state = ctx.run(ctx.on.start(), dataclasses.replace(deployed, leader=leader))

    ctx.run(ctx.on.action("show-leadership"), state)

    shown = results(ctx)
    assert shown.pop("leader-address")
    assert shown == {
        "leader": ME if leader else OTHER,
        "is-leader": str(leader).lower(),
        "credentials-fingerprint": "6bc20be0c937",  # Alike on every unit.
        "workload-configured": "true",
    }


def test_show_leadership_tells_of_a_workload_that_lags_behind(
    ctx: testing.Context, deployed: testing.State
):
    """The databag names the new leader before relation-changed has reached this unit."""
    state = ctx.run(ctx.on.start(), deployed)
    published = {**states.peers(state).local_app_data, "leader": f"{states.APP}/2"}

    ctx.run(ctx.on.action("show-leadership"), states.with_peers(state, local_app_data=published))

    assert results(ctx)["leader"] == f"{states.APP}/2"
    assert results(ctx)["workload-configured"] == "false"


def test_show_leadership_changes_nothing(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    """A unit moves on to a newer revision when it reconciles."""
    latest = {"username": "admin", "password": "second-password"}
    secret = dataclasses.replace(states.secret(deployed), latest_content=latest)

    state = ctx.run(
        ctx.on.action("show-leadership"), dataclasses.replace(deployed, secrets={secret})
    )

    assert states.secret(state).tracked_content == secret.tracked_content
    assert system.files == {}


def test_show_leadership_before_anything_is_published(ctx: testing.Context, fresh: testing.State):
    ctx.run(ctx.on.action("show-leadership"), fresh)

    assert results(ctx) == {
        "leader": "",
        "leader-address": "",
        "is-leader": "false",
        "credentials-fingerprint": "",
        "workload-configured": "false",
    }


@pytest.mark.parametrize("leader", [True, False])
def test_the_guard_for_the_charms_own_code(
    ctx: testing.Context, deployed: testing.State, leader: bool
):
    """Outside of an action there is no command to run."""
    with ctx(ctx.on.start(), dataclasses.replace(deployed, leader=leader)) as manager:
        if leader:
            manager.charm.leadership.require_leader()
        else:
            with pytest.raises(leadership.NotLeaderError) as refused:
                manager.charm.leadership.require_leader()
            assert str(refused.value) == f"{ME} is not the leader"

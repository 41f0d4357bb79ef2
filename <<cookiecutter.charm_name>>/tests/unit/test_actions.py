# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The actions: every unit shows what it knows, and followers name the command to run."""

import dataclasses

import pytest
import states
from ops import testing

import leadership

ME, OTHER = f"{states.APP}/0", f"{states.APP}/1"


def results(ctx: testing.Context) -> dict[str, str]:
    """Return what the last action has shown."""
    assert ctx.action_results is not None
    return dict(ctx.action_results)


@pytest.mark.parametrize("leader", [True, False])
def test_show_leadership(ctx: testing.Context, deployed: testing.State, leader: bool):
    state = ctx.run(ctx.on.start(), dataclasses.replace(deployed, leader=leader))

    ctx.run(ctx.on.action("show-leadership"), state)

    shown = results(ctx)
    assert shown["leader-address"]
    assert shown["leader"] == (ME if leader else OTHER)
    assert shown["is-leader"] == str(leader).lower()
    assert shown["workload-configured"] == "true"


def test_show_leadership_asks_juju_who_leads(ctx: testing.Context, deployed: testing.State):
    """Not the databag, where a new leader hasn't published itself yet."""
    ctx.run(ctx.on.action("show-leadership"), dataclasses.replace(deployed, leader=True))

    assert (results(ctx)["leader"], results(ctx)["is-leader"]) == (OTHER, "true")


def test_show_leadership_tells_of_a_workload_that_lags_behind(
    ctx: testing.Context, deployed: testing.State
):
    """The databag names the new leader before relation-changed has reached this unit."""
    state = ctx.run(ctx.on.start(), deployed)
    published = {**states.peers(state).local_app_data, "leader": f"{states.APP}/2"}

    ctx.run(ctx.on.action("show-leadership"), states.with_peers(state, local_app_data=published))

    assert results(ctx)["leader"] == f"{states.APP}/2"
    assert results(ctx)["workload-configured"] == "false"


def test_show_leadership_before_anything_is_published(ctx: testing.Context, fresh: testing.State):
    ctx.run(ctx.on.action("show-leadership"), fresh)

    shown = results(ctx)
    assert (shown["leader"], shown["leader-address"]) == ("", "")
    assert (shown["is-leader"], shown["workload-configured"]) == ("false", "false")


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

# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""An upgrade from the first release, whose databag and secret are in first_release.json.

Until the charm's first release, the file follows what the charm writes. From then on it stays as
it is, whatever a later revision writes.
"""

import dataclasses
import json
import pathlib
from typing import Any

import events
import fakes
import ops
import pytest
import states
from ops import testing

import leadership

FIRST = json.loads(pathlib.Path(__file__).with_name("first_release.json").read_text())
HINT = (
    "what is new comes from the leader: add a key to leadership.CREDENTIALS, and let "
    "Leadership.missing say what the unit waits for"
)


@pytest.fixture
def upgraded(system: fakes.System) -> testing.State:
    """APP/0, a follower of APP/1, in an application of the first release."""
    secret = testing.Secret(
        FIRST["secret"],
        id=f"secret:{FIRST['databag']['credentials-id']}",
        owner="app",
        label="credentials",
    )
    state = states.with_peers(states.fresh(0, system), local_app_data=FIRST["databag"])
    return dataclasses.replace(state, secrets={secret})


def run(
    ctx: testing.Context, system: fakes.System, event: Any, state: testing.State
) -> testing.State:
    """Run an event, which mustn't fail, nor show a unit as active whose workload doesn't run."""
    try:
        after = ctx.run(event, state)
    except testing.errors.UncaughtCharmError as e:
        if not state.leader and isinstance(e.__cause__, ops.ModelError):
            raise  # A follower's write, of which test_events.py says more.
        pytest.fail(f"{event.name} fails on what the first release wrote: {e.__cause__!r}; {HINT}")
    assert after.unit_status != testing.ActiveStatus() or system.settings, HINT
    return after


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize("kind", events.OBSERVED)
def test_every_event_copes_with_the_first_release(
    ctx: testing.Context, system: fakes.System, upgraded: testing.State, kind: str, leader: bool
):
    state = events.seen_by(kind, dataclasses.replace(upgraded, leader=leader))
    for event in events.variants(ctx, kind, state):
        try:
            after = run(ctx, system, event, state)
        except testing.ActionFailed:
            assert not leader
        else:
            is_same = states.application(after) == states.application(state)
            assert leader or is_same, f"{kind}: {states.GUARD_HINT}"


def test_a_follower_copes_without_any_one_of_the_published_values(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    """A release that published all values but this one may have led."""
    published = states.peers(deployed).local_app_data
    for missing in published:
        with system.rewound():
            data = {key: value for key, value in published.items() if key != missing}
            run(ctx, system, ctx.on.start(), states.with_peers(deployed, local_app_data=data))


@pytest.mark.parametrize("rotate", [None, ops.SecretRotate.YEARLY])
def test_the_leader_completes_what_the_first_release_wrote(
    ctx: testing.Context,
    system: fakes.System,
    upgraded: testing.State,
    rotate: ops.SecretRotate | None,
):
    """It adds the keys that are new, keeps the others, and gives the secret its policy."""
    secret = dataclasses.replace(states.secret(upgraded), rotate=rotate)
    upgraded = dataclasses.replace(upgraded, secrets={secret}, leader=True)

    after = ctx.run(ctx.on.upgrade_charm(), upgraded)

    secret = states.secret(after)
    content = secret.latest_content or {}
    assert content == {**content, **FIRST["secret"]}
    assert content.keys() >= leadership.CREDENTIALS.keys()
    assert secret.rotate == leadership.SECRET_ROTATION
    assert after.unit_status == testing.ActiveStatus()
    assert system.settings is not None


def test_a_follower_waits_for_keys_that_the_leader_has_not_added(
    ctx: testing.Context,
    system: fakes.System,
    upgraded: testing.State,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(leadership.CREDENTIALS, "new-key", lambda: "a new value")

    waiting = ctx.run(ctx.on.upgrade_charm(), upgraded)

    message = "waiting for the leader to publish credentials"
    assert waiting.unit_status == testing.WaitingStatus(message)
    assert system.settings is None
    led = ctx.run(ctx.on.upgrade_charm(), dataclasses.replace(upgraded, leader=True))
    assert (states.secret(led).latest_content or {})["new-key"] == "a new value"
    assert led.unit_status == testing.ActiveStatus()

# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The application's secret: made once, kept across leaders, rotated and cleared by the leader."""

import dataclasses
from collections.abc import Callable
from typing import Any

import fakes
import ops
import pytest
import states
from ops import testing

import leadership


@pytest.fixture
def leading(deployed: testing.State) -> testing.State:
    """``deployed``, as the new leader sees it."""
    return dataclasses.replace(deployed, leader=True)


def fingerprint(ctx: testing.Context) -> str:
    """Return what the last action has shown of the credentials."""
    return (ctx.action_results or {})["credentials-fingerprint"]


def test_each_secret_gets_a_password_of_its_own(ctx: testing.Context, fresh: testing.State):
    state = dataclasses.replace(fresh, leader=True)
    passwords = [
        states.credentials(ctx.run(ctx.on.leader_elected(), state))["password"] for _ in range(2)
    ]

    assert len(set(passwords)) == 2
    assert all(len(password) >= 32 for password in passwords)


@pytest.mark.parametrize("is_new", [True, False])
def test_the_leader_shows_nothing_secret_when_it_makes_it(
    ctx: testing.Context,
    fresh: testing.State,
    leading: testing.State,
    assert_nothing_secret_is_shown: Callable[[testing.State, testing.State, str], None],
    monkeypatch: pytest.MonkeyPatch,
    is_new: bool,
):
    """The secret itself, or a key that is new after an upgrade."""
    monkeypatch.setitem(leadership.CREDENTIALS, "new-key", lambda: "the value of a new key")
    before = dataclasses.replace(fresh, leader=True) if is_new else leading

    after = ctx.run(ctx.on.upgrade_charm(), before)

    assert states.credentials(after)["new-key"] == "the value of a new key"
    assert_nothing_secret_is_shown(before, after, "upgrade_charm")


@pytest.mark.parametrize("leader", [0, 1])
@pytest.mark.parametrize("published", ["", "d41jbs2mp25c76r8o1k0"])
def test_the_leader_publishes_the_id_of_the_secret_that_exists(
    ctx: testing.Context, leading: testing.State, published: str, leader: int
):
    """The ID may be missing, or name no secret or another one, though this unit led before."""
    databag = {"leader": f"{states.APP}/{leader}"}
    databag |= {"credentials-id": published} if published else {}

    state = ctx.run(ctx.on.update_status(), states.with_peers(leading, local_app_data=databag))

    bare_id = states.secret(leading).id.removeprefix("secret:")
    assert states.peers(state).local_app_data["credentials-id"] == bare_id


def test_an_id_is_published_in_one_form():
    """Juju gives the long form when the secret is made, and the bare one afterwards."""
    forms = ("secret://9c2f/d41j", "secret:d41j", "d41j")
    assert {leadership._bare_id(form) for form in forms} == {"d41j"}


def test_a_secret_that_is_gone_is_replaced(
    ctx: testing.Context, system: fakes.System, leading: testing.State
):
    gone = dataclasses.replace(leading, secrets=set())
    waiting = ctx.run(ctx.on.update_status(), dataclasses.replace(gone, leader=False))
    message = "waiting for the leader to publish credentials"
    assert waiting.unit_status == testing.WaitingStatus(message)

    state = ctx.run(ctx.on.update_status(), gone)

    bare_id = states.secret(state).id.removeprefix("secret:")
    assert states.peers(state).local_app_data["credentials-id"] == bare_id
    assert system.settings is not None
    assert system.settings["password"] == states.credentials(state)["password"]


def test_a_secret_that_is_not_announced_is_left_alone(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    """Juju logs an error for each unit that asks for a secret before there is one."""
    state = states.with_peers(deployed, local_app_data={"leader": f"{states.APP}/1"})

    state = ctx.run(ctx.on.update_status(), states.rotate(state))

    assert system.settings is None
    assert states.secret(state).tracked_content == states.credentials(deployed)


@pytest.mark.parametrize("leader", [True, False])
def test_only_the_leader_rotates(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, leader: bool
):
    """Leadership may have moved on by the time that the event is handled."""
    state = dataclasses.replace(deployed, leader=leader)

    after = ctx.run(ctx.on.secret_rotate(states.secret(state)), state)

    old, new = states.credentials(state), states.credentials(after)
    assert (new["password"] != old["password"]) == leader
    assert new["username"] == old["username"]
    # The leader hears no secret-changed for its own change, so it applies it at once.
    assert states.secret(after).tracked_content == new
    assert system.settings is not None
    assert system.settings["password"] == new["password"]


@pytest.mark.parametrize("event", ["secret_rotate", "secret_remove"])
def test_events_about_another_secret_are_left_alone(
    ctx: testing.Context, leading: testing.State, event: str
):
    other = testing.Secret({"key": "value"}, owner="app", label="other")
    rotated = ctx.run(ctx.on.secret_rotate(states.secret(leading)), leading)
    state = dataclasses.replace(rotated, secrets={*rotated.secrets, other})
    revision = {"revision": 1} if event == "secret_remove" else {}

    after = ctx.run(getattr(ctx.on, event)(other, **revision), state)

    assert {(each.id, str(each.latest_content)) for each in after.secrets} == {
        (each.id, str(each.latest_content)) for each in state.secrets
    }
    assert ctx.removed_secret_revisions == []


def test_a_secret_is_known_by_its_id(ctx: testing.Context, leading: testing.State):
    """Juju 3.6 may send secret-remove without a label."""
    other = testing.Secret({"key": "value"}, owner="app")
    state = dataclasses.replace(leading, secrets={*leading.secrets, other})

    with ctx(ctx.on.update_status(), state) as manager:
        for secret, is_ours in ((states.secret(leading), True), (other, False)):
            found = manager.charm.model.get_secret(id=secret.id)
            assert found.label is None
            assert manager.charm.leadership.manages(found) == is_ours


def test_the_leader_adds_a_new_key_and_keeps_the_others(
    ctx: testing.Context, leading: testing.State, monkeypatch: pytest.MonkeyPatch
):
    """Those of a later release, too, since an upgrade may be undone."""
    monkeypatch.setitem(leadership.CREDENTIALS, "new-key", lambda: "a new value")
    latest = {**states.credentials(leading), "of-a-later-release": "value"}
    secret = dataclasses.replace(states.secret(leading), latest_content=latest)

    after = ctx.run(ctx.on.upgrade_charm(), dataclasses.replace(leading, secrets={secret}))

    assert states.credentials(after) == {**latest, "new-key": "a new value"}


def test_a_rotation_starts_from_the_newest_revision(
    ctx: testing.Context, leading: testing.State, monkeypatch: pytest.MonkeyPatch
):
    """A new leader may track an old revision, which lacks what its predecessor added."""
    monkeypatch.setitem(leadership.CREDENTIALS, "added-later", lambda: "another value")
    first = states.credentials(leading)
    latest = {**first, "added-later": "value"}
    secret = dataclasses.replace(states.secret(leading), latest_content=latest)
    state = dataclasses.replace(leading, secrets={secret})

    rotated = states.credentials(ctx.run(ctx.on.secret_rotate(secret), state))

    assert rotated == {**latest, **{key: rotated[key] for key in leadership.ROTATED}}
    assert rotated["password"] != first["password"]


@pytest.mark.parametrize("event", ["secret_changed", "update_status", "config_changed"])
def test_a_follower_moves_on_to_the_newest_revision(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, event: str
):
    """Any event replaces a secret-changed that was lost."""
    secret = dataclasses.replace(states.secret(states.rotate(deployed)), owner=None)
    state = dataclasses.replace(deployed, secrets={secret})
    events = {"secret_changed": ctx.on.secret_changed(secret)}

    after = ctx.run(events.get(event) or getattr(ctx.on, event)(), state)

    assert states.secret(after).tracked_content == secret.latest_content
    assert system.settings is not None
    assert system.settings["password"] == "new-password"


@pytest.mark.parametrize("leader", [True, False])
def test_only_the_leader_removes_an_obsolete_revision(
    ctx: testing.Context, deployed: testing.State, leader: bool
):
    state = dataclasses.replace(deployed, leader=leader)

    # The newest revision of the state's secret is 1.
    after = ctx.run(ctx.on.secret_remove(states.secret(state), revision=0), state)

    assert ctx.removed_secret_revisions == ([0] if leader else [])
    assert after.unit_status == testing.ActiveStatus()


def test_the_newest_revision_is_never_removed(ctx: testing.Context, leading: testing.State):
    ctx.run(ctx.on.secret_remove(states.secret(leading), revision=1), leading)

    assert ctx.removed_secret_revisions == []


def test_settings_print_without_what_is_secret(ctx: testing.Context, deployed: testing.State):
    """Whoever adds a log line may pass them."""
    with ctx(ctx.on.update_status(), deployed) as manager:
        settings = manager.charm._settings()

    printed = f"{settings} {settings!r}"
    assert not [value for value in states.credentials(deployed).values() if value in printed]


def test_the_action_sets_and_applies_a_new_password(
    ctx: testing.Context, system: fakes.System, leading: testing.State
):
    state = ctx.run(ctx.on.action("rotate-credentials"), leading)

    password = states.credentials(state)["password"]
    assert password != states.credentials(leading)["password"]
    assert system.settings is not None
    assert system.settings["password"] == password
    assert (ctx.action_results or {})["workload-configured"] == "true"


@pytest.mark.parametrize("leader", [True, False])
def test_the_action_without_credentials_says_so(
    ctx: testing.Context, fresh: testing.State, leader: bool
):
    relations = fresh.relations - {states.peers(fresh)}
    state = dataclasses.replace(fresh, leader=leader, relations=relations)

    with pytest.raises(testing.ActionFailed) as failed:
        ctx.run(ctx.on.action("rotate-credentials"), state)

    if leader:
        assert failed.value.message == "there are no credentials to rotate yet"
    else:
        assert "is not the leader; run: " in failed.value.message


@pytest.mark.parametrize("key", leadership.CREDENTIALS)
def test_the_fingerprint_tells_credentials_apart(
    ctx: testing.Context, deployed: testing.State, key: str
):
    def shown(state: testing.State) -> str:
        ctx.run(ctx.on.action("show-leadership"), state)
        return fingerprint(ctx)

    rotated = ctx.run(ctx.on.update_status(), states.rotate(deployed, key))

    one, other = shown(deployed), shown(rotated)
    assert one != other
    assert len(one) == len(other) == 12
    assert shown(dataclasses.replace(deployed, leader=True)) == one
    assert shown(dataclasses.replace(deployed, secrets=set())) == ""


def test_show_leadership_tracks_no_newer_credentials(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    """A unit moves on to a newer revision when it reconciles."""
    ctx.run(ctx.on.action("show-leadership"), deployed)
    before = fingerprint(ctx)

    state = ctx.run(ctx.on.action("show-leadership"), states.rotate(deployed))

    assert fingerprint(ctx) == before
    assert states.secret(state).tracked_content == states.credentials(deployed)
    assert system.files == {}


@pytest.mark.parametrize(
    "method", ["get_content", "get_info", "get_secret", "set_content", "set_info"]
)
def test_an_error_about_the_secret_fails_the_hook(
    ctx: testing.Context, leading: testing.State, monkeypatch: pytest.MonkeyPatch, method: str
):
    """Here the leader has everything to write: a new key, and the policy."""
    monkeypatch.setitem(leadership.CREDENTIALS, "new-key", lambda: "a new value")
    secret = dataclasses.replace(states.secret(leading), rotate=None)
    monkeypatch.setattr(ops.Model if method == "get_secret" else ops.Secret, method, states.fail)

    with pytest.raises(testing.errors.UncaughtCharmError) as failed:
        ctx.run(ctx.on.upgrade_charm(), dataclasses.replace(leading, secrets={secret}))

    assert failed.value.__cause__ is states.ERROR


def test_a_secret_that_cannot_be_added_fails_the_hook(
    ctx: testing.Context, fresh: testing.State, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ops.Application, "add_secret", states.fail)

    with pytest.raises(testing.errors.UncaughtCharmError):
        ctx.run(ctx.on.leader_elected(), dataclasses.replace(fresh, leader=True))


@pytest.mark.parametrize("event", ["secret_rotate", "action"])
def test_a_rotation_that_fails_is_not_taken_for_one_that_succeeded(
    ctx: testing.Context, leading: testing.State, monkeypatch: pytest.MonkeyPatch, event: str
):
    subject = "rotate-credentials" if event == "action" else states.secret(leading)
    monkeypatch.setattr(ops.Secret, "set_content", states.fail)

    with pytest.raises(testing.errors.UncaughtCharmError):
        ctx.run(getattr(ctx.on, event)(subject), leading)


def test_a_rotation_of_a_secret_that_is_gone_makes_a_new_one(
    ctx: testing.Context, leading: testing.State, monkeypatch: pytest.MonkeyPatch
):
    """An administrator may remove it between the event and its handling."""

    def get_secret(model: ops.Model, **options: Any) -> ops.Secret:
        raise ops.SecretNotFoundError

    monkeypatch.setattr(ops.Model, "get_secret", get_secret)

    after = ctx.run(ctx.on.secret_rotate(states.secret(leading)), leading)

    (new,) = (each for each in after.secrets - leading.secrets if each.label == "credentials")
    bare_id = new.id.removeprefix("secret:")
    assert states.peers(after).local_app_data["credentials-id"] == bare_id

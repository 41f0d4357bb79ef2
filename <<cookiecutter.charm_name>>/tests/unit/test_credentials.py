# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The application's secret: made once, published, kept across leaders, rotated by the leader."""

import logging

import pytest
import units
from ops import testing

import leadership
import workload

ME, OTHER = f"{units.APP}/0", f"{units.APP}/1"


def test_the_first_leader_makes_and_publishes_the_secret(unit: units.Unit):
    state = unit.run("leader_elected", unit.state(leader=True))

    secret = units.get_secret(state)
    assert (secret.owner, secret.label) == ("app", "credentials")
    assert units.get_databag(state) == {"leader": ME, "credentials-id": secret.id}
    assert unit.configuration == {"leader": ME, "log_level": "info", **secret.latest_content}
    assert len(secret.latest_content["password"]) >= 32


def test_each_secret_gets_a_password_of_its_own(unit: units.Unit):
    one = units.get_secret(unit.run("leader_elected", unit.state(leader=True)))
    two = units.get_secret(unit.run("leader_elected", unit.state(leader=True)))

    assert one.latest_content["password"] != two.latest_content["password"]


def test_credentials_and_settings_print_without_what_is_secret():
    """Whoever adds a log line may pass either."""
    credentials = leadership.Credentials("the-user", "the-password")
    settings = workload.Settings(ME, "the-user", "the-password", "info")

    printed = f"{credentials!r} {settings!r}"

    assert "the-user" not in printed
    assert "the-password" not in printed


@pytest.mark.parametrize("leader", (True, False))
@pytest.mark.parametrize("event", ["leader_elected", "config_changed", "update_status"])
def test_election_never_rotates(unit: units.Unit, event: str, leader: bool):
    """A stale leader-elected may run on a unit that has lost leadership since."""
    secret = units.make_secret()
    databag = {"leader": OTHER, "credentials-id": secret.id}

    state = unit.run(event, unit.state(leader=leader, databag=databag, secret=secret))

    assert units.get_secret(state).latest_content == units.CONTENT
    assert unit.configuration is not None
    assert unit.configuration["password"] == units.CONTENT["password"]


def test_the_leader_publishes_the_id_of_a_secret_that_exists(unit: units.Unit):
    """A secret that exists is published, never made anew."""
    secret = units.make_secret()

    state = unit.run(
        "update_status", unit.state(leader=True, databag={"leader": ME}, secret=secret)
    )

    assert units.get_databag(state) == {"leader": ME, "credentials-id": secret.id}
    assert units.get_secret(state).id == secret.id


def test_the_id_is_published_once(unit: units.Unit):
    """Juju has two forms of an id; each unit would hear of a change between them that is none."""
    new = units.make_secret()
    old = units.dataclasses.replace(new, id=new.id.replace("secret:", "secret://model-uuid/"))
    databag = {"leader": ME, "credentials-id": new.id}

    state = unit.run("update_status", unit.state(leader=True, databag=databag, secret=old))

    assert units.get_databag(state) == databag


@pytest.mark.parametrize("leader", (True, False))
@pytest.mark.parametrize("event", ["secret_rotate", "secret_expired"])
def test_only_the_leader_rotates(unit: units.Unit, event: str, leader: bool):
    """A secret event may be handled after leadership has moved on."""
    secret = units.make_secret()
    databag = {"leader": ME, "credentials-id": secret.id}

    state = unit.run(event, unit.state(leader=leader, databag=databag, secret=secret))

    content = units.get_secret(state).latest_content
    assert (content != units.CONTENT) == leader
    assert content["username"] == units.CONTENT["username"]
    # The leader hears no secret-changed for its own change, so it applies it at once.
    assert units.get_secret(state).tracked_content == content
    assert unit.configuration is not None
    assert unit.configuration["password"] == content["password"]


@pytest.mark.parametrize("event", ["secret_rotate", "secret_expired"])
def test_events_about_another_secret_rotate_nothing(unit: units.Unit, event: str):
    secret = units.make_secret()
    other = testing.Secret({"key": "value"}, owner="app", label="other")
    databag = {"leader": ME, "credentials-id": secret.id}
    state = unit.state(leader=True, databag=databag, secret=other)

    unit.run(event, state)

    assert units.get_secret(state).latest_content == {"key": "value"}


def test_a_repeated_secret_expired_rotates_once(unit: units.Unit):
    """Juju repeats the event for as long as the expired revision exists."""
    secret = units.make_secret()
    databag = {"leader": ME, "credentials-id": secret.id}
    state = unit.state(leader=True, databag=databag, secret=secret)

    once = unit.run("secret_expired", state, revision=1)
    content = dict(units.get_secret(once).latest_content)
    twice = unit.run("secret_expired", once, revision=1)

    assert content != units.CONTENT
    assert units.get_secret(twice).latest_content == content


def test_rotation_starts_from_the_newest_revision(unit: units.Unit):
    """A new leader may track an old revision, which lacks what its predecessor added."""
    latest = {**units.CONTENT, "added-later": "value"}
    secret = units.make_secret(latest=latest)
    databag = {"leader": ME, "credentials-id": secret.id}

    state = unit.run("secret_rotate", unit.state(leader=True, databag=databag, secret=secret))

    content = units.get_secret(state).latest_content
    assert content == {**latest, "password": content["password"]}
    assert content["password"] != units.CONTENT["password"]


def test_a_follower_moves_on_to_the_newest_revision(unit: units.Unit):
    secret = units.make_secret(latest={**units.CONTENT, "password": "second"})
    databag = {"leader": OTHER, "credentials-id": secret.id}

    state = unit.run("secret_changed", unit.state(leader=False, databag=databag, secret=secret))

    assert unit.configuration is not None
    assert unit.configuration["password"] == "second"
    assert units.get_secret(state).tracked_content["password"] == "second"


@pytest.mark.parametrize("leader", (True, False))
def test_only_the_leader_removes_obsolete_revisions(unit: units.Unit, leader: bool):
    secret = units.make_secret()
    databag = {"leader": ME, "credentials-id": secret.id}

    state = unit.state(leader=leader, databag=databag, secret=secret)
    unit.run("secret_remove", state, revision=7)

    assert unit.context.removed_secret_revisions == ([7] if leader else [])


@pytest.mark.parametrize("leader", (True, False))
@pytest.mark.parametrize("event", units.RECONCILING)
def test_the_password_shows_up_nowhere(
    unit: units.Unit, event: str, leader: bool, caplog: pytest.LogCaptureFixture
):
    """Databags, statuses and logs are open to many who may not read the secret."""
    caplog.set_level(logging.DEBUG)
    secret = units.make_secret()
    databag = {"leader": OTHER, "credentials-id": secret.id}

    state = unit.run(event, unit.state(leader=leader, databag=databag, secret=secret))

    shown = [
        str(units.get_databag(state)),
        str(units.get_peers(state).local_unit_data),
        str([state.unit_status, state.app_status]),
        str(unit.context.juju_log),
        caplog.text,
    ]
    latest = units.get_secret(state).latest_content
    for password in (units.CONTENT["password"], latest["password"]):
        assert not [text for text in shown if password in text]

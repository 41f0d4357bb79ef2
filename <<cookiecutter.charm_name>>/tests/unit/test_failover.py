# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""A failover from end to end, over several units and without Juju."""

import pathlib

import application
import pytest
import units
from ops import testing

COUNT = 3


@pytest.fixture
def app(tmp_path: pathlib.Path) -> application.Application:
    """Return an application that is deployed, and led by its first unit."""
    app = application.Application(tmp_path, COUNT)
    app.elect(0)
    app.deliver()
    return app


def passwords(app: application.Application) -> list[str]:
    """Return the password of each revision of the one secret."""
    (revisions,) = app.secrets.values()
    return [revision["password"] for revision in revisions]


def assert_in_line(app: application.Application, leader: int) -> None:
    """Every unit that is up tells its workload who leads, and the newest password."""
    expected = {
        "leader": f"{units.APP}/{leader}",
        "username": "admin",
        "password": passwords(app)[-1],
        "log_level": "info",
    }
    (secret_id,) = app.secrets
    assert app.databag == {"leader": expected["leader"], "credentials-id": secret_id}
    for number in app.units.keys() - app.down:
        assert app.units[number].configuration == expected, f"unit {number}"


def test_leadership_moves_and_the_old_leader_comes_back(app: application.Application):
    # The first leader makes the secret, and every unit has it.
    (secret_id,) = app.secrets
    assert set(app.writers) == {0}
    assert_in_line(app, leader=0)

    # It dies. Juju elects another unit, which publishes itself; the credentials stay.
    app.writers.clear()
    app.down.add(0)
    app.elect(1)
    assert app.deliver() == [(1, "leader_elected"), (2, "peers_changed")]
    assert app.writers == [1]
    assert len(passwords(app)) == 1
    assert_in_line(app, leader=1)

    # The new leader rotates a secret that it hasn't made.
    app.writers.clear()
    app.run(1, "secret_rotate")
    assert app.deliver() == [(2, "secret_changed")]
    assert app.writers == [1]
    assert len(set(passwords(app))) == 2
    assert_in_line(app, leader=1)

    # The old leader comes back as a follower, and catches up without writing.
    app.writers.clear()
    app.down.clear()
    assert app.deliver() == [(0, "peers_changed"), (0, "secret_changed")]
    assert app.writers == []
    assert len(passwords(app)) == 2
    assert_in_line(app, leader=1)

    # It may not rotate any more, but it may be elected again.
    with pytest.raises(testing.ActionFailed):
        app.run(0, "rotate-credentials")
    app.elect(0)
    app.deliver()
    assert app.writers == [0]
    assert set(app.secrets) == {secret_id}
    assert len(passwords(app)) == 2
    assert_in_line(app, leader=0)


def test_a_stale_leader_elected_writes_nothing(app: application.Application):
    """Leadership can have moved on by the time that the event is handled."""
    app.elect(1)
    app.elect(2)

    app.deliver()

    assert set(app.writers) == {0, 2}
    assert_in_line(app, leader=2)


def test_one_failover_costs_one_event_a_unit(app: application.Application):
    """If followers answered in their own databags, it would cost N squared."""
    app.elect(1)

    assert sorted(app.deliver()) == [
        (0, "peers_changed"),
        (1, "leader_elected"),
        (2, "peers_changed"),
    ]


def test_the_credentials_outlive_every_unit(app: application.Application):
    """Juju keeps the databag and the secret while the application has no unit."""
    for number in range(COUNT):
        app.remove(number)
    app.add(COUNT)
    app.elect(COUNT)

    app.deliver()

    assert len(passwords(app)) == 1
    assert_in_line(app, leader=COUNT)

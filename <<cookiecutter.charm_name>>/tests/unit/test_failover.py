# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""A failover from end to end, over several units and without Juju."""

import pathlib

import application
import fakes
import pytest
import states

COUNT = 3


@pytest.fixture
def app(tmp_path: pathlib.Path) -> application.Application:
    """Return an application that is deployed, and led by its first unit."""
    app = application.Application(tmp_path, COUNT)
    app.elect(0)
    app.deliver()
    app.writers.clear()
    return app


def revisions(app: application.Application) -> list[int]:
    """Return how many revisions the credentials have had, in each secret that held them."""
    return [len(each) for each in app.secrets.values() if each[-1].label == "credentials"]


def interruptions(app: application.Application) -> list[int]:
    """Return how often each unit's workload was interrupted."""
    return [unit.system.interruptions for unit in app.units.values()]


def assert_converged(app: application.Application, leader: int) -> None:
    """Every unit that is up has given its workload the leader, and the newest password."""
    newest = states.credentials(app.state(leader))
    for number in app.units.keys() - app.down:
        settings = app.units[number].system.settings
        assert settings is not None, f"unit {number}"
        actual = settings["leader"], settings.get("password"), settings["planned_units"]
        expected = f"{states.APP}/{leader}", newest.get("password"), len(app.units)
        assert actual == expected, number


def test_leadership_moves_and_the_old_leader_comes_back(app: application.Application):
    assert_converged(app, leader=0)
    before = revisions(app)

    # The leader dies. Juju elects another unit, which publishes itself; the credentials stay.
    app.down.add(0)
    app.elect(1)
    assert app.deliver() == [
        (1, "leader_elected"),
        (1, "peers_relation_changed"),
        (2, "peers_relation_changed"),
    ]
    assert set(app.writers) == {1}
    assert revisions(app) == before
    assert_converged(app, leader=1)

    # The old leader comes back as a follower, and catches up without writing.
    app.down.clear()
    assert app.deliver() == [(0, "peers_relation_changed")]
    assert set(app.writers) == {1}
    assert_converged(app, leader=1)

    # It may not rotate any more, but it may be elected again.
    app.run(0, "secret_rotate")
    assert revisions(app) == before
    app.elect(0)
    app.deliver()
    assert set(app.writers) == {1, 0}
    assert revisions(app) == before
    assert_converged(app, leader=0)
    assert interruptions(app) == [0] * COUNT


def test_the_new_leader_rotates_a_secret_that_it_has_not_made(app: application.Application):
    app.elect(1)
    app.deliver()

    app.run(1, "secret_rotate")

    assert app.deliver() == [(0, "secret_changed"), (2, "secret_changed")]
    assert revisions(app) == [2]
    assert_converged(app, leader=1)
    assert interruptions(app) == ["password" not in fakes.NO_RESTART] * COUNT


def test_a_stale_leader_elected_writes_nothing(app: application.Application):
    """Leadership can have moved on by the time that the event is handled."""
    app.elect(1)
    app.elect(2)

    app.deliver()

    assert set(app.writers) == {2}
    assert_converged(app, leader=2)


def test_a_removed_leader_is_followed_by_another(app: application.Application):
    """Until there is a new leader, the workloads go on as they are."""
    app.remove(0)
    app.deliver()
    settings = [unit.system.settings or {} for unit in app.units.values()]
    assert [each["leader"] for each in settings] == [f"{states.APP}/0"] * (COUNT - 1)

    app.elect(1)
    app.deliver()

    assert_converged(app, leader=1)
    assert interruptions(app) == [0] * (COUNT - 1)


def test_scaling_tells_the_number_of_units(app: application.Application):
    for number in (2, 1):
        app.remove(number)
    app.deliver()
    assert_converged(app, leader=0)

    for number in (1, 2):
        app.add(number)
    app.deliver()

    assert_converged(app, leader=0)
    assert app.units[0].system.interruptions == 0


def test_the_credentials_outlive_every_unit(app: application.Application):
    """Juju keeps the databag and the secret while the application has no unit."""
    before = revisions(app)
    for number in range(COUNT):
        app.remove(number)
    app.add(0)  # Kubernetes gives a new unit the name of a former one.
    app.deliver()
    assert app.units[0].system.settings is None  # It reads its own name, and doesn't lead.
    app.elect(0)

    app.deliver()

    assert revisions(app) == before
    assert_converged(app, leader=0)

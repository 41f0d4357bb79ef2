"""Do the units stay in order, and come to agree, whatever happens in whatever order?

Hypothesis makes up the histories, the same ones on each run. One that failed becomes a test with
a name of its own at the end of this file.
"""

from __future__ import annotations

import pathlib
import tempfile
from typing import Any

import hypothesis
import pytest
from hypothesis import stateful, strategies
from ops import testing

from tests.support import baking, loading, matrix

SUBSTRATES = pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])
SETTINGS = hypothesis.settings(
    deadline=None,
    derandomize=True,
    max_examples=40,
    stateful_step_count=30,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
MOST_UNITS = 5
ROTATING = {"secret_rotate", "secret_expired", "rotate-credentials"}
# What may reach a unit though nothing caused it just now: late, twice, or after leadership moved.
STRAY = [
    "leader_elected",
    "config_changed",
    "update_status",
    "upgrade_charm",
    "peers_changed",
    "peers_departed",
    "secret_changed",
    "show-leadership",
    *sorted(ROTATING),
]


class History(stateful.RuleBasedStateMachine):
    """What may happen to an application, and what must be true of it all the time."""

    charm: loading.Charm  # A subclass for each substrate says which.

    def __init__(self):
        super().__init__()
        self._root = tempfile.TemporaryDirectory()
        self.app = self.charm.application.Application(pathlib.Path(self._root.name), 0)
        self.log_level = "info"
        self.added = 0
        self.rotations = 0

    def teardown(self) -> None:
        """Remove the workloads' files."""
        self._root.cleanup()

    @property
    def up(self) -> list[int]:
        """The units whose agents run."""
        return sorted(self.app.units.keys() - self.app.down)

    @property
    def revisions(self) -> list[dict[str, str]]:
        """The contents that the one secret has had."""
        (revisions,) = self.app.secrets.values() or [[]]
        return revisions

    # What happens:

    @stateful.precondition(lambda self: len(self.app.units) < MOST_UNITS)
    @stateful.rule()
    def add(self):
        """A unit joins."""
        self.app.add(self.added)
        self.added += 1

    @stateful.precondition(lambda self: self.app.units)
    @stateful.rule(data=strategies.data())
    def remove(self, data: strategies.DataObject):
        """A unit leaves, perhaps the last."""
        self.app.remove(data.draw(strategies.sampled_from(sorted(self.app.units))))

    @stateful.precondition(lambda self: self.up)
    @stateful.rule(data=strategies.data())
    def elect(self, data: strategies.DataObject):
        """Leadership moves to a unit that is up."""
        self.app.elect(data.draw(strategies.sampled_from(self.up)))

    @stateful.precondition(lambda self: self.up)
    @stateful.rule(data=strategies.data())
    def kill(self, data: strategies.DataObject):
        """A unit's agent stops; its events wait."""
        self.app.down.add(data.draw(strategies.sampled_from(self.up)))

    @stateful.precondition(lambda self: self.app.down)
    @stateful.rule(data=strategies.data())
    def come_back(self, data: strategies.DataObject):
        """A unit's agent runs again."""
        self.app.down.remove(data.draw(strategies.sampled_from(sorted(self.app.down))))

    @stateful.rule(log_level=strategies.sampled_from(["debug", "info", "loud"]))
    def configure(self, log_level: str):
        """An operator sets an option, perhaps to a value that the charm refuses."""
        self.log_level = log_level
        self.app.queue += [(number, "config_changed") for number in self.app.units]

    @stateful.precondition(lambda self: self.app.secrets)
    @stateful.rule()
    def extend(self):
        """A leader with a newer revision of the charm adds a key to the secret."""
        key = f"key-{len(self.revisions)}"
        self.revisions.append({**self.revisions[-1], key: "value"})
        self.app.queue += [(number, "secret_changed") for number in self.app.units]

    @stateful.precondition(lambda self: any(number in self.up for number, _ in self.app.queue))
    @stateful.rule(data=strategies.data())
    def deliver_one(self, data: strategies.DataObject):
        """Any of the waiting events arrives."""
        waiting = [entry for entry in self.app.queue if entry[0] in self.up]
        entry = data.draw(strategies.sampled_from(waiting))
        self.app.queue.remove(entry)
        self.run(*entry)

    @stateful.precondition(lambda self: self.up)
    @stateful.rule(data=strategies.data(), event=strategies.sampled_from(STRAY))
    def stray(self, data: strategies.DataObject, event: str):
        """An event arrives late or twice, at a unit that it may not concern any more."""
        if event.startswith("secret_") and not self.app.secrets:
            return
        self.run(data.draw(strategies.sampled_from(self.up)), event)

    @stateful.precondition(lambda self: self.app.secrets and self.app.leader in self.up)
    @stateful.rule(event=strategies.sampled_from(sorted(ROTATING)))
    def rotate(self, event: str):
        """The leader rotates, whichever revision it tracks."""
        assert self.app.leader is not None
        self.run(self.app.leader, event)

    @stateful.precondition(lambda self: self.app.units)
    @stateful.rule(data=strategies.data())
    def settle(self, data: strategies.DataObject):
        """Every unit is up, one of them leads, and all that waits arrives: then all agree."""
        self.app.down.clear()
        if self.app.leader is None:
            self.app.elect(data.draw(strategies.sampled_from(self.up)))
        self.configure("debug")
        while self.app.queue:
            self.run(*self.app.queue.pop(0))

        expected = {
            "leader": f"{self.charm.units.APP}/{self.app.leader}",
            "username": "admin",
            "password": self.revisions[-1]["password"],
            "log_level": "debug",
        }
        for number in self.up:
            assert self.app.units[number].configuration == expected, f"unit {number}"
        self.check_that_nothing_is_left_to_do()

    # What must be true:

    def run(self, number: int, event: str):
        """Run an event on a unit, and check what it may have changed."""
        units, app = self.charm.units, self.app
        databag, before = dict(app.databag), [dict(revision) for revision in self.revisions]
        app.writers.clear()
        try:
            state: Any = app.run(number, event, config={"log-level": self.log_level})
        except testing.ActionFailed:
            assert event == "rotate-credentials"
            return
        after = self.revisions

        assert set(app.writers) <= {app.leader}
        if number != app.leader:
            assert (app.databag, after) == (databag, before)
        elif event != "install" and event not in ROTATING | {"show-leadership"}:
            assert app.databag == {
                "leader": f"{units.APP}/{number}",
                "credentials-id": next(iter(app.secrets)),
            }
        if (
            app.databag
            and self.log_level != "loud"
            and event not in ("install", "show-leadership")
        ):
            assert app.units[number].configuration == {
                "leader": app.databag["leader"],
                "username": "admin",
                "password": after[-1]["password"],
                "log_level": self.log_level,
            }
        assert len(app.secrets) <= 1
        assert after[: len(before)] == before
        if before and len(after) > len(before):
            assert event in ROTATING
            assert after[-1]["password"] not in [revision["password"] for revision in before]
            assert after[-1].keys() == before[-1].keys()
        shown = f"{app.databag} {state.unit_status} {state.app_status} "
        shown += f"{units.get_peers(state).local_unit_data} {app.units[number].context.juju_log}"
        assert not [revision for revision in after if revision["password"] in shown]

    def check_that_nothing_is_left_to_do(self):
        """Another reconcile changes nothing, anywhere."""
        databag, revisions = dict(self.app.databag), len(self.revisions)
        interruptions = {n: unit.interruptions for n, unit in self.app.units.items()}
        for number in self.up:
            self.run(number, "update_status")
        assert self.app.queue == []
        assert (self.app.databag, len(self.revisions)) == (databag, revisions)
        assert {n: unit.interruptions for n, unit in self.app.units.items()} == interruptions


@SUBSTRATES
def test_the_units_agree_after_any_history(baker: baking.Baker, substrate: str):
    with loading.loaded(baker.bake({"substrate": substrate})) as charm:
        machine = type("HistoryOfOneCharm", (History,), {"charm": charm})
        stateful.run_state_machine_as_test(machine, settings=SETTINGS)

"""Do the units stay in order, and come to agree, whatever happens in whatever order?

Hypothesis makes up the histories, the same ones on each run. One that failed becomes a test with
a name of its own at the end of this file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import hypothesis
import ops
from hypothesis import stateful, strategies
from ops import testing

from tests.support import baking, invariants, loading, parameters, scenario_commands

SETTINGS = hypothesis.settings(
    deadline=None,
    derandomize=True,
    max_examples=40,
    stateful_step_count=30,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
MOST_UNITS = 4
# What a rotation, or an operator, changes and a workload restarts for.
RESTARTING = ("username", "password", "log_level")
ROTATING = ("secret_rotate", "rotate_credentials_action")  # Only these set a new password.
LEAVING = ("departed", "broken", *invariants.LEAVING)


class History(stateful.RuleBasedStateMachine):
    """What may happen to an application, and what must be true of it all the time."""

    charm: loading.Charm  # A subclass for each substrate says which.

    def __init__(self):
        super().__init__()
        self._root = tempfile.TemporaryDirectory()
        self.app = self.charm.application.Application(pathlib.Path(self._root.name), 0)
        self.log_level = "info"
        self.added = 0
        self.planned = 0  # Units that Juju plans and hasn't made yet.
        self.cut: set[int] = set()  # Units whose last hook was killed.
        self.without_peers: set[int] = set()  # Units that Juju lists no peer relation to,
        self.refused: set[int] = set()  # and those whose peer relation's data it refuses.
        self.second_peers: testing.PeerRelation | None = None
        self.passwords: list[str] = []  # All that there have been.

    def teardown(self) -> None:
        """Remove the workloads' files."""
        self._root.cleanup()

    @property
    def is_kubernetes(self) -> bool:
        """Whether the units are pods."""
        return "containers" in self.charm.states.CHARMCRAFT

    @property
    def up(self) -> list[int]:
        """The units whose agents run."""
        return sorted(self.app.units.keys() - self.app.down)

    @property
    def waiting(self) -> list[tuple[int, str]]:
        """The events that wait for units that are up."""
        return [event for event in self.app.queue if event[0] in self.up]

    @property
    def revisions(self) -> list[testing.Secret]:
        """The revisions of the one secret."""
        (revisions,) = self.app.secrets.values() or [[]]
        return revisions

    # What happens to units:

    @stateful.precondition(lambda self: len(self.app.units) < MOST_UNITS)
    @stateful.rule()
    def add(self):
        """A unit joins; on Kubernetes it may have the name of one that was there before."""
        number = len(self.app.units) if self.is_kubernetes else self.added
        self.added += 1
        self.app.add(number)
        if self.second_peers:
            self.add_peers(number)

    @stateful.precondition(lambda self: self.app.units)
    @stateful.rule(
        data=strategies.data(), skipped=strategies.sets(strategies.sampled_from(LEAVING))
    )
    def remove(self, data: strategies.DataObject, skipped: set[str]):
        """A unit leaves, perhaps the leader, perhaps the last; on Kubernetes it is the highest.

        It may lead to the end. Some of its last hooks, or all of them, may not run.
        """
        units = sorted(self.app.units)
        number = units[-1] if self.is_kubernetes else data.draw(strategies.sampled_from(units))
        if number in self.up:
            for event in LEAVING:
                if event not in skipped:
                    self.leave(number, event)
            if not self.is_kubernetes and not {"stop", "remove"} & skipped:
                system = self.app.units[number].system
                assert (system.files, system.running) == ({}, {})
        self.app.remove(number)
        for units in (self.cut, self.without_peers, self.refused):
            units.discard(number)

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
        number = data.draw(strategies.sampled_from(sorted(self.app.down)))
        self.app.down.remove(number)
        self.app.tell([number], "start")

    @stateful.rule(planned=strategies.integers(0, 2))
    def plan(self, planned: int):
        """Juju plans other units than it has, of which no event tells."""
        self.planned = planned

    # What happens to pods:

    @stateful.precondition(lambda self: self.is_kubernetes and self.up)
    @stateful.rule(data=strategies.data(), answers=strategies.booleans())
    def replace_pod(self, data: strategies.DataObject, answers: bool):
        """A unit gets a new pod; in the old one's stop, the workload's Pebble has gone."""
        number = data.draw(strategies.sampled_from(self.up))
        self.set_pebble(number, answers=False)
        self.leave(number, "stop")
        self.set_pebble(number, answers=answers, fresh=True)
        self.app.tell(
            [number], "upgrade_charm", "config_changed", "start", "workload_pebble_ready"
        )

    @stateful.precondition(lambda self: self.is_kubernetes and self.up)
    @stateful.rule(data=strategies.data(), fresh=strategies.booleans())
    def lose_pebble(self, data: strategies.DataObject, fresh: bool):
        """The workload's Pebble doesn't answer for a while, perhaps since its container is new."""
        number = data.draw(strategies.sampled_from(self.up))
        self.set_pebble(number, answers=False, fresh=fresh)
        self.app.tell([number], "workload_pebble_ready")

    def set_pebble(self, number: int, *, answers: bool, fresh: bool = False) -> None:
        """Let the Pebble of a unit's workload answer or not, in a container that is new or not."""
        unit = self.app.units[number]
        if fresh:
            folder = tempfile.mkdtemp(dir=self._root.name)
            unit.system = self.charm.fakes.System(pathlib.Path(folder))
            self.cut.discard(number)
        container = unit.system.container(can_connect=answers)
        unit.state = dataclasses.replace(unit.state, containers={container})

    # What happens to what the units share:

    @stateful.rule(log_level=strategies.sampled_from(["debug", "info", "loud"]))
    def configure(self, log_level: str):
        """An operator sets an option, perhaps to a value that the charm refuses."""
        self.log_level = log_level
        self.app.tell(self.app.units, "config_changed")

    @stateful.precondition(lambda self: self.app.secrets)
    @stateful.rule()
    def extend(self):
        """A leader with a newer revision of the charm adds a key to the secret."""
        newest = self.revisions[-1]
        content = {**(newest.latest_content or {}), f"key-{len(self.revisions)}": "value"}
        self.revisions.append(
            dataclasses.replace(newest, tracked_content=content, latest_content=content)
        )
        self.app.tell(self.app.units, "secret_changed")

    @stateful.precondition(lambda self: self.app.secrets)
    @stateful.rule()
    def remove_secret(self):
        """An administrator removes the secret."""
        self.app.secrets.clear()

    @stateful.precondition(lambda self: self.app.databags)
    @stateful.rule(published=strategies.sampled_from(["", "d41jbs2mp25c76r8o1k0"]))
    def lose_id(self, published: str):
        """The secret's published ID goes, or is that of another one or of none."""
        for databag in self.app.databags.values():
            databag.pop("credentials-id", None)
            databag.update({"credentials-id": published} if published else {})

    @stateful.precondition(lambda self: self.up)
    @stateful.rule(data=strategies.data(), lists=strategies.booleans())
    def lose_peers(self, data: strategies.DataObject, lists: bool):
        """Juju lists no peer relation to a unit, or refuses its data."""
        number = data.draw(strategies.sampled_from(self.up))
        (self.refused if lists else self.without_peers).add(number)

    @stateful.precondition(lambda self: self.without_peers | self.refused)
    @stateful.rule(data=strategies.data())
    def find_peers(self, data: strategies.DataObject):
        """A unit can use the peer relation again."""
        number = data.draw(strategies.sampled_from(sorted(self.without_peers | self.refused)))
        self.without_peers.discard(number)
        self.refused.discard(number)

    @stateful.precondition(lambda self: self.second_peers is None)
    @stateful.rule(relation_id=strategies.sampled_from([0, 9]))
    def double_peers(self, relation_id: int):
        """A second peer relation appears, which is older or newer than the first."""
        self.second_peers = testing.PeerRelation("peers", id=relation_id)
        for number in self.app.units:
            self.add_peers(number)

    def add_peers(self, number: int) -> None:
        """Add the second peer relation to a unit."""
        assert self.second_peers is not None
        unit = self.app.units[number]
        address = self.charm.states.address(number)
        relation = dataclasses.replace(self.second_peers, local_unit_data=address)
        unit.state = dataclasses.replace(unit.state, relations={*unit.state.relations, relation})

    # Events:

    @stateful.precondition(lambda self: self.waiting)
    @stateful.rule(data=strategies.data())
    def deliver_one(self, data: strategies.DataObject):
        """Any of the waiting events arrives."""
        event = data.draw(strategies.sampled_from(self.waiting))
        self.app.queue.remove(event)
        self.run(*event)

    @stateful.precondition(lambda self: self.waiting)
    @stateful.rule(data=strategies.data())
    def drop_one(self, data: strategies.DataObject):
        """Any of the waiting events is skipped; update-status does what it would have done."""
        number, kind = data.draw(strategies.sampled_from(self.waiting))
        self.app.queue.remove((number, kind))
        if kind == "workload_pebble_ready":
            self.set_pebble(number, answers=True)
        self.run(number, "update_status")

    @stateful.precondition(lambda self: self.up)
    @stateful.rule(data=strategies.data())
    def stray(self, data: strategies.DataObject):
        """An event arrives late or twice, at a unit that it may not concern any more."""
        number = data.draw(strategies.sampled_from(self.up))
        # What comes after stop and remove is a unit of another name, or its new pod.
        kinds = [kind for kind in self.charm.events.OBSERVED if kind not in LEAVING]
        self.run(number, data.draw(strategies.sampled_from(kinds)))

    @stateful.precondition(lambda self: self.app.secrets and self.app.leader in self.up)
    @stateful.rule(kind=strategies.sampled_from(ROTATING))
    def rotate(self, kind: str):
        """The leader rotates, whichever revision it tracks."""
        self.run(self.app.leader, kind)

    @stateful.precondition(lambda self: self.up)
    @stateful.rule(data=strategies.data(), steps=strategies.integers(0, 6))
    def cut_short(self, data: strategies.DataObject, steps: int):
        """A hook is killed after some of its changes of the system, and perhaps not retried."""
        waiting = self.waiting or [(number, "update_status") for number in self.up]
        number, kind = data.draw(strategies.sampled_from(waiting))
        self.run(number, kind, steps)

    @stateful.precondition(lambda self: self.app.units)
    @stateful.rule(data=strategies.data())
    def settle(self, data: strategies.DataObject):
        """Every unit is up, one of them leads, and all that waits arrives: then all agree."""
        self.app.down.clear()
        self.without_peers.clear()
        self.refused.clear()
        self.planned = 0
        if self.app.leader is None:
            self.app.elect(data.draw(strategies.sampled_from(self.up)))
        self.configure("debug")
        while self.app.queue:
            self.run(*self.app.queue.pop(0))

        applied = [self.app.units[number].system.settings for number in self.up]
        assert None not in applied
        assert {each["leader"] for each in applied} == {
            f"{self.charm.states.APP}/{self.app.leader}"
        }
        for name in ("leader_address", "planned_units", *RESTARTING):
            assert len({each[name] for each in applied}) == 1, name
        before = self.application(), self.interruptions()
        for number in self.up:
            self.run(number, "update_status")
        assert self.app.queue == []
        assert (self.application(), self.interruptions()) == before

    # What must be true:

    def application(self) -> tuple[Any, ...]:
        """Return what only the leader may change."""
        secrets = {
            secret_id: [dict(revision.latest_content or {}) for revision in revisions]
            for secret_id, revisions in self.app.secrets.items()
        }
        return {key: dict(databag) for key, databag in self.app.databags.items()}, secrets

    def interruptions(self) -> dict[int, int]:
        """Return how often each unit's workload was interrupted."""
        return {number: unit.system.interruptions for number, unit in self.app.units.items()}

    def run(self, number: int, kind: str, steps: int = -1) -> None:
        """Run an event on a unit, if Juju can send it now, and check what it has changed."""
        app, unit = self.app, self.app.units[number]
        if kind.startswith("secret_") and not app.secrets:
            return
        if kind.startswith("peers_") and number in self.without_peers:
            return
        if kind == "workload_pebble_ready":
            pebble = dataclasses.replace(unit.state.get_container("workload"), can_connect=True)
            unit.state = dataclasses.replace(unit.state, containers={pebble})
        before, system = self.application(), unit.system
        interruptions = system.interruptions
        running = {service: dict(files) for service, files in system.running.items()}
        read = invariants.read_by_the_workload(system)
        app.writers.clear()
        system.steps_left = steps
        try:
            state = self.play(number, kind)
        except testing.ActionFailed:
            assert kind == "rotate_credentials_action"
            assert number != app.leader or not app.secrets
            return
        except self.charm.fakes.Killed:
            assert self.application() == before
            self.cut.add(number)
            if self.is_kubernetes:
                self.set_pebble(number, answers=True)
            self.check_leads(number, read)
            return
        finally:
            system.steps_left = -1
        self.check_leads(number, read)
        self.check_written(number, kind, before)
        self.check_shown(number, state)
        if kind in invariants.READING or not invariants.check_converged(
            self.charm, number, system, state, kind
        ):
            assert system.running == running
        else:
            now = invariants.read_by_the_workload(system) or {}
            needs_restart = not read or any(read[name] != now[name] for name in RESTARTING)
            most = 1 if needs_restart or number in self.cut else 0
            assert system.interruptions - interruptions <= most
            self.cut.discard(number)

    def play(self, number: int, kind: str) -> testing.State:
        """Run an event on a unit, with what Juju keeps from it now."""
        app, unit = self.app, self.app.units[number]
        changes: dict[str, Any] = {
            "config": {"log-level": self.log_level},
            "planned_units": len(app.units) + self.planned,
        }
        hidden = {
            relation
            for relation in unit.state.relations
            if relation.endpoint == "peers" and number in self.without_peers
        }
        unit.state = dataclasses.replace(unit.state, relations=unit.state.relations - hidden)
        try:
            with refusing() if number in self.refused else contextlib.nullcontext():
                state = app.run(number, kind, **changes)
        finally:
            relations = unit.state.relations | hidden
            unit.state = dataclasses.replace(unit.state, relations=relations)
        if number in self.refused:
            unusable = {relation for relation in state.relations if relation.endpoint == "peers"}
            state = dataclasses.replace(state, relations=state.relations - unusable)
        return state

    def leave(self, number: int, event: str) -> None:
        """Run one of the last hooks of a unit, which changes nothing that others see."""
        unit, before = self.app.units[number], self.application()
        running = dict(unit.system.running)
        ctx = self.charm.states.context(number)
        state = self.app.state(number)
        peers = self.charm.states.peers(state) if not self.second_peers else None
        if event in ("departed", "broken") and peers is None:
            return
        occurrence = {
            # A number would not do for unit 0.
            "departed": lambda: ctx.on.relation_departed(
                peers, remote_unit=99, departing_unit=str(number)
            ),
            "broken": lambda: ctx.on.relation_broken(peers),
        }.get(event, lambda: getattr(ctx.on, event)())()
        with unit.system.patched():
            after = ctx.run(occurrence, state)
        assert after.unit_status == testing.MaintenanceStatus("stopping")
        assert after.app_status == state.app_status
        assert {r.id: r.local_app_data for r in after.relations} == {
            r.id: r.local_app_data for r in state.relations
        }
        assert self.application() == before
        if event in ("departed", "broken"):
            assert unit.system.running == running

    def check_leads(self, number: int, read: dict[str, Any] | None) -> None:
        """No unit that doesn't lead tells its workload that it leads."""
        now = invariants.read_by_the_workload(self.app.units[number].system)
        if now and now != read and now["leads"]:
            assert number == self.app.leader

    def check_written(self, number: int, kind: str, before: tuple[Any, ...]) -> None:
        """Only the leader writes for the application, and only a rotation sets a password."""
        app = self.app
        assert set(app.writers) <= {app.leader}
        assert len(app.secrets) <= 1
        if number != app.leader:
            assert self.application() == before
        for secret_id, revisions in self.application()[1].items():
            former = before[1].get(secret_id, [])
            assert revisions[: len(former)] == former
            if former and len(revisions) > len(former):
                assert kind in ROTATING
                assert revisions[-1].keys() == former[-1].keys()
            new = [each["password"] for each in revisions[len(former) :]]
            assert not set(new) & set(self.passwords)
            self.passwords += new

    def check_shown(self, number: int, state: testing.State) -> None:
        """No password is in a databag, a status or a log."""
        unit = self.app.units[number]
        shown = f"{self.app.databags} {state.unit_status} {state.app_status} {unit.ctx.juju_log}"
        shown += f"{[relation.local_unit_data for relation in state.relations]}"
        assert not [password for password in self.passwords if password in shown]


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Refuse the data of every relation, as ops makes it known."""

    def refuse(backend: scenario_commands.Backend, command: str) -> None:
        if command in ("relation-get", "relation-set"):
            raise ops.model.RelationNotFoundError("ERROR permission denied")

    with scenario_commands.watched(refuse):
        yield


@parameters.SUBSTRATES
def test_the_units_agree_after_any_history(baker: baking.Baker, substrate: str):
    with loading.loaded(baker.bake({"substrate": substrate})) as charm:
        machine = type("HistoryOfOneCharm", (History,), {"charm": charm})
        stateful.run_state_machine_as_test(machine, settings=SETTINGS)

"""Does a charm stay right when a hook fails, is killed or loses leadership at any point?

Each event runs on a leader, on a follower, and on a follower that has the name of the published
leader; in an application that another unit has led, and in one that nobody has led yet. It runs
again and again: each time leadership moves at another of is-leader's answers or before Juju
commits, or another hook command fails, or the hook is killed before another change of the system.
Then comes the retry, or the next event, and must bring the unit in line.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import logging
import pathlib
import shutil
import traceback
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import ops
import pytest
from ops import testing

from tests.support import baking, invariants, loading, parameters, scenario_commands

UNITS = pytest.mark.parametrize(
    ("role", "published"),
    [
        pytest.param("leader", True, id="takeover"),
        pytest.param("leader", False, id="first leader"),
        pytest.param("follower", True, id="follower"),
        pytest.param("follower", False, id="follower of nobody"),
        pytest.param("namesake", True, id="namesake"),
    ],
)
ROTATING = ("secret_rotate", "rotate_credentials_action")  # Only these set a new password.
# How ops, or Juju, refuses a write if leadership has moved after the charm asked.
REFUSALS = (
    "is not leader and cannot",
    "is not the leader",
    "needs leadership",
    "permission denied",
    "as a non-leader unit",
)


class Unit:
    """APP/0, to which the same can happen again and again."""

    def __init__(self, charm: loading.Charm, root: pathlib.Path, role: str, published: bool):
        (root / "units").mkdir()
        app = charm.application.Application(root / "units", 2)
        self.name = f"{charm.states.APP}/0"
        if published:
            app.elect(1)
            app.deliver()
            app.run(1, "rotate_credentials_action")  # So there is a revision to move on to.
            (databag,) = app.databags.values()
            databag["leader"] = self.name if role == "namesake" else databag["leader"]
        self.charm = charm
        self.system = app.units[0].system
        self.state = dataclasses.replace(app.state(0), leader=role == "leader")
        for secret in self.state.secrets:  # So that secret-remove is about an old revision.
            object.__setattr__(secret, "_latest_revision", 2)
            object.__setattr__(secret, "_tracked_revision", 2)
        self._backup = shutil.copytree(self.system.root, root / "backup")
        self._fields = copy.deepcopy({**vars(self.system), "root": None})

    def reset(self) -> None:
        """Bring the system back to what it was at first."""
        shutil.rmtree(self.system.root)
        shutil.copytree(self._backup, self.system.root)
        vars(self.system).update({**copy.deepcopy(self._fields), "root": self.system.root})


class Command(NamedTuple):
    """A hook command of a run."""

    name: str
    code: tuple[object, ...]  # Which code of the charm ran it.
    revisions: int  # How many revisions the secrets had.


@dataclasses.dataclass
class Run:
    """One run of an event, with at most one fault."""

    moves_at: int = 0  # Leadership moves at this answer of is-leader, counted from 1.
    fails_at: int = 0  # This hook command fails, counted from 1.
    killed_at: int = 0  # The hook is killed before this change of the system, counted from 1.
    is_refused: bool = False  # Leadership moves before Juju commits, so it refuses to.
    keeps_secrets: bool = False  # Juju 3 applies what a hook did to secrets before the rest.
    answers: int = 0
    changes: int = 0
    read_before: dict[str, Any] | None = None  # What the workload had read before.
    commands: list[Command] = dataclasses.field(default_factory=list)
    fault: BaseException | None = None
    error: BaseException | None = None
    writes_of_followers: list[str] = dataclasses.field(default_factory=list)
    committed: testing.State | None = None  # What Juju keeps of the run, if it succeeds.
    discarded: testing.State | None = None  # What it has done until it failed.

    def kept(self, before: testing.State) -> testing.State:
        """Return what the next event finds."""
        if self.committed is not None:
            return self.committed
        assert self.discarded is not None
        secrets = self.discarded.secrets if self.keeps_secrets else before.secrets
        leader = self.discarded.leader
        return copy.deepcopy(dataclasses.replace(before, leader=leader, secrets=secrets))

    def before(self, backend: scenario_commands.Backend, command: str) -> None:
        """Note a hook command, and make the fault if it is due."""
        state: Any = backend._state
        self.discarded = state
        revisions = sum(secret._latest_revision for secret in state.secrets)
        self.commands.append(Command(command, find_code(), revisions))
        if command == "is-leader":
            self.answers += 1
            if self.answers == self.moves_at:
                object.__setattr__(state, "leader", not state.leader)
                for secret in state.secrets:  # The owner is who may write, in Scenario.
                    if secret.label == invariants.SECRET_LABEL:
                        object.__setattr__(secret, "owner", "app")
        if len(self.commands) == self.fails_at:
            self.fault = ops.ModelError(f"ERROR {command} fails")
            raise self.fault

    def wrote(self, backend: scenario_commands.Backend, command: str) -> None:
        """Note a write of a unit that doesn't lead."""
        if not backend._state.leader:
            self.writes_of_followers.append(command)

    def make(self, unit: Unit, kind: str, state: testing.State) -> None:
        """Run an event on a unit, whose services run whatever became of the hook before."""
        running = dict.fromkeys(unit.system.running, ops.pebble.ServiceStatus.ACTIVE)
        containers = {
            dataclasses.replace(container, service_statuses=running)
            for container in state.containers
        }
        state = dataclasses.replace(state, containers=containers)
        self.read_before = invariants.read_by_the_workload(unit.system)
        unit.system.steps_left = self.killed_at - 1
        ctx = unit.charm.states.context(0)
        event = unit.charm.events.variants(ctx, kind, state)[0]
        with unit.system.patched(), scenario_commands.watched(self.before, self.wrote):
            try:
                self.committed = ctx.run(event, state)
            except testing.ActionFailed as e:
                # ops types it as Harness's state, which has the same name.
                self.committed = cast(testing.State, e.state)
            except testing.errors.UncaughtCharmError as e:
                self.error = e.__cause__
            except unit.charm.fakes.Killed as e:
                self.error = self.fault = e
                self.changes = self.killed_at
        if not self.killed_at:
            self.changes = -1 - unit.system.steps_left
        unit.system.steps_left = -1
        if self.is_refused:
            self.discarded, self.committed = self.committed, None
            object.__setattr__(self.discarded, "leader", False)


@parameters.SUBSTRATES
@UNITS
def test_a_fault_at_any_point_does_no_harm(
    baker: baking.Baker,
    tmp_path: pathlib.Path,
    caplog: pytest.LogCaptureFixture,
    substrate: str,
    role: str,
    published: bool,
):
    with loading.loaded(baker.bake({"substrate": substrate})) as charm:
        unit = Unit(charm, tmp_path, role, published)
        caplog.set_level(logging.DEBUG)
        met: set[object] = set()
        for kind in charm.events.OBSERVED:
            if kind.startswith("secret_") and not published:
                continue  # There is no secret that the event could be about.
            state = charm.events.seen_by(kind, unit.state)
            run = Run()
            play(unit, kind, state, run, caplog)
            for fault in faults(run, state, met):
                play(unit, kind, state, fault, caplog)


def faults(run: Run, state: testing.State, met: set[object]) -> Iterator[Run]:
    """Make a run for each fault that an event can meet, as a run without one shows.

    What the same code of the charm runs again, perhaps for another event, is spared: Scenario asks
    who leads dozens of times for an event, ops asks Juju at most once in 30 seconds.

    Args:
        run: The run without a fault.
        state: What the unit sees.
        met: The commands and steps that have had their faults, to which this adds.
    """

    def make(**fault: int | bool) -> Iterator[Run]:
        run = Run(**fault)  # type: ignore[arg-type]
        yield run
        if run.committed is None and contents(run.discarded) != contents(state):
            yield Run(**fault, keeps_secrets=True)  # type: ignore[arg-type]

    answers = 0
    for at, command in enumerate(run.commands, start=1):
        answers += command.name == "is-leader"
        if command in met:
            continue
        met.add(command)
        yield from make(fails_at=at)
        if command.name == "is-leader":
            yield from make(moves_at=answers)
    steps = (*sorted(command.name for command in run.commands), run.changes)
    for at in range(1, run.changes + 1 if steps not in met else 1):
        yield Run(killed_at=at)
    met.add(steps)
    if state.leader:
        yield from make(is_refused=True)


def find_code() -> tuple[object, ...]:
    """Return the charm's functions that are running, without handlers, and where each one is."""
    found: list[object] = []
    frame = inspect.currentframe()
    while frame := frame and frame.f_back:
        code = frame.f_code
        if "/src/" in code.co_filename and not code.co_name.startswith("_on_"):
            found.append((code, frame.f_lasti))
    return tuple(found)


def contents(state: testing.State | None) -> dict[str, dict[str, str]]:
    """Return the newest content of each secret, by its ID."""
    secrets = state.secrets if state else ()
    return {secret.id: dict(secret.latest_content or {}) for secret in secrets}


def play(
    unit: Unit, kind: str, state: testing.State, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Run an event, and after a fault what comes next: its retry, or another event."""
    where = f"{kind} with {run}"
    unit.reset()
    caplog.clear()
    run.make(unit, kind, state)
    check(unit, kind, state, run, where)
    if run.committed is None or run.moves_at:
        found, next_kind = run.kept(state), kind
        if kind not in invariants.LEAVING and (run.killed_at or kind in unit.charm.events.ACTIONS):
            next_kind = "update_status"  # Juju doesn't retry an action, an operator may skip one.
        found, again = unit.charm.events.seen_by(next_kind, found), Run()
        again.make(unit, next_kind, found)
        check(unit, next_kind, found, again, f"{where}, then {next_kind}")
    shown = caplog.text + "".join(traceback.format_exception(run.error))
    for each in (run.discarded, run.committed):
        for content in contents(each).values():
            assert content.get("password", "no password") not in shown, where


def check(unit: Unit, kind: str, before: testing.State, run: Run, where: str) -> None:
    """Check what a run did, and which error it ended in."""
    assert run.writes_of_followers == [], where
    after = run.committed or run.discarded
    assert after is not None
    found, changed = contents(before), contents(after)
    ours = [secret for secret in after.secrets if secret.label == invariants.SECRET_LABEL]
    assert len(ours) <= 1, where
    if kind not in ROTATING:
        assert {each: changed[each] for each in found} == found, where
    if not before.leader and not run.moves_at:
        read = invariants.read_by_the_workload(unit.system)
        assert read == run.read_before or not read or read["leader"] != unit.name, where
    if run.error is not run.fault:
        # ops or Juju refuses a write, since leadership moved after the charm had asked.
        assert run.moves_at, where
        assert any(refusal in str(run.error) for refusal in REFUSALS), f"{where}: {run.error!r}"
    if run.committed is None or run.moves_at or kind in unit.charm.events.ACTIONS:
        return  # Leadership may have moved after the unit's part was done.
    if kind in invariants.LEAVING:
        assert run.committed.unit_status == testing.MaintenanceStatus("stopping"), where
    else:
        invariants.check_converged(unit.charm, 0, unit.system, run.committed, where)

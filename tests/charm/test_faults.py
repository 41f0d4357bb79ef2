"""Does a charm stay right when leadership or a hook command fails at any point of any event?

Each event runs on a leader and on a follower, of an application that another unit led before and
of one that nobody has led yet. It runs again and again: each time leadership moves at another of
is-leader's answers, or another hook command fails. Afterwards it runs without a fault, as Juju
retries it, and must bring the unit in order.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import logging
import pathlib
import traceback
from collections.abc import Iterator
from typing import Any, cast

import ops
import pytest
from ops import testing

from tests.support import baking, hook_commands, loading, matrix

SUBSTRATES = pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])
LEADERSHIP = pytest.mark.parametrize("leader", [True, False], ids=["leader", "follower"])
# Only these set a new password.
ROTATING = {"secret_rotate", "secret_expired", "rotate-credentials"}
# These end before the workload is in line, on a follower at least.
OTHERS = {"secret_remove", "rotate-credentials", "show-leadership", "install", "stop", "remove"}


@dataclasses.dataclass
class Run:
    """One run of an event, with at most one fault."""

    moves_at: int = 0  # Leadership moves at this answer of is-leader, counted from 1.
    fails_at: int = 0  # This hook command fails, counted from 1.
    answers: int = 0
    commands: int = 0
    fault: ops.ModelError | None = None
    error: BaseException | None = None
    writes_of_followers: list[str] = dataclasses.field(default_factory=list)
    committed: testing.State | None = None  # What Juju keeps of the run, if the run succeeds.
    discarded: testing.State | None = None  # What it has done until it failed.

    @property
    def has_fault(self) -> bool:
        """Whether the run went on until its fault."""
        return self.answers >= self.moves_at and self.commands >= self.fails_at

    def before(self, backend: hook_commands.Backend, command: str) -> None:
        """Count a hook command, and make the fault if it is due."""
        state: Any = backend._state
        self.discarded = state
        self.commands += 1
        if command == "is-leader":
            self.answers += 1
            if self.answers == self.moves_at:
                object.__setattr__(state, "leader", not state.leader)
                for secret in state.secrets:  # The owner is who may write, in Scenario.
                    if secret.label == "credentials":
                        object.__setattr__(secret, "owner", "app")
        if self.commands == self.fails_at:
            self.fault = ops.ModelError(f"ERROR {command} fails")
            raise self.fault

    def wrote(self, backend: hook_commands.Backend, command: str) -> None:
        """Note a write of a unit that doesn't lead."""
        if not backend._state.leader:
            self.writes_of_followers.append(command)

    def make(self, unit: Any, event: str, state: testing.State) -> None:
        """Run the event on a unit."""
        with hook_commands.watched(self.before, self.wrote):
            try:
                revision = 0 if event == "secret_remove" else 1
                self.committed = unit.run(event, state, revision=revision)
            except testing.ActionFailed as e:
                # ops types it as Harness's state, which has the same name.
                self.committed = cast(testing.State, e.state)
            except testing.errors.UncaughtCharmError as e:
                self.error = e.__cause__


@SUBSTRATES
@LEADERSHIP
@pytest.mark.parametrize("published", [True, False], ids=["takeover", "deploy"])
@pytest.mark.parametrize("moves", [True, False], ids=["leadership moves", "a command fails"])
def test_a_fault_at_any_point_does_no_harm(
    baker: baking.Baker,
    tmp_path: pathlib.Path,
    caplog: pytest.LogCaptureFixture,
    substrate: str,
    leader: bool,
    published: bool,
    moves: bool,
):
    with loading.loaded(baker.bake({"substrate": substrate})) as charm:
        caplog.set_level(logging.DEBUG)
        for event in charm.units.RECONCILING + charm.units.OTHERS:
            if not published and event.startswith("secret_"):
                continue  # There is no secret that the event could be about.
            faults = 0
            for at in itertools.count(1):
                unit = charm.units.Unit(1, tmp_path / event / str(at))
                before = _begin(charm.units, unit, leader, published)
                run = Run(moves_at=at) if moves else Run(fails_at=at)
                run.make(unit, event, before)
                if not run.has_fault:
                    break
                faults += 1
                where = f"{event}, fault {at}"
                _check_run(charm.units, run, event, before, where)
                for found in _after(run, before):
                    retry = Run()
                    retry.make(unit, event, found)
                    _check_run(charm.units, retry, event, found, f"{where}, retried")
                    assert retry.committed is not None, where
                    _check_order(charm.units, unit, event, retry.committed, where)
                    _check_logs(run, retry, caplog)
                caplog.clear()
            assert faults, f"{event} met no fault"


def _begin(units: Any, unit: Any, leader: bool, published: bool) -> testing.State:
    """Make an application that nobody has led, or whose leader was another unit until now."""
    if not published:
        return unit.state(leader=leader)
    secret = units.make_secret(latest={**units.CONTENT, "password": "second-password"})
    databag = {"leader": f"{units.APP}/0", "credentials-id": secret.id}
    return unit.state(leader=leader, databag=databag, secret=secret)


def _check_run(units: Any, run: Run, event: str, before: testing.State, where: str) -> None:
    """What must never be, and which errors may be."""
    assert run.writes_of_followers == [], where
    after = run.committed or run.discarded
    assert after is not None
    secrets = {secret.id: secret for secret in after.secrets - {units.OTHER_SECRET}}
    assert len(secrets) <= 1, where
    for old in before.secrets - {units.OTHER_SECRET}:
        changed = secrets[old.id].latest_content != old.latest_content
        assert not changed or event in ROTATING, where
    if run.error is not None and run.error is not run.fault:
        # ops or Juju refuses a write, since leadership moved after the charm had asked.
        assert run.moves_at, where
        refusals = (
            "is not leader and cannot",
            "permission denied",
            "needs leadership",
            "as a non-leader unit",
        )
        assert any(refusal in str(run.error) for refusal in refusals), f"{where}: {run.error!r}"


def _after(run: Run, before: testing.State) -> Iterator[testing.State]:
    """What the retry may find: Juju discards a failed run, but may keep its secrets.

    Juju 3 applies what a hook did to secrets before the rest.
    """
    assert run.discarded is not None
    leader = (run.committed or run.discarded).leader
    if run.committed is not None:
        yield run.committed
        return
    yield dataclasses.replace(copy.deepcopy(before), leader=leader)
    if run.discarded.secrets != before.secrets:
        secrets = copy.deepcopy(run.discarded.secrets)
        yield dataclasses.replace(copy.deepcopy(before), leader=leader, secrets=secrets)


def _check_order(units: Any, unit: Any, event: str, state: testing.State, where: str) -> None:
    """What holds on a unit, and on the leader for the application, after an event went well."""
    if event in OTHERS:
        return
    databag = units.get_databag(state)
    if state.leader:
        assert databag["leader"] == unit.name, where
        assert databag["credentials-id"] == units.get_secret(state).id, where
        assert state.app_status == testing.ActiveStatus(), where
    if not databag:
        # The file may hold a secret that Juju has discarded; the next leader's replaces it.
        assert isinstance(state.unit_status, testing.WaitingStatus), where
        return
    secret = units.get_secret(state)
    assert unit.configuration == {
        "leader": databag["leader"],
        "log_level": "info",
        **secret.latest_content,
    }, where
    assert secret.tracked_content == secret.latest_content, where
    assert state.unit_status == testing.ActiveStatus(), where


def _check_logs(run: Run, retry: Run, caplog: pytest.LogCaptureFixture) -> None:
    """No password that a secret ever had is in a log line or a traceback."""
    shown = caplog.text + "".join(traceback.format_exception(run.error))
    for state in (run.discarded, run.committed, retry.committed):
        for secret in state.secrets if state else ():
            for content in (secret.tracked_content, secret.latest_content):
                assert content.get("password", "no password") not in shown

"""Does the generated integration test that should fail do so, and no other, if Juju errs?"""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from tests.simulation import model, suite
from tests.support import baking, matrix, packing

TIMEOUT = 12.0  # Seconds; longer than a lease of the simulation.
Run = Callable[[str, model.Model, str], dict[str, str]]


@pytest.fixture
def run(packer: packing.Packer, tmp_path: pathlib.Path, tox_folder: pathlib.Path) -> Run:
    """Return what runs some of a substrate's tests and returns the failures by test."""

    def run(substrate: str, juju: model.Model, only: str) -> dict[str, str]:
        variant = {
            "substrate": substrate,
            "base": matrix.CHOICES["base"][0],
            "integration_tests": "jubilant",
        }
        tests = suite.Suite(variant, packer, tmp_path, tox_folder)
        result = tests.run(juju, only=f"test_deploy or {only}", timeout=TIMEOUT)
        assert len(result.tests) == 2
        return result.failed

    return run


class FirstLeaderKeepsTheLease(model.Model):
    """Only the first leader is ever given the lease."""

    first: str | None = None

    def claim(self, unit: model.Unit) -> None:
        self.first = self.first or unit.name
        if unit.name == self.first:
            super().claim(unit)


def test_leadership_never_moves(run: Run):
    failed = run("machine", FirstLeaderKeepsTheLease(baking.CHARM_NAME), "test_failover")

    assert set(failed) == {"test_failover"}
    assert "TimeoutError" in failed["test_failover"]
    assert "other_than=old" in failed["test_failover"]


class TwoLeaders(model.Model):
    """The status shows two units as the leader."""

    def is_shown_as_leader(self, unit: model.Unit) -> bool:
        return unit.name.endswith(("/0", "/1"))


def test_two_units_lead(run: Run):
    only = "test_every_unit_follows_the_leader"

    failed = run("machine", TwoLeaders(baking.CHARM_NAME), only)

    assert set(failed) == {"test_deploy", only}
    assert "wait_for_leader" in failed["test_deploy"]
    assert "TimeoutError" in failed[only]


class OldLeaderIsElectedAgain(FirstLeaderKeepsTheLease):
    """When the lease has run out, the unit that had it is said to lead again."""

    def is_shown_as_leader(self, unit: model.Unit) -> bool:
        return unit.name == self.first


def test_the_old_leader_is_elected_again(run: Run):
    """On Kubernetes, where it is still there."""
    failed = run("kubernetes", OldLeaderIsElectedAgain(baking.CHARM_NAME), "test_failover")

    assert set(failed) == {"test_failover"}
    assert "TimeoutError" in failed["test_failover"]
    assert "other_than=old" in failed["test_failover"]


class ElectionChangesTheSecret(model.Model):
    """Each change of leader comes with a new password."""

    last: str | None = None

    def claim(self, unit: model.Unit) -> None:
        super().claim(unit)
        if self.last not in (None, self.leader):
            for secret in self.secrets.values():
                content = {**secret.revisions[secret.latest], "password": "changed"}
                self.set_secret(secret.id, content)
                secret.tracked[str(self.leader)] = secret.latest
        self.last = self.leader


def test_the_secret_changes_in_the_failover(run: Run):
    failed = run("machine", ElectionChangesTheSecret(baking.CHARM_NAME), "test_failover")

    assert set(failed) == {"test_failover"}
    assert "assert after[0].fingerprint == before[0].fingerprint" in failed["test_failover"]


class DatabagIsStale(FirstLeaderKeepsTheLease):
    """Units go on reading what was published first, but for those that lead."""

    def claim(self, unit: model.Unit) -> None:
        self.first = self.first or unit.name
        model.Model.claim(self, unit)

    def read_databag(self, unit: model.Unit) -> dict[str, str]:
        databag = super().read_databag(unit)
        stale = databag and not self.is_leader(unit)
        return databag | ({"leader": str(self.first)} if stale else {})


def test_a_unit_names_the_wrong_leader(run: Run):
    juju = DatabagIsStale(baking.CHARM_NAME)

    failed = run("machine", juju, "test_failover")

    assert set(failed) == {"test_failover"}
    assert f"names {juju.first}, not" in failed["test_failover"]


class ChangesAreToldOnce(model.Model):
    """A unit gets peers-relation-changed for the first leader, and for no other."""

    def next_hook(self, unit: model.Unit) -> model.Hook | None:
        hook = super().next_hook(unit)
        told = (unit.name, "peers-relation-changed") in self.history
        return None if hook and hook.name == "peers-relation-changed" and told else hook


def test_a_unit_is_not_told_of_the_new_leader(run: Run):
    failed = run("machine", ChangesAreToldOnce(baking.CHARM_NAME), "test_failover")

    assert set(failed) == {"test_failover"}
    assert "has not configured its workload" in failed["test_failover"]


class CommandsAreLost(model.Model):
    """Some commands over juju ssh succeed without effect."""

    def __init__(self, *lost: str):
        super().__init__(baking.CHARM_NAME, model.Timing(action=TIMEOUT))
        self._lost = {f"/charm/bin/pebble {command}" for command in lost}

    def loses(self, command: str) -> bool:
        return command in self._lost


def test_the_agent_is_not_brought_back(run: Run):
    """With its liveness check on, the kubelet would bring it back."""
    juju = CommandsAreLost("start container-agent", "start-checks liveness")

    failed = run("kubernetes", juju, "test_failover")

    assert set(failed) == {"test_failover"}
    assert "timed out waiting for action" in failed["test_failover"]


def test_the_liveness_check_goes_on(run: Run):
    """The kubelet restarts the agent before the lease has run out, so nothing moves."""
    failed = run("kubernetes", CommandsAreLost("stop-checks liveness"), "test_failover")

    assert set(failed) == {"test_failover"}
    assert "TimeoutError" in failed["test_failover"]
    assert "other_than=old" in failed["test_failover"]


class FollowersMayRotate(model.Model):
    """Any unit is told that it leads while it runs an action that rotates."""

    def is_leader(self, unit: model.Unit) -> bool:
        rotates = any(action.name == "rotate-credentials" for action in unit.actions)
        return rotates or super().is_leader(unit)


def test_a_follower_rotates(run: Run):
    only = "test_rotation_is_refused_on_a_follower"

    failed = run("machine", FollowersMayRotate(baking.CHARM_NAME), only)

    assert set(failed) == {only}
    assert "DID NOT RAISE" in failed[only]

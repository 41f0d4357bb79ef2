"""Does the generated integration test that should fail do so, and no other, if Juju errs?"""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from tests import baking, matrix, packing
from tests.simulation import model, suite

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


@pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])
def test_leadership_never_moves(run: Run, substrate: str):
    failed = run(substrate, FirstLeaderKeepsTheLease(baking.CHARM_NAME), "test_failover")

    assert set(failed) == {"test_failover"}
    assert "TimeoutError" in failed["test_failover"]


class TwoLeaders(model.Model):
    """Two units are told that they lead."""

    def is_leader(self, unit: model.Unit) -> bool:
        return unit.name.endswith(("/0", "/1"))


@pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])
def test_two_units_lead(run: Run, substrate: str):
    failed = run(substrate, TwoLeaders(baking.CHARM_NAME), "test_every_unit")

    assert set(failed) == {"test_deploy", "test_every_unit_follows_the_leader"}
    assert "get_leader_unit" in failed["test_deploy"]


class OldLeaderIsElectedAgain(FirstLeaderKeepsTheLease):
    """When the lease has run out, the unit that had it is said to lead again."""

    def is_leader(self, unit: model.Unit) -> bool:
        if self.leader is None and unit.name == self.first:
            return len(self.units) == 3
        return super().is_leader(unit)


def test_the_old_leader_is_elected_again(run: Run):
    failed = run("kubernetes", OldLeaderIsElectedAgain(baking.CHARM_NAME), "test_failover")

    assert set(failed) == {"test_failover"}
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


@pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])
def test_the_secret_changes_in_the_failover(run: Run, substrate: str):
    failed = run(substrate, ElectionChangesTheSecret(baking.CHARM_NAME), "test_failover")

    assert set(failed) == {"test_failover"}
    assert "assert after[0].fingerprint == before[0].fingerprint" in failed["test_failover"]


class LastUnitIsToldNothing(model.Model):
    """The unit with the highest number gets relation-changed for the first leader only."""

    def next_hook(self, unit: model.Unit) -> model.Hook | None:
        hook = super().next_hook(unit)
        told = hook and hook.name == "peers-relation-changed" and unit.name.endswith("/1")
        return None if hook and told and (unit.name, hook.name) in self.history else hook


@pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])
def test_a_unit_names_the_wrong_leader(run: Run, substrate: str):
    failed = run(substrate, LastUnitIsToldNothing(baking.CHARM_NAME), "test_failover")

    assert set(failed) == {"test_failover"}
    assert f"names {baking.CHARM_NAME}/0, not" in failed["test_failover"]


class CommandIsLost(model.Model):
    """A command over juju ssh succeeds without effect."""

    def __init__(self, lost: str):
        super().__init__(baking.CHARM_NAME, model.Timing(action=TIMEOUT))
        self._lost = lost

    def loses(self, command: str) -> bool:
        return command == self._lost


def test_the_agent_is_not_brought_back(run: Run):
    lost = "/charm/bin/pebble start container-agent"

    failed = run("kubernetes", CommandIsLost(lost), "test_failover")

    assert set(failed) == {"test_failover"}
    assert "timed out waiting for action" in failed["test_failover"]


def test_the_liveness_check_goes_on(run: Run):
    """The kubelet restarts the agent before the lease has run out, so nothing moves."""
    lost = "/charm/bin/pebble stop-checks liveness"

    failed = run("kubernetes", CommandIsLost(lost), "test_failover")

    assert set(failed) == {"test_failover"}
    assert "other_than=old" in failed["test_failover"]


class FollowersMayRotate(model.Model):
    """Any unit is told that it leads while it runs an action."""

    def is_leader(self, unit: model.Unit) -> bool:
        rotates = any(action.name == "rotate-credentials" for action in unit.actions)
        return rotates or super().is_leader(unit)


@pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])
def test_a_follower_rotates(run: Run, substrate: str):
    only = "test_rotation_is_refused_on_a_follower"

    failed = run(substrate, FollowersMayRotate(baking.CHARM_NAME), only)

    assert set(failed) == {only}
    assert "DID NOT RAISE" in failed[only]

"""Do the generated integration tests pass, unedited, and what do their failovers cost?"""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

from tests.simulation import model, releases, suite
from tests.support import baking, command, packing
from tools import matrix

TESTS = {
    "test_deploy",
    "test_every_unit_follows_the_leader",
    "test_rotation_reaches_every_unit",
    "test_rotation_is_refused_on_a_follower",
    "test_refresh_keeps_the_secret",
    "test_failover",
}
MACHINE_TESTS = {"test_failover_by_removal"}
# The base makes no difference to the tests; charms of every base are dispatched elsewhere.
VARIANTS = [
    variant for variant in matrix.functional() if variant["base"] == matrix.CHOICES["base"][0]
]
# On each Juju that the harness works with.
RUNS = [
    pytest.param(variant, channel, id=f"{matrix.name(variant)}-juju-{channel.split('/')[0]}")
    for variant in VARIANTS
    for channel in matrix.JUJU_CHANNELS[variant["integration_tests"]]
]
# In these runs each hook starts a process of its own, as on Juju; in others the agent forks.
DISPATCHED = [(harness, channels[-1]) for harness, channels in matrix.JUJU_CHANNELS.items()][-1]


class Observed(model.Model):
    """Juju, whose history has the agents' ends and starts beside the hooks."""

    def agent_lost(self, unit: model.Unit) -> None:
        super().agent_lost(unit)
        self.history.append((unit.name, "agent lost"))

    def agent_found(self, unit: model.Unit, *, is_new_pod: bool = False) -> None:
        super().agent_found(unit, is_new_pod=is_new_pod)
        self.history.append((unit.name, "agent found"))


@pytest.mark.parametrize("variant,channel", RUNS)
def test_they_pass(
    variant: matrix.Variant,
    channel: str,
    packer: packing.Packer,
    tmp_path: pathlib.Path,
    tox_folder: pathlib.Path,
):
    tests = suite.Suite(variant, packer, tmp_path, tox_folder)
    juju = Observed(baking.CHARM_NAME, release=releases.BY_CHANNEL[channel])

    is_dispatched = (variant["integration_tests"], channel) == DISPATCHED
    with tests.controller(juju, forks=not is_dispatched) as running:
        result = tests.run(running)

    is_machine = variant["substrate"] == "machine"
    expected = TESTS | (MACHINE_TESTS if is_machine else set())
    assert result.tests == dict.fromkeys(expected, "passed"), result.output
    if not is_machine:
        assert_pods_are_replaced_one_by_one(result.history)
    # A failover costs one leader-elected, and a peers-relation-changed for every unit that is
    # there, the new leader included; an old leader that returns gets it then.
    elections = [i for i, (_, hook) in enumerate(result.history) if hook == "leader-elected"]
    assert len(elections) == (3 if is_machine else 2)
    hooks = [hook for _, hook in result.history[elections[1] :]]
    assert hooks.count("peers-relation-changed") == (3 + 2 if is_machine else 3)


def assert_pods_are_replaced_one_by_one(history: list[tuple[str, str]]) -> None:
    """Check that each pod stops, and is back, before the next one of a refresh stops."""
    names = [f"{baking.CHARM_NAME}/{number}" for number in (2, 1, 0)]
    events = ("stop", "agent lost", "agent found")
    seen = [(unit, event) for unit, event in history if event in events]
    assert seen[3 : 3 + 9] == [(name, event) for name in names for event in events]
    for name in names:
        hooks = [hook for unit, hook in history if unit == name and not hook.startswith("agent")]
        after = hooks[hooks.index("stop") + 1 :][:4]
        assert after == ["upgrade-charm", "config-changed", "start", "workload-pebble-ready"]


@pytest.mark.parametrize("variant", VARIANTS[:2], ids=matrix.name)
def test_what_is_missing_is_said_in_one_line(
    variant: matrix.Variant, tmp_path: pathlib.Path, tox_folder: pathlib.Path
):
    """Rather than once for each test."""
    charm = baking.bake(variant, tmp_path / "baked")
    folder = tox_folder / variant["integration_tests"]

    def run(*words: str | pathlib.Path, path: pathlib.Path) -> str:
        """Run a command that fails with just these commands on PATH."""
        result = command.run(*words, cwd=charm, env={**os.environ, "PATH": str(path)})
        assert result.returncode != 0
        return result.stdout

    by_tox = run(
        *(sys.executable, "-m", "tox", "--workdir", folder, "-e", "integration"), path=tmp_path
    )
    outputs = []
    for name in ("juju", "charmcraft", None):
        pytest_command = (
            folder / "integration" / "bin" / "python",
            "-m",
            "pytest",
            "-W",
            "default",
        )
        outputs.append(run(*pytest_command, "tests/integration", path=tmp_path).strip())
        if name:
            (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
            (tmp_path / name).chmod(0o755)

    no_juju = "ERROR: no juju on PATH: CONTRIBUTING.md says how to set it up"
    no_charmcraft = no_juju.replace("juju", "charmcraft")
    no_charm = f"ERROR: no .charm file in {charm}: run 'charmcraft pack' first"
    needs_charmcraft = variant["integration_tests"] == "pytest-operator"
    assert outputs == [no_juju, no_charmcraft if needs_charmcraft else no_charm, no_charm]
    assert by_tox.count("ERROR") == 1 and no_juju in by_tox

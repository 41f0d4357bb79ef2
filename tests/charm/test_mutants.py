"""Do a charm's own unit tests fail when a guard of its leadership is taken away?

``tox -e mutation`` asks the same of every mutant that mutmut makes.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

from tests.support import baking, matrix

LEADERSHIP, CHARM, WORKLOAD = "src/leadership.py", "src/charm.py", "src/workload.py"
# Scenario reads and writes YAML for each run, which takes half of the run's time.
PYTEST = """
import sys, pytest, yaml
yaml.SafeDumper, yaml.SafeLoader = yaml.CSafeDumper, yaml.CSafeLoader
sys.exit(pytest.main())
"""
SUBSTRATES = pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])
SHARED = (LEADERSHIP,)  # Files that all charms have alike, as test_files.py makes sure.


class Mutant(NamedTuple):
    """A mistake to make in a charm: a text, found once, is replaced."""

    name: str
    caught_by: str  # The test file that must fail.
    file: str
    old: str
    new: str


MUTANTS = [
    Mutant(
        "a follower publishes",
        "leadership",
        LEADERSHIP,
        "if peers is None or not self._unit.is_leader():",
        "if peers is None:",
    ),
    Mutant(
        "only followers publish",
        "leadership",
        LEADERSHIP,
        "if peers is None or not self._unit.is_leader():",
        "if peers is None or self._unit.is_leader():",
    ),
    Mutant(
        "the leader publishes without a peer relation",
        "leadership",
        LEADERSHIP,
        "if peers is None or not self._unit.is_leader():",
        "if not self._unit.is_leader():",
    ),
    Mutant(
        "a follower answers in its own databag",
        "leadership",
        LEADERSHIP,
        "        if peers is None or not self._unit.is_leader():",
        "        if peers:\n"
        '            peers.data[self._unit]["seen"] = str(self.leader)\n'
        "        if peers is None or not self._unit.is_leader():",
    ),
    Mutant(
        "nobody publishes",
        "leadership",
        CHARM,
        "        self.leadership.publish()",
        "        pass",
    ),
    Mutant(
        "the databag isn't written",
        "leadership",
        LEADERSHIP,
        "peers.data[self._app].update(published)",
        "pass",
    ),
    Mutant(
        "a missing id isn't published",
        "credentials",
        LEADERSHIP,
        "        peers.data[self._app].update(published)",
        "        if self.leader != self._unit.name:\n"
        "            peers.data[self._app].update(published)",
    ),
    Mutant(
        "each leader makes a secret",
        "credentials",
        LEADERSHIP,
        "        if secret is None:\n            secret = self._app",
        "        if self.leader != self._unit.name:\n            secret = self._app",
    ),
    Mutant(
        "an election rotates",
        "credentials",
        LEADERSHIP,
        "        elif SECRET_ID_KEY not in self._published:",
        "        elif self.leader != self._unit.name:\n"
        "            secret.set_content(_generate())\n"
        "        elif SECRET_ID_KEY not in self._published:",
    ),
    Mutant(
        "a follower rotates",
        "credentials",
        LEADERSHIP,
        "        if not self._unit.is_leader():\n            raise",
        "        if False:\n            raise",
    ),
    Mutant(
        "only followers rotate",
        "credentials",
        LEADERSHIP,
        "        if not self._unit.is_leader():\n            raise",
        "        if self._unit.is_leader():\n            raise",
    ),
    Mutant(
        "nothing is rotated as if it were there",
        "actions",
        LEADERSHIP,
        "        if secret is None:\n            raise",
        "        if False:\n            raise",
    ),
    Mutant(
        "each secret-expired rotates",
        "credentials",
        LEADERSHIP,
        "if expired_revision is not None and",
        "if False and",
    ),
    Mutant(
        "a stale secret-rotate raises",
        "credentials",
        CHARM,
        "except leadership.NotLeaderError:",
        "except ZeroDivisionError:",
    ),
    Mutant(
        "another secret's rotation counts",
        "credentials",
        CHARM,
        "if event.secret.label == leadership.SECRET_LABEL:\n            self._rotate()",
        "if True:\n            self._rotate()",
    ),
    Mutant(
        "another secret's expiry counts",
        "credentials",
        CHARM,
        "if event.secret.label == leadership.SECRET_LABEL:\n            self._rotate(exp",
        "if True:\n            self._rotate(exp",
    ),
    Mutant(
        "a follower removes revisions",
        "credentials",
        LEADERSHIP,
        "if self._unit.is_leader():\n            secret.remove",
        "if True:\n            secret.remove",
    ),
    Mutant(
        "only followers remove revisions",
        "credentials",
        LEADERSHIP,
        "if self._unit.is_leader():\n            secret.remove",
        "if not self._unit.is_leader():\n            secret.remove",
    ),
    Mutant(
        "peek is get", "credentials", LEADERSHIP, "secret.peek_content()", "secret.get_content()"
    ),
    Mutant(
        "the newest revision isn't fetched",
        "credentials",
        LEADERSHIP,
        "get_content(refresh=refresh)",
        "get_content()",
    ),
    Mutant(
        "a reconcile doesn't refresh",
        "credentials",
        CHARM,
        "_settings(refresh=True)",
        "_settings()",
    ),
    Mutant(
        "the leader doesn't apply its own rotation",
        "credentials",
        CHARM,
        '            logger.info("leadership moved on; Juju asks the new leader to rotate")\n'
        "        self._reconcile()",
        '            logger.info("leadership moved on; Juju asks the new leader to rotate")',
    ),
    Mutant(
        "the leader doesn't apply the action's rotation",
        "actions",
        CHARM,
        "        self._reconcile()\n        event.set_results",
        "        event.set_results",
    ),
    Mutant(
        "install touches the peer relation",
        "status",
        LEADERSHIP,
        'os.environ.get("JUJU_HOOK_NAME") == "install"',
        "False",
    ),
    Mutant(
        "a departing unit reconciles",
        "leadership",
        CHARM,
        "if event.departing_unit != self.unit:",
        "if True:",
    ),
    Mutant(
        "the log shows the password",
        "credentials",
        CHARM,
        "settings, available)",
        "settings and settings.render(), available)",
    ),
    Mutant(
        "the settings show the password",
        "credentials",
        WORKLOAD,
        "password: str = dataclasses.field(repr=False)",
        "password: str",
    ),
    Mutant(
        "the credentials show the password",
        "credentials",
        LEADERSHIP,
        "password: str = dataclasses.field(repr=False)",
        "password: str",
    ),
    Mutant(
        "the databag shows the password",
        "credentials",
        LEADERSHIP,
        "peers.data[self._app].update(published)",
        "peers.data[self._app].update(published, password=str(secret.get_content()))",
    ),
    Mutant(
        "the action shows the password",
        "actions",
        CHARM,
        "credentials.fingerprint if credentials",
        "credentials.password if credentials",
    ),
    Mutant("the file is open to others", "workload", WORKLOAD, "mode=0o600", "mode=0o644"),
    Mutant(
        "the service runs while its file changes",
        "workload",
        WORKLOAD,
        "            self.stop()\n",
        "",
    ),
]


CASES = [
    pytest.param(mutant, substrate, id=f"{mutant.name}-{substrate}")
    for mutant in MUTANTS
    for substrate in matrix.CHOICES["substrate"][: 1 if mutant.file in SHARED else None]
]


@pytest.mark.parametrize(("mutant", "substrate"), CASES)
def test_the_unit_tests_fail_when(
    baker: baking.Baker, tmp_path: pathlib.Path, mutant: Mutant, substrate: str
):
    charm = tmp_path / "charm"
    shutil.copytree(baker.bake({"substrate": substrate}), charm)
    source = charm / mutant.file
    text = source.read_text()
    assert text.count(mutant.old) == 1, f"{mutant.file} doesn't hold just once: {mutant.old}"

    source.write_text(text.replace(mutant.old, mutant.new))

    assert run_unit_tests(charm, f"test_{mutant.caught_by}.py") == pytest.ExitCode.TESTS_FAILED


@SUBSTRATES
def test_the_unit_tests_pass_without_a_mistake(baker: baking.Baker, substrate: str):
    """Else the tests above would show nothing."""
    assert run_unit_tests(baker.bake({"substrate": substrate})) == pytest.ExitCode.OK


def run_unit_tests(charm: pathlib.Path, file: str = "") -> int:
    """Run a charm's unit tests up to the first failure, and return pytest's exit code."""
    options = ["-x", "-q", "-p", "no:cacheprovider", f"tests/unit/{file}"]
    command = [sys.executable, "-c", PYTEST, *options]
    environment = {**os.environ, "PYTHONPATH": "src", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=charm, env=environment, capture_output=True).returncode

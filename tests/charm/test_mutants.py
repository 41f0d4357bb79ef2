"""Do a charm's own unit tests fail when a guard is taken away, or a secret is shown?

``tox -e mutation`` makes every other kind of mistake, too (tests/charm/mutation.py).
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import sys

import pytest
import tomli

from tests.charm import mutants
from tests.support import baking, command, matrix, parameters, unit_tests

RUNNER = pathlib.Path(__file__).with_name("run_mutants.py")
SURVIVORS = tomli.loads(pathlib.Path(__file__).with_name("survivors.toml").read_text())
EXPECTED = {mutant for each in SURVIVORS["syntax"] for mutant in each["mutants"]}
FIRST, *OTHERS = matrix.CHOICES["substrate"]
# What this project is there for.
EACH_TIME = ("guards", "stale guards", "logged secrets", "shown secrets")


def sources(charm: pathlib.Path) -> dict[str, str]:
    """Return the charm's source, by file."""
    return {path.name: path.read_text() for path in sorted((charm / "src").glob("*.py"))}


def make(baker: baking.Baker, kind: str, substrate: str) -> list[mutants.Mutant]:
    """Make the mutants of a kind, on other substrates than the first only those of their own."""
    made = mutants.make(kind, sources(baker.bake({"substrate": substrate})))
    known: set[str] = set()
    if substrate != FIRST:
        known = {mutant.name for mutant in make(baker, kind, FIRST)}
    return [mutant for mutant in made if mutant.name not in known]


def check(charm: pathlib.Path, made: list[mutants.Mutant]) -> None:
    """Run the charm's unit tests on mutants, and fail for those that survive unexpectedly."""
    result = command.run(
        sys.executable,
        RUNNER,
        cwd=charm,
        env={**os.environ, **unit_tests.ENVIRONMENT},
        input=json.dumps([(mutant.file, mutant.source) for mutant in made]),
    )
    assert result.returncode == 0, result.stdout
    verdicts = json.loads(result.stdout)
    alive = [mutant.name for mutant, killer in zip(made, verdicts, strict=True) if not killer]
    names = {mutant.name for mutant in made}
    assert sorted(alive) == sorted(names & EXPECTED)


@parameters.SUBSTRATES
def test_the_unit_tests_find_a_mistake(
    baker: baking.Baker, tmp_path: pathlib.Path, substrate: str
):
    """survivors.toml lists the mutants that live, each with the reason."""
    charm = tmp_path / "charm"
    shutil.copytree(baker.bake({"substrate": substrate}), charm)

    check(charm, [mutant for kind in EACH_TIME for mutant in make(baker, kind, substrate)])


@pytest.mark.parametrize("kind", mutants.KINDS)
def test_a_kind_finds_where_to_make_mistakes(baker: baking.Baker, kind: str):
    """Else a refactoring could leave nothing to test."""
    assert make(baker, kind, FIRST)


def test_every_survivor_is_made(baker: baking.Baker):
    """A reason goes with the line that it is about."""
    made = {
        mutant.name
        for kind in mutants.KINDS
        for substrate in matrix.CHOICES["substrate"]
        for mutant in make(baker, kind, substrate)
    }
    assert made >= EXPECTED

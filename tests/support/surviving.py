"""Run a charm's own unit tests on mutants of it, and compare those that survive with the list."""

from __future__ import annotations

import json
import os
import pathlib
import sys

import tomli

from tests.support import baking, command, mutants, unit_tests

RUNNER = pathlib.Path(__file__).with_name("run_mutants.py")
SURVIVORS = tomli.loads(pathlib.Path(__file__).with_name("survivors.toml").read_text())
# The kinds of mistakes that this project is there to prevent: made on each run of the tests.
EACH_TIME = ("guards", "stale guards", "logged secrets", "shown secrets")


def make(baker: baking.Baker, kind: str, substrate: str) -> list[mutants.Mutant]:
    """Make all mutants of a kind, of a substrate's charm."""
    sources = {
        path.name: path.read_text()
        for path in sorted((baker.bake({"substrate": substrate}) / "src").glob("*.py"))
    }
    return mutants.make(kind, sources)


def expected(maker: str, substrate: str) -> set[str]:
    """Return the names of the mutants that survive, of those that "syntax" or "mutmut" makes."""
    return {
        mutant
        for each in SURVIVORS[maker]
        if substrate in each.get("substrates", [substrate])
        for mutant in each["mutants"]
    }


def check(charm: pathlib.Path, made: list[mutants.Mutant], substrate: str) -> None:
    """Run the charm's unit tests on mutants, and fail for those that survive unexpectedly."""
    printed = command.output(
        sys.executable,
        RUNNER,
        cwd=charm,
        env={**os.environ, **unit_tests.ENVIRONMENT},
        input=json.dumps([(mutant.file, mutant.source) for mutant in made]),
    )
    verdicts = json.loads(printed)
    alive = [mutant.name for mutant, killer in zip(made, verdicts, strict=True) if not killer]
    names = {mutant.name for mutant in made}
    assert sorted(alive) == sorted(names & expected("syntax", substrate))

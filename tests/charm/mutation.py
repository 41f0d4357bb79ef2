"""Do a charm's own unit tests kill every mutant of it? Run ``tox -e mutation``.

It takes many minutes, so pytest doesn't find it by itself; test_mutants.py runs with all else.
"""

from __future__ import annotations

import os
import pathlib
import re
import sys

import pytest

from tests.support import baking, command, mutants, parameters, surviving, unit_tests

# Each mutant is run in a fork of a process that has run no test. In a fork of one that has, the
# charm's tests fail for every mutant: they take it for a mistake that the folders of that run go.
CONFIGURATION = """
[tool.mutmut]
source_paths = ["src"]
also_copy = ["charmcraft.yaml"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "libyaml"]
pytest_add_cli_args_test_selection = ["tests/unit"]
process_isolation = "forkserver"
forkserver_warmup = "none"
"""
MUTMUT = pathlib.Path(sys.executable).with_name("mutmut")


@parameters.SUBSTRATES
@pytest.mark.parametrize("kind", [k for k in mutants.KINDS if k not in surviving.EACH_TIME])
def test_the_unit_tests_find_a_mistake(
    baker: baking.Baker, tmp_path: pathlib.Path, kind: str, substrate: str
):
    """survivors.toml lists the mutants that live, each with the reason."""
    charm = baker.copy({"substrate": substrate}, tmp_path / "charm")

    surviving.check(charm, surviving.make(baker, kind, substrate), substrate)


@parameters.SUBSTRATES
def test_the_unit_tests_kill_all_mutants_but_the_listed(
    baker: baking.Baker, tmp_path: pathlib.Path, substrate: str
):
    """survivors.toml lists those that live, each with the reason."""
    charm = baker.copy({"substrate": substrate}, tmp_path / "charm")
    with (charm / "pyproject.toml").open("a") as file:
        file.write(CONFIGURATION)

    run(charm, "run")

    verdicts = dict(
        line.strip().split(": ")
        for line in run(charm, "results", "--all", "True").splitlines()
        if ": " in line
    )
    # A charm that fails before pytest has found its tests is a "timeout", too (exit code 255).
    alive = [name for name, verdict in verdicts.items() if verdict not in ("killed", "timeout")]
    assert len(verdicts) > 200, "mutmut made too few mutants to show anything"
    assert len(alive) <= 0.1 * len(verdicts)
    found = {describe(run(charm, "show", name)) for name in alive}
    assert found == surviving.expected("mutmut", substrate)


def run(charm: pathlib.Path, *arguments: str) -> str:
    """Run mutmut on a charm and return what it printed."""
    return command.output(
        MUTMUT, *arguments, cwd=charm, env={**os.environ, **unit_tests.ENVIRONMENT}
    )


def describe(shown: str) -> str:
    """Reduce a mutant to the file that it is in and the line that it makes."""
    file = re.search(r"^\+\+\+ (\S+)", shown, re.MULTILINE)
    lines = re.findall(r"^\+(?!\+\+ ) *(.*)", shown, re.MULTILINE)
    assert file and lines, shown
    return f"{pathlib.Path(file.group(1)).name}: {' '.join(lines)}"

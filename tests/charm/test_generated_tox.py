"""Does the charm's own tox pass right after the bake, with nothing edited?"""

from __future__ import annotations

import pathlib
import sys

from tests.project import test_files
from tests.support import baking, command, matrix, parameters, pythons


def run_tox(charm: pathlib.Path, base: str, *args: str) -> str:
    """Run the charm's tox, on its base's Python if that is here, and return what it prints."""
    environment = pythons.environment(matrix.PYTHONS[base])
    return command.output(sys.executable, "-m", "tox", *args, cwd=charm, env=environment)


@parameters.FUNCTIONAL
def test_lint_and_unit_pass_and_integration_collects(tmp_path, variant: matrix.Variant):
    charm = baking.bake(variant, tmp_path)

    checks = run_tox(charm, variant["base"])
    collected = run_tox(
        charm, variant["base"], "-e", "integration", "--", "--collect-only", "--quiet"
    )

    assert "lint: OK" in checks and "unit: OK" in checks
    assert "skipped" not in checks
    if pythons.find(matrix.PYTHONS[variant["base"]]):
        assert f" Python {matrix.PYTHONS[variant['base']]}." in checks
    assert "TOTAL" in checks  # the coverage report
    assert "test_charm.py::test_failover" in collected
    # tox leaves nothing that .gitignore doesn't know, no lock file above all.
    command.git(charm, "init", "--quiet")
    untracked = command.git(charm, "status", "--porcelain", "--untracked-files=all")
    assert {line[3:] for line in untracked.splitlines()} == test_files.FILES

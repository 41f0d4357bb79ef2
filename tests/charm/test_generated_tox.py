"""Does the charm's own tox pass right after the bake, with nothing edited?"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

from tests.project import test_files
from tests.support import baking, command, matrix, parameters, pythons


def run_tox(charm: pathlib.Path, base: str, *args: str) -> str:
    """Run the charm's tox, on its base's Python if that is here, and return what it prints."""
    environment = {**os.environ}
    if python := pythons.find(matrix.PYTHONS[base]):
        environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"
    result = command.run(sys.executable, "-m", "tox", *args, cwd=charm, env=environment)
    assert result.returncode == 0, result.stdout
    return result.stdout


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
    subprocess.run(["git", "init", "--quiet"], cwd=charm, check=True)
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    untracked = subprocess.run(status, cwd=charm, check=True, capture_output=True, text=True)
    assert {line[3:] for line in untracked.stdout.splitlines()} == test_files.FILES

"""Does the charm's own tox pass right after the bake, with nothing edited?"""

from __future__ import annotations

import os
import pathlib
import sys

from tests.support import baking, command, parameters, pythons
from tools import matrix

FIRST_HARNESS = matrix.CHOICES["integration_tests"][0]


def run_tox(charm: pathlib.Path, base: str, *args: str) -> str:
    """Run the charm's tox, on its base's Python if that is here, and return what it prints."""
    environment = pythons.environment(matrix.PYTHONS[base])
    if memory := os.environ.get("PYTEST_DEBUG_TEMPROOT"):
        environment["TMPDIR"] = memory  # tox passes nothing else of this on.
    return command.output(sys.executable, "-m", "tox", *args, cwd=charm, env=environment)


def sources(charm: pathlib.Path) -> dict[str, bytes | None]:
    """Return the charm's code and its unit tests."""
    tree = command.tree(charm)
    return {name: tree[name] for name in tree if name.startswith(("src/", "tests/unit/"))}


@parameters.FUNCTIONAL
def test_lint_and_unit_pass_and_integration_collects(
    baker: baking.Baker, tmp_path: pathlib.Path, variant: matrix.Variant
):
    """Where another harness has the same unit tests, and pins pytest otherwise, some are run."""
    charm = baking.bake(variant, tmp_path)
    base = variant["base"]
    baked = {name for name, content in command.tree(charm).items() if content is not None}
    sibling = {**variant, "integration_tests": FIRST_HARNESS}
    is_run_for_sibling = variant != sibling and not matrix.is_incompatible(sibling)
    if is_run_for_sibling:
        assert sources(charm) == sources(baker.bake(sibling))
    some = ("-e", "lint,unit", "--", "-k", "leader") if is_run_for_sibling else ()

    checks = run_tox(charm, base, *some)
    collected = run_tox(charm, base, "-e", "integration", "--", "--collect-only", "--quiet")

    assert "lint: OK" in checks and "unit: OK" in checks
    assert "skipped" not in checks
    if pythons.find(matrix.PYTHONS[base]):
        assert f" Python {matrix.PYTHONS[base]}." in checks
    if not is_run_for_sibling:
        assert "TOTAL" in checks  # the coverage report
    assert "test_charm.py::test_failover" in collected
    # tox leaves nothing that .gitignore doesn't know, no lock file above all.
    command.git(charm, "init", "--quiet")
    untracked = command.git(charm, "status", "--porcelain", "--untracked-files=all")
    assert {line[3:] for line in untracked.splitlines()} == baked

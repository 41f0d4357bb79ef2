"""Do the recipes work, carried out on a charm as it was baked?"""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
import yaml
from charmcraft.models import project
from craft_application.models import spread

from tests.support import baking, matrix, recipes

RECIPES = recipes.read((matrix.TEMPLATE / "docs" / "recipes.md").read_text())
MACHINE_ALONE = {"Metrics and logs of a machine charm"}
KUBERNETES_ALONE = {"Metrics of a Kubernetes charm"}
# Libraries are on Charmhub, which tests don't ask: the class that the recipe names stands in.
LIBRARIES = {
    "Metrics and logs of a machine charm": ("grafana_agent/v0/cos_agent", "COSAgentProvider"),
    "Metrics of a Kubernetes charm": (
        "prometheus_k8s/v0/prometheus_scrape",
        "MetricsEndpointProvider",
    ),
}
LIBRARY = """
from typing import Any
import ops
class {name}(ops.Object):
    def __init__(self, charm: ops.CharmBase, **options: Any):
        super().__init__(charm, "library")
"""
# What each recipe's charm must pass, beside lint: all unit tests, or those that it can pass.
TESTS = {
    "Restarts that take turns": ["tests/unit/test_turns.py"],
    "Spread tests": ["--collect-only"],
}
CASES = [
    pytest.param(recipe, substrate, id=f"{recipe}-{substrate}")
    for recipe in RECIPES
    for substrate in matrix.CHOICES["substrate"]
    if recipe not in (KUBERNETES_ALONE if substrate == "machine" else MACHINE_ALONE)
]


def tox(charm: pathlib.Path, *arguments: str) -> None:
    """Run a charm's tox, which installs what the recipe adds, and fail with what it says."""
    result = subprocess.run(
        [sys.executable, "-m", "tox", *arguments],
        cwd=charm,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout


# charmcraft reads a field of its own that it deprecates.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:charmcraft")
@pytest.mark.parametrize(("recipe", "substrate"), CASES)
def test_a_recipe_works(tmp_path, recipe: str, substrate: str):
    charm = baking.bake({"substrate": substrate, "integration_tests": "jubilant"}, tmp_path)

    for step in RECIPES[recipe]:
        step.apply(charm)
    if recipe in LIBRARIES:
        path, name = LIBRARIES[recipe]
        library = charm / "lib" / "charms" / f"{path}.py"
        library.parent.mkdir(parents=True)
        library.write_text(LIBRARY.format(name=name))

    tox(charm, "-e", "lint,unit", "--", *TESTS.get(recipe, ["tests/unit"]))
    metadata = yaml.safe_load((charm / "charmcraft.yaml").read_text())
    assert project.CharmcraftProject.unmarshal(metadata)
    if recipe == "Spread tests":
        assert spread.CraftTestYaml.unmarshal(
            yaml.safe_load((charm / "charmcraft-test.yaml").read_text())
        )


@pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])
def test_the_first_months_recipes_work_together(tmp_path, substrate: str):
    """tests/charm/test_growth.py tries each of them alone."""
    charm = baking.bake({"substrate": substrate, "integration_tests": "jubilant"}, tmp_path)
    found = recipes.read((charm / "CONTRIBUTING.md").read_text())

    for steps in found.values():
        for step in steps:
            step.apply(charm)

    assert len(found) == 6
    tox(charm)


@pytest.mark.parametrize("line", ["missing", "twice"])
def test_a_recipe_that_no_longer_fits_says_so(tmp_path, line: str):
    (tmp_path / "file").write_text("twice\n  twice\n")

    with pytest.raises(AssertionError, match=f"file has [02] lines '{line}'"):
        recipes.Step("file", "after", line, "").apply(tmp_path)

"""Do the recipes of docs/recipes.md work, on a charm as it was baked?

tests/charm/test_growth.py asks the same of the recipes in the charm's CONTRIBUTING.md.
"""

from __future__ import annotations

import pathlib
import re
import sys

import pytest
import yaml
from charmcraft.models import project
from craft_application.models import spread

from tests.support import baking, command, edits, parameters
from tools import matrix

DOCUMENT = (matrix.TEMPLATE / "docs" / "recipes.md").read_text()
RECIPES = edits.in_document(DOCUMENT)
# Libraries are on Charmhub, which no test asks: the class that the recipe names stands in.
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
IMPORTS = """\
import dataclasses

import fakes
import pytest
import states
from ops import testing

"""
USER_SECRET = """
def test_the_token_reaches_the_workload(
    ctx: testing.Context, system: fakes.System, deployed: testing.State
):
    user = testing.Secret({"token": "from-the-user"})
    config = {"api-token": user.id}
    state = dataclasses.replace(deployed, config=config, secrets={*deployed.secrets, user})

    state = ctx.run(ctx.on.config_changed(), state)

    assert state.unit_status == testing.ActiveStatus()
    assert system.settings is not None
    assert system.settings["token"] == "from-the-user"


@pytest.mark.parametrize("content", [None, {"other": "value"}])
def test_another_secret_blocks_the_unit(
    ctx: testing.Context, deployed: testing.State, content: dict[str, str] | None
):
    user = testing.Secret(content or {"token": "value"})
    secrets = {*deployed.secrets, user} if content else deployed.secrets
    state = dataclasses.replace(deployed, config={"api-token": user.id}, secrets=secrets)

    state = ctx.run(ctx.on.config_changed(), state)

    message = "api-token must name a granted secret with the key token"
    assert state.unit_status == testing.BlockedStatus(message), states.APP
"""
TURNS = """
@pytest.mark.parametrize("level", ["debug"])
def test_a_restart_waits_for_the_lock(
    ctx: testing.Context, system: fakes.System, deployed: testing.State, level: str
):
    state = ctx.run(ctx.on.start(), deployed)
    assert system.settings is not None and system.settings["log_level"] == "info"
    state = dataclasses.replace(state, config={"log-level": level})

    state = ctx.run(ctx.on.config_changed(), state)

    assert system.interruptions == 0
    (turns,) = state.get_relations("restart")
    assert "reconfigure" in str(turns.local_unit_data), states.APP
    message = "waiting for the workload to apply its settings"
    assert state.unit_status == testing.WaitingStatus(message)
    with ctx(ctx.on.update_status(), state) as manager:
        manager.charm._reconfigure()
        assert system.interruptions == 1
        assert system.settings is not None and system.settings["log_level"] == level
"""
# The library's events and its process on the leader don't suit the generated tests.
TURNS_ALONE = "Restarts that take turns"
# Tests of a recipe's own.
TESTS = {"A secret that the user gives": USER_SECRET, TURNS_ALONE: TURNS}
EXPIRES = "A secret that expires"  # A recipe of the charm's CONTRIBUTING.md.


def recipes(substrate: str) -> list[str]:
    """List the recipes for a substrate that may be in one charm."""
    others = [other for other in matrix.CHOICES["substrate"] if other != substrate]
    endings = tuple(f" of a {other} charm" for other in others)
    everything = [*RECIPES, EXPIRES]
    everything.remove(TURNS_ALONE)
    return [recipe for recipe in everything if not recipe.lower().endswith(endings)]


# Alone on machines, and all in one charm on Kubernetes, where they have to get along.
CASES = [
    *(("machine", [recipe]) for recipe in recipes("machine")),
    ("kubernetes", recipes("kubernetes")),
    *((substrate, [TURNS_ALONE]) for substrate in matrix.CHOICES["substrate"]),
]


def check(charm: pathlib.Path, tox_folder: pathlib.Path, *files: str) -> None:
    """Run a charm's linters and unit tests, and fail with what they say.

    Args:
        charm: The charm's folder.
        tox_folder: Where tox keeps its environments, which differ if a recipe adds a package.
        files: The unit tests; none for all of them, which have to cover all of src/.
    """
    words = ["tox", "--workdir", tox_folder, "-e", "lint,unit", "--", *files]
    command.output(sys.executable, "-m", *words, cwd=charm)


# charmcraft reads a field of its own that it deprecates.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:charmcraft")
@pytest.mark.parametrize(("substrate", "applied"), CASES, ids=parameters.join)
def test_recipes_pass_the_charms_checks(
    tmp_path: pathlib.Path, tox_folder: pathlib.Path, substrate: str, applied: list[str]
):
    charm = baking.bake({"substrate": substrate, "integration_tests": "jubilant"}, tmp_path)
    diffs = RECIPES | edits.in_document((charm / "CONTRIBUTING.md").read_text())

    for recipe in applied:
        edits.apply(diffs[recipe], charm)
        if recipe in LIBRARIES:
            path, name = LIBRARIES[recipe]
            library = charm / "lib" / "charms" / f"{path}.py"
            library.parent.mkdir(parents=True)
            library.write_text(LIBRARY.format(name=name))
    test = charm / "tests" / "unit" / "test_recipe.py"
    if own_tests := "".join(TESTS.get(recipe, "") for recipe in applied):
        test.write_text(IMPORTS + own_tests)

    check(charm, tox_folder, *([f"tests/unit/{test.name}"] if TURNS_ALONE in applied else []))
    metadata = yaml.safe_load((charm / "charmcraft.yaml").read_text())
    assert project.CharmcraftProject.unmarshal(metadata)


def test_charmcraft_takes_the_files_of_the_spread_tests():
    files = dict(re.findall(r"^`(\S+)`:\n\n```yaml\n(.*?)^```$", DOCUMENT, re.M | re.S))
    assert set(files) == {"charmcraft-test.yaml", "spread/integration/task.yaml"}

    tests = spread.CraftTestYaml.unmarshal(yaml.safe_load(files["charmcraft-test.yaml"]))

    assert list(tests.suites) == ["spread/"]
    task = yaml.safe_load(files["spread/integration/task.yaml"])
    assert "tox -e integration" in task["execute"]

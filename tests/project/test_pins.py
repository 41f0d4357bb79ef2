"""Do both layers pin the same, within bounds, and can the pins be lifted?"""

from __future__ import annotations

import json
import pathlib
import re
import shutil

import pytest
import tomli

from tests.support import baking, command, parameters
from tools import matrix, pins


def requirements(pyproject: pathlib.Path) -> set[str]:
    """Return what a pyproject.toml asks the package index for."""
    parsed = tomli.loads(pyproject.read_text())
    groups = parsed["dependency-groups"].values()
    return set(parsed["project"].get("dependencies", [])) | {
        requirement for group in groups for requirement in group if isinstance(requirement, str)
    }


def test_both_layers_pin_a_package_alike():
    differing = {name: bounds for name, bounds in pins.read().items() if len(bounds) > 1}

    assert differing == {}


def test_both_layers_pin_an_action_to_the_same_commit():
    outer = pins.actions(matrix.TEMPLATE / ".github" / "workflows")
    inner = pins.actions(matrix.TEMPLATE / matrix.CHARM / ".github" / "workflows")

    assert all(len(commits) == 1 for commits in outer.values())
    assert inner and inner == {name: outer[name] for name in inner}


def test_every_requirement_of_the_template_has_both_bounds():
    unbounded = {
        requirement
        for requirement in requirements(matrix.TEMPLATE / "pyproject.toml")
        if not pins.PIN.fullmatch(requirement)
    }

    assert unbounded == set()


@parameters.FUNCTIONAL
def test_every_requirement_of_a_charm_has_both_bounds(
    baker: baking.Baker, variant: matrix.Variant
):
    charm = baker.bake(variant)

    tox = (charm / "tox.ini").read_text().split("requires =\n")[1].split("env_list")[0].split()
    unbounded = {
        requirement
        for requirement in requirements(charm / "pyproject.toml") | set(tox)
        if not pins.PIN.fullmatch(requirement)
    }

    assert len(tox) == 2 and unbounded == set()


def test_what_is_held_is_there():
    """A pin that changed is held no longer, without anyone having decided so."""
    files = [(matrix.TEMPLATE / file).read_text() for file in pins.FILES]

    assert [pin for pin in pins.HELD if not any(pin in text for text in files)] == []


@pytest.mark.parametrize(
    ("lower", "upper", "newest", "lifted"),
    [
        ("1.3", "2", "1.9.1", ("1.3", "2")),
        ("1.3", "2", "2", ("2.0", "3")),
        ("1.3", "2", "3.4.5", ("3.4", "4")),
        ("3.8.3", "4", "4.0.1", ("4.0.1", "5")),
        ("0.17", "0.18", "0.18.2", ("0.18", "0.19")),
        ("0.17", "0.18", "1.0.0", ("1.0", "1.1")),
        ("0.11.0.1", "0.12", "0.12.0.2", ("0.12.0.2", "0.13")),
        ("6", "7", "7.0.post1", ("7", "8")),
        ("1.3.0", "2", "1.3", ("1.3.0", "2")),
        ("0.5", "2.0", "2", ("2.0", "2.1")),
    ],
)
def test_a_bound_is_lifted_as_far_as_the_newest_version_needs(lower, upper, newest, lifted):
    assert pins.lift_bounds(lower, upper, newest) == lifted


def test_a_lower_bound_that_the_oldest_python_cannot_reach_is_an_error():
    with pytest.raises(ValueError, match=r"oldest Python gets 0\.38\.2 at most, .* below 0\.39"):
        pins.lift_bounds("0.39", "0.40", "0.38.2")


@pytest.fixture
def template(tmp_path) -> pathlib.Path:
    """Copy what lifting the pins reads and writes."""
    for file in pins.FILES:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(matrix.TEMPLATE / file, tmp_path / file)
    for layer in ("", matrix.CHARM):
        workflows = pathlib.Path(layer, ".github", "workflows")
        shutil.copytree(matrix.TEMPLATE / workflows, tmp_path / workflows)
    return tmp_path


def test_lifting_changes_a_package_in_every_file_and_keeps_what_is_held(template):
    newest = dict.fromkeys(pins.read(template), "99.1")

    changes = pins.lift(newest, template)

    lifted = pins.read(template)
    assert set(lifted) == set(newest)
    assert all(
        bound.endswith((",<100", ",<99.2")) for bounds in lifted.values() for bound in bounds
    )
    files = [(template / file).read_text() for file in pins.FILES]
    assert all(any(pin in text for text in files) for pin in pins.HELD)
    assert "tox>=99.1,<100" in (template / ".ci" / "run").read_text()
    assert any("ops[testing]>=99.1,<100" in change for change in changes)


def test_lifting_to_what_the_bounds_let_in_changes_nothing(template):
    newest = {name: min(bounds)[2:].split(",")[0] for name, bounds in pins.read().items()}

    assert pins.lift(newest, template) == []
    for file in pins.FILES:
        assert (template / file).read_text() == (matrix.TEMPLATE / file).read_text()


def test_the_charm_gets_the_actions_that_the_template_uses(template):
    for path in (template / ".github" / "workflows").glob("*.yaml"):
        lifted = re.sub(
            r"actions/checkout@.*", f"actions/checkout@{'0' * 40}  # v99.0.0", path.read_text()
        )
        path.write_text(lifted)

    changes = pins.hand_actions_on(template)

    inner = pins.actions(template / matrix.CHARM / ".github" / "workflows")
    assert inner["actions/checkout"] == {("0" * 40, "v99.0.0")}
    assert set(changes) == {"actions/checkout becomes v99.0.0"}


def test_renovate_reads_the_same_files():
    renovate = json.loads((matrix.TEMPLATE / ".github" / "renovate.json").read_text())
    (manager,) = renovate["customManagers"]
    patterns = [pattern.strip("/") for pattern in manager["managerFilePatterns"]]

    files = {path for path in command.tracked() if any(re.search(p, path) for p in patterns)}

    assert files == set(pins.FILES)


def test_no_pin_is_anywhere_else():
    """tools/pins.py wouldn't lift it."""
    written = [
        path
        for layer in (".ci", ".github", "benchmarks", "docs", matrix.CHARM)
        for path in (matrix.TEMPLATE / layer).rglob("*")
    ] + list(matrix.TEMPLATE.iterdir())

    pinned = {
        path.relative_to(matrix.TEMPLATE).as_posix()
        for path in written
        if (path.suffix in (".ini", ".md", ".py", ".toml", ".yaml") or path.name == "run")
        and pins.PIN.search(path.read_text())
    }

    assert pinned == set(pins.FILES)

"""The pins of both layers, the template's own and a generated charm's: read them, lift them.

``python -m tools.pins`` lifts each upper bound that keeps the newest version out, hands the pins
of the actions in the template's workflows on to the charm's, and runs all tests.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

from packaging import version

from tools import matrix

FILES = (
    ".ci/run",
    "README.md",
    "docs/recipes.md",
    "pyproject.toml",
    "tox.ini",
    f"{matrix.CHARM}/pyproject.toml",
    f"{matrix.CHARM}/tox.ini",
)
# What must not be lifted, and why.
HELD = {
    "juju>=3.6.1.3,<3.7": "python-libjuju's minor version is that of the controller, Juju 3.6",
    "pytest>=8.4,<9.2": "pytest-operator pulls a pytest-asyncio that breaks on pytest 9.2",
    # https://github.com/pytest-dev/pytest-xdist/issues/1386
    "pytest>=9.1.1,<9.2": "pytest-xdist 3.8 ignores its groups on pytest 9.2",
}
# The oldest Python that the template and a charm run on.
PYTHON = "3.10"
# What needs a newer one, which tests/project/test_reviewers.py finds.
REVIEWERS = {"charmhub-listing-review", "charmlint"}
REVIEWERS_PYTHON = "3.12"

PIN = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9-]*)(?P<extras>\[[a-z,]+\])?"
    r">=(?P<lower>[0-9][0-9.]*),<(?P<upper>[0-9][0-9.]*)"
)
ACTION = re.compile(r"uses: (?P<name>[\w.-]+/[\w./-]+)@(?P<commit>[0-9a-f]{40})  # (?P<tag>v\S+)")


def read(root: pathlib.Path = matrix.TEMPLATE) -> dict[str, set[str]]:
    """Return the pins by package, such as ``>=1.3,<2``, leaving out those that are held."""
    pins: dict[str, set[str]] = {}
    for file in FILES:
        for pin in PIN.finditer((root / file).read_text()):
            if pin.group() not in HELD:
                bounds = f">={pin['lower']},<{pin['upper']}"
                pins.setdefault(pin["name"], set()).add(bounds)
    return pins


def actions(workflows: pathlib.Path) -> dict[str, set[tuple[str, str]]]:
    """Return the commits and tags that a folder's workflows pin each action to."""
    pins: dict[str, set[tuple[str, str]]] = {}
    for workflow in sorted(workflows.glob("*.yaml")):
        for pin in ACTION.finditer(workflow.read_text()):
            pins.setdefault(pin["name"], set()).add((pin["commit"], pin["tag"]))
    return pins


def newest_versions(names: set[str]) -> dict[str, str]:
    """Ask the package index for the newest version of each package that runs on its Python."""
    newest: dict[str, str] = {}
    for python, packages in ((PYTHON, names - REVIEWERS), (REVIEWERS_PYTHON, names & REVIEWERS)):
        result = subprocess.run(
            ["uv", "pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate"]
            + ["--python-version", python, "-"],
            input="\n".join(sorted(packages)),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        newest |= dict(line.split("==") for line in result.stdout.splitlines())
    return newest


def lift_bounds(lower: str, upper: str, newest: str) -> tuple[str, str]:
    """Return bounds that let the newest version in, as precise as the old ones.

    Bounds that let it in already stay: a lower bound rises with the upper one only.

    Raises:
        ValueError: if even the newest version is below the lower bound.
    """
    newest_version = version.Version(newest)
    if newest_version < version.Version(lower):
        raise ValueError(f"the oldest Python gets {newest} at most, which is below {lower}")
    if newest_version < version.Version(upper):
        return lower, upper

    def cut(length: int) -> list[int]:
        return [*newest_version.release, *[0] * length][:length]

    *head, last = cut(upper.count(".") + 1)
    return (
        ".".join(map(str, cut(lower.count(".") + 1))),
        ".".join(map(str, [*head, last + 1])),
    )


def lift(newest: dict[str, str], root: pathlib.Path = matrix.TEMPLATE) -> list[str]:
    """Lift the pins in every file, and return a line for each change.

    Args:
        newest: The newest version of each package.
        root: The template.
    """
    changes: list[str] = []

    def lift_pin(pin: re.Match[str]) -> str:
        if pin.group() in HELD:
            return pin.group()
        lower, upper = lift_bounds(pin["lower"], pin["upper"], newest[pin["name"]])
        lifted = f"{pin['name']}{pin['extras'] or ''}>={lower},<{upper}"
        if lifted != pin.group():
            changes.append(f"{pin.group()} becomes {lifted}")
        return lifted

    for file in FILES:
        path = root / file
        path.write_text(PIN.sub(lift_pin, path.read_text()))
    return changes


def hand_actions_on(root: pathlib.Path = matrix.TEMPLATE) -> list[str]:
    """Pin the charm's actions to the template's commits, and return a line for each change."""
    outer = actions(root / ".github" / "workflows")
    changes: list[str] = []

    def hand_on(pin: re.Match[str]) -> str:
        ((commit, tag),) = outer[pin["name"]]
        handed_on = f"uses: {pin['name']}@{commit}  # {tag}"
        if handed_on != pin.group():
            changes.append(f"{pin['name']} becomes {tag}")
        return handed_on

    for path in sorted((root / matrix.CHARM / ".github" / "workflows").glob("*.yaml")):
        path.write_text(ACTION.sub(hand_on, path.read_text()))
    return changes


if __name__ == "__main__":
    print("\n".join(lift(newest_versions(set(read()))) + hand_actions_on()) or "All is newest.")
    # tox tells the tox that the tests start where its own files are; they need theirs.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TOX")}
    sys.exit(subprocess.run(["bash", ".ci/run"], cwd=matrix.TEMPLATE, env=environment).returncode)

"""Do the helpers of the generated integration tests conclude what they should?"""

from __future__ import annotations

import ast
import importlib.util
import pathlib
import sys
import types
from collections.abc import Iterator

import pytest

from tests.support import baking, parameters
from tools import matrix

RESULTS = {
    "leader": "app/0",
    "leader-address": "192.0.2.1",
    "is-leader": "true",
    "credentials-fingerprint": "0123456789ab",
    "workload-configured": "true",
}


@pytest.fixture(scope="module")
def convergence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[types.ModuleType]:
    """Return a baked charm's module of that name."""
    charm = baking.bake({}, tmp_path_factory.mktemp("baked"))
    path = charm / "tests" / "integration" / "convergence.py"
    spec = importlib.util.spec_from_file_location("convergence", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "convergence", module)  # Where dataclasses look for it.
        spec.loader.exec_module(module)
        yield module


def view(convergence: types.ModuleType, unit: str, **changes: str):
    """Return what a unit says that is in line with app/0, but for some changes."""
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    is_leader = str(unit == "app/0").lower()
    return convergence.View.parse(unit, {**RESULTS, "is-leader": is_leader, **changed})


def unit(convergence: types.ModuleType, name: str, **changes: object):
    """Return a unit that is in order and doesn't lead, but for some changes."""
    right = {"leads": False, "status": "active", "message": "", "agent": "idle"}
    return convergence.Unit(name, **{**right, **changes})


@pytest.mark.parametrize(
    ("leads", "expected"),
    [([], None), ([False], None), ([False, True], "app/1"), ([True, True], None)],
)
def test_only_one_unit_that_leads_is_the_leader(convergence, leads, expected):
    units = [unit(convergence, f"app/{i}", leads=lead) for i, lead in enumerate(leads)]

    assert convergence.only_leader(units) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"status": "blocked", "message": "no"}, ["app/1 is blocked, idle: no"]),
        ({"agent": "executing"}, ["app/1 is active, executing: "]),
        ({"status": "unknown", "agent": "lost"}, ["app/1 is unknown, lost: "]),
    ],
)
def test_a_unit_that_is_not_settled_is_named(convergence, changes, expected):
    units = [unit(convergence, "app/0"), unit(convergence, "app/1", **changes)]

    assert convergence.not_settled(units) == expected


def test_only_an_error_that_lasts_without_a_break_is_found(convergence):
    errors = convergence.LastingErrors(patience=10)
    right = [unit(convergence, "app/0"), unit(convergence, "app/1")]
    wrong = [right[0], unit(convergence, "app/1", status="error", message="hook failed")]

    found = [
        errors.find(units, now)
        for now, units in ((0, wrong), (10, wrong), (11, right), (12, wrong), (22, wrong))
    ]

    assert found == [[]] * 5
    assert errors.find(wrong, 23) == ["app/1 has been in error for 11 s: hook failed"]


def test_a_view_is_what_the_action_answered(convergence):
    assert convergence.View.parse("app/0", RESULTS) == convergence.View(
        unit="app/0",
        leader="app/0",
        address="192.0.2.1",
        is_leader=True,
        fingerprint="0123456789ab",
        configured=True,
    )


@pytest.mark.parametrize("missing", RESULTS)
def test_an_answer_that_lacks_a_result_is_refused(convergence, missing: str):
    results = {name: value for name, value in RESULTS.items() if name != missing}

    with pytest.raises(KeyError, match=missing):
        convergence.View.parse("app/0", results)


def test_units_that_agree_have_converged(convergence):
    views = [view(convergence, f"app/{i}") for i in range(3)]

    assert convergence.not_converged(views, "app/0") == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"leader": "app/2"}, ["app/1 names app/2, not app/0"]),
        ({"leader": ""}, ["app/1 names nobody, not app/0"]),
        ({"is_leader": "true"}, ["app/1 claims leadership"]),
        ({"workload_configured": "false"}, ["app/1 has not configured its workload"]),
        (
            {"credentials_fingerprint": "b"},
            ["the units differ in fingerprint: {'app/0': '0123456789ab', 'app/1': 'b'}"],
        ),
        (
            {"leader_address": ""},
            [
                "app/1 has no address of the leader",
                "the units differ in address: {'app/0': '192.0.2.1', 'app/1': ''}",
            ],
        ),
    ],
)
def test_a_unit_that_disagrees_is_named(convergence, changes, expected: list[str]):
    views = [view(convergence, "app/0"), view(convergence, "app/1", **changes)]

    assert convergence.not_converged(views, "app/0") == expected


def test_units_that_all_lack_credentials_are_named(convergence):
    views = [view(convergence, "app/0", credentials_fingerprint="")]

    assert convergence.not_converged(views, "app/0") == ["app/0 has no credentials"]


def test_a_leader_that_knows_nothing_of_it_is_named(convergence):
    views = [view(convergence, "app/0", is_leader="false"), view(convergence, "app/1")]

    expected = ["app/0 doesn't claim leadership"]
    assert convergence.not_converged(views, "app/0") == expected


def test_silence_is_not_converged(convergence):
    assert convergence.not_converged([], "app/0") == ["no unit answered"]


@parameters.SUBSTRATES
def test_both_harnesses_have_the_same_helpers(baker: baking.Baker, substrate: str):
    """A team that changes the harness reads the same names, arguments and docstrings."""
    helpers = []
    for harness in matrix.CHOICES["integration_tests"]:
        charm = baker.bake({"substrate": substrate, "integration_tests": harness})
        helpers.append(public_methods(charm / "tests" / "integration" / "helpers.py"))

    assert helpers[0] == helpers[1]
    assert {"deploy", "get_leader_unit", "agent_stopped"} <= helpers[0].keys()


def public_methods(path: pathlib.Path) -> dict[str, tuple[str, str | None]]:
    """Return the arguments and the docstring of each public method of Deployment."""
    (deployment,) = (
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "Deployment"
    )
    return {
        node.name: (ast.unparse(node.args), ast.get_docstring(node))
        for node in deployment.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_"
    }

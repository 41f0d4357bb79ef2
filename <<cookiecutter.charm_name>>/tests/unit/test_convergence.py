# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""What the integration tests conclude from what the units say."""

import convergence
import pytest

RESULTS = {
    "leader": "app/0",
    "is-leader": "true",
    "credentials-fingerprint": "0123456789ab",
    "workload-configured": "true",
}


def view(unit: str, **changes: str) -> convergence.View:
    """Return what a unit says that is in line with app/0, but for some changes."""
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    is_leader = str(unit == "app/0").lower()
    return convergence.View.parse(unit, {**RESULTS, "is-leader": is_leader, **changed})


@pytest.mark.parametrize(
    ("leads", "expected"),
    [
        ({}, None),
        ({"app/0": False}, None),
        ({"app/0": False, "app/1": True}, "app/1"),
        ({"app/0": True, "app/1": True}, None),
    ],
)
def test_only_one_unit_that_leads_is_the_leader(leads: dict[str, bool], expected: str | None):
    assert convergence.only_leader(leads) == expected


def test_a_view_is_what_the_action_answered():
    parsed = convergence.View.parse("app/0", RESULTS)

    assert parsed == convergence.View(
        unit="app/0", leader="app/0", is_leader=True, fingerprint="0123456789ab", configured=True
    )


@pytest.mark.parametrize("missing", RESULTS)
def test_an_answer_that_lacks_a_result_is_refused(missing: str):
    results = {name: value for name, value in RESULTS.items() if name != missing}

    with pytest.raises(KeyError, match=missing):
        convergence.View.parse("app/0", results)


def test_units_that_agree_have_no_problems():
    views = [view("app/0"), view("app/1"), view("app/2")]

    assert convergence.problems(views, "app/0") == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (view("app/1", leader="app/2"), ["app/1 names app/2, not app/0"]),
        (view("app/1", leader=""), ["app/1 names nobody, not app/0"]),
        (view("app/1", is_leader="true"), ["app/1 takes itself for the leader"]),
        (view("app/1", workload_configured="false"), ["app/1 has not configured its workload"]),
        (
            view("app/1", credentials_fingerprint="ba9876543210"),
            ["the units hold different credentials (app/0: 0123456789ab, app/1: ba9876543210)"],
        ),
        (
            view("app/1", credentials_fingerprint=""),
            [
                "app/1 has no credentials",
                "the units hold different credentials (app/0: 0123456789ab, app/1: )",
            ],
        ),
    ],
)
def test_a_unit_that_disagrees_is_named(changed: convergence.View, expected: list[str]):
    assert convergence.problems([view("app/0"), changed], "app/0") == expected


def test_a_leader_that_knows_nothing_of_it_is_named():
    views = [view("app/0", is_leader="false"), view("app/1")]

    assert convergence.problems(views, "app/0") == ["app/0 doesn't take itself for the leader"]


def test_silence_is_a_problem():
    assert convergence.problems([], "app/0") == ["no unit answered"]

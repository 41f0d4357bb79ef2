"""Do a charm's own unit tests fail when a guard is taken away, or a secret is shown?

``tox -e mutation`` makes every other kind of mistake, too (tests/charm/mutation.py).
"""

from __future__ import annotations

import pathlib

import pytest

from tests.support import baking, mutants, parameters, surviving
from tools import matrix


@parameters.SUBSTRATES
def test_the_unit_tests_find_a_mistake(
    baker: baking.Baker, tmp_path: pathlib.Path, substrate: str
):
    """survivors.toml lists the mutants that live, each with the reason."""
    charm = baker.copy({"substrate": substrate}, tmp_path / "charm")

    made = [surviving.make(baker, kind, substrate) for kind in surviving.EACH_TIME]
    surviving.check(charm, [mutant for mutants_ in made for mutant in mutants_], substrate)


@pytest.mark.parametrize("kind", mutants.KINDS)
def test_a_kind_finds_where_to_make_mistakes(baker: baking.Baker, kind: str):
    """Else a refactoring could leave nothing to test."""
    assert surviving.make(baker, kind, matrix.CHOICES["substrate"][0])


def test_every_survivor_is_made(baker: baking.Baker):
    """A reason goes with the line that it is about."""
    made: set[str] = set()
    listed: set[str] = set()
    for substrate in matrix.CHOICES["substrate"]:
        listed |= surviving.expected("syntax", substrate)
        for kind in mutants.KINDS:
            made |= {mutant.name for mutant in surviving.make(baker, kind, substrate)}
    assert made >= listed

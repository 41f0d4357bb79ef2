"""Is a charm's name accepted exactly if charmcraft packs it and Juju deploys it?"""

from __future__ import annotations

import itertools
import pathlib
import re
import string
import typing

import hypothesis
import pydantic
import pytest
import yaml
from charmcraft.models import project
from craft_application.models import constraints
from hypothesis import strategies as st

import answer_rules
from tests.support import baking, command

# github.com/juju/names, application.go: validApplication.
JUJU = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*")
# charmcraft's type checks twice: with Python's re, whose time doubles with each character that the
# pattern backtracks over, and with pydantic's own engine, which takes linear time.
PROJECT_NAME = pydantic.TypeAdapter(constraints.ProjectName)
PROJECT_NAME_LINEAR = pydantic.TypeAdapter(
    typing.Annotated[
        str,
        next(
            rule
            for rule in typing.get_args(constraints.ProjectName)[1:]
            if isinstance(rule, pydantic.fields.FieldInfo)
        ),
    ]
)
BOUNDED = 16  # characters that re checks in a few milliseconds

TRICKY = (
    "",
    "a",
    "5g-core",
    "a-",
    "-a",
    "foo-1",
    "k8s-1-minimal",
    "foo-1a",
    "foo--bar",
    "my-charm\n",
    "n" * 40,
    "n" * 41,
    "n" * 38 + "-1x",
    "../x",
    "/etc/x",
    "my charm",
    "My-charm",
    "my_charm",
    "m\u0443-charm",  # a Cyrillic letter that looks like y
    "my\u2010charm",  # a hyphen that isn't the keyboard's
    "\uff4dy-charm",  # a full-width m
    "cha\u0301rm",
    "my-charm\u0661",  # a digit, but not of ASCII
    "my-charm\u200b",
    "json",
    "operator",
    *("null", "true", "false", "yes", "no", "on", "off", "y", "n", "none", "nan", "e1"),
    "<< 7 * 7 >>",
)
NAMES = st.one_of(
    st.text("ab1-", max_size=12),
    st.text("ab1-", min_size=30, max_size=45),
    st.text(string.ascii_lowercase + string.digits + "-_.A/ \n\u00e9\u0430", max_size=45),
    st.from_regex(JUJU, fullmatch=True),
    st.text(max_size=45),
    st.sampled_from(TRICKY),
)


def charmcraft_packs(name: str) -> bool:
    """Whether charmcraft takes a name, in bounded time."""
    types = [PROJECT_NAME_LINEAR] + [PROJECT_NAME] * (len(name) <= BOUNDED)
    verdicts = set()
    for adapter in types:
        try:
            adapter.validate_python(name)
            verdicts.add(True)
        except pydantic.ValidationError:
            verdicts.add(False)
    assert len(verdicts) == 1, name
    return verdicts.pop()


def works(name: str) -> bool:
    """Whether charmcraft packs a charm of that name, Juju deploys it, and it is text in YAML."""
    return bool(JUJU.fullmatch(name)) and charmcraft_packs(name) and is_yaml_text(name)


def is_yaml_text(name: str) -> bool:
    """Whether YAML reads a name as text; PyYAML doesn't know two booleans of YAML 1.1."""
    return name not in ("y", "n") and yaml.safe_load(name) == name


def test_every_short_name_is_accepted_exactly_if_both_rules_take_it():
    """Thousands of them: each of up to seven letters, digits and hyphens."""
    names = ["".join(name) for size in range(8) for name in itertools.product("a1-", repeat=size)]

    wrong = [name for name in names if (answer_rules.name_problem(name) is None) != works(name)]

    assert wrong == []


@hypothesis.settings(max_examples=600, deadline=None)
@hypothesis.given(NAMES)
def test_a_name_is_accepted_exactly_if_charmcraft_and_juju_take_it(name: str):
    assert (answer_rules.name_problem(name) is None) == works(name)


@pytest.mark.parametrize("name", TRICKY)
def test_a_tricky_name_is_accepted_exactly_if_charmcraft_and_juju_take_it(name: str):
    assert (answer_rules.name_problem(name) is None) == works(name)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(NAMES)
def test_the_proposed_name_always_works(name: str):
    assert works(answer_rules.propose_name(name))


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(NAMES)
def test_a_rejection_is_one_printable_line(name: str):
    problem = answer_rules.first_problem({"charm_name": name})

    assert problem is None or problem.isprintable()


@pytest.mark.parametrize(
    ("name", "rule", "proposal"),
    [
        ("", "is empty", "my-app"),
        ("n" * 41, "has 41 characters, and charmcraft packs at most 40", "n" * 40),
        ("My-Charm", "may hold only a to z in lower case", "my-charm"),
        ("m\u0443", "not '\u0443' (U+0443)", "m"),
        ("my-charm\n", "not '\\n' (U+000A)", "my-charm"),
        ("../x", "not '.' (U+002E)", "x"),
        ("5g-core", "must start with a letter", "g-core"),
        ("foo--bar", "hyphens only singly", "foo-bar"),
        ("foo-", "hyphens only singly", "foo"),
        ("foo-1", "needs a letter in each part", "foo1"),
        ("null", "is a word that YAML doesn't read as text", "null-app"),
        ("On", "may hold only a to z in lower case", "on-app"),
    ],
)
def test_a_rejection_names_the_rule_and_proposes_a_name(name: str, rule: str, proposal: str):
    problem = answer_rules.first_problem({"charm_name": name})

    assert problem and rule in problem
    assert problem.endswith(f"try {proposal!r}")


@pytest.mark.filterwarnings("ignore:The 'charmhub' field:DeprecationWarning")
@pytest.mark.parametrize("name", ["a", "k8s-5g-core", "n" * 40, "charm", "my-operator", "json"])
def test_charmcraft_reads_the_charm_of_an_accepted_name(tmp_path: pathlib.Path, name: str):
    result = baking.by_command(tmp_path, {"charm_name": name})

    assert result.returncode == 0, result.stdout
    metadata = yaml.safe_load((tmp_path / name / "charmcraft.yaml").read_text())
    assert project.CharmcraftProject.unmarshal(metadata).name == name


@pytest.mark.parametrize("name", ["", "foo-1", "../x", "a/b", ".", "my-charm\n", "null"])
def test_a_rejected_name_makes_no_folder_anywhere(tmp_path: pathlib.Path, name: str):
    output = tmp_path / "deep" / "output"
    output.mkdir(parents=True)
    before = command.tree(tmp_path)

    result = baking.by_command(output, {"charm_name": name})

    assert result.returncode == 1
    assert result.stdout.startswith(f"charm_name {name!r} ")
    assert result.stdout.count("\n") == 1
    assert command.tree(tmp_path) == before


def test_an_absolute_name_is_rejected(tmp_path: pathlib.Path):
    result = baking.by_command(tmp_path / "output", {"charm_name": str(tmp_path / "elsewhere")})

    assert result.returncode == 1
    assert result.stdout.startswith("charm_name ")
    assert command.tree(tmp_path) == {}

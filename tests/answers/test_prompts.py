"""Does a person get through the questions, and know what to type then?"""

from __future__ import annotations

import os
import pathlib
import re
import select
import shutil
import sys
from collections.abc import Callable

import pytest

from tests.support import baking, command
from tools import matrix

# The base whose Python is no newer than what runs these tests, so that uv needn't download one.
OLDEST = min(matrix.CHOICES["base"])
NEXT = re.compile(r"^  (\S.*?)\r?$", re.MULTILINE)


@pytest.mark.parametrize(
    ("question", "bad", "good", "message"),
    [
        ("charm_name", "foo-1", "foo", "charm_name 'foo-1' needs a letter in each part"),
        ("title", "x", "Good", "title has 1 character; Charmhub wants 2 to 40"),
        ("summary", "s" * 79, "Good", "summary has 79 characters; shorten it to 78"),
        ("author", "coding: x", "Good", "author holds an encoding declaration for Python"),
        ("contact", "c" * 501, "Good", "contact has 501 characters; shorten it to 500"),
        ("repository_url", "example.com", "https://a.example", "repository_url is not a plain"),
        ("copyright_year", "MMXXVI", "2026", "copyright_year is not a year; type one such as"),
    ],
)
def test_a_bad_answer_costs_that_answer(
    tmp_path: pathlib.Path, question: str, bad: str, good: str, message: str
):
    result = baking.by_prompts(tmp_path, {question: [bad, bad, good]})

    assert result.returncode == 0, result.stdout
    assert result.stdout.count(message) == 2
    charm = tmp_path / ("foo" if question == "charm_name" else "my-app")
    expected = baking.bake({}, tmp_path / "expected", **{"charm_name": charm.name, question: good})
    assert command.tree(charm) == command.tree(expected)


@pytest.mark.parametrize(
    ("question", "bad", "default"),
    [
        ("charm_name", "Foo-1", "foo1"),
        ("title", "x", "My App"),
        ("author", "coding: x", "Charm Authors"),
    ],
)
def test_enter_takes_what_is_proposed_instead(
    tmp_path: pathlib.Path, question: str, bad: str, default: str
):
    result = baking.by_prompts(tmp_path, {question: [bad, ""]})

    assert result.returncode == 0, result.stdout
    assert f"({default}): " in result.stdout
    (charm,) = tmp_path.iterdir()
    assert charm.name == (default if question == "charm_name" else "my-app")


def test_an_existing_folder_is_said_after_the_first_answer(tmp_path: pathlib.Path):
    (tmp_path / "my-app").mkdir()

    result = baking.by_prompts(tmp_path, {"charm_name": ["my-app", "other"]})

    assert result.returncode == 0, result.stdout
    before, _, after = result.stdout.partition(f"{tmp_path / 'my-app'} exists; choose another")
    assert "Title" not in before
    assert "Title" in after
    assert (tmp_path / "other" / "charmcraft.yaml").is_file()
    assert command.tree(tmp_path / "my-app") == {}


@pytest.mark.parametrize("base", matrix.CHOICES["base"])
def test_any_base_and_enter_bakes(tmp_path: pathlib.Path, base: str):
    """A harness that can't deploy the base is no choice when the question is asked again."""
    result = baking.by_prompts(tmp_path, {"base": base})
    again = "don't work together" in result.stdout
    if again:
        result = baking.by_prompts(tmp_path, {"base": base, "integration_tests": ["", ""]})

    assert result.returncode == 0, result.stdout
    rejected = {"base": base, "integration_tests": matrix.CHOICES["integration_tests"][0]}
    assert again == matrix.is_incompatible(rejected)
    project = (tmp_path / "my-app" / "pyproject.toml").read_text()
    assert ("jubilant>=" in project) == again


def test_a_question_that_ends_leaves_nothing(tmp_path: pathlib.Path):
    """Control-D is the end of what is typed."""
    result = command.run(
        *(*baking.COMMAND, matrix.TEMPLATE, "--output-dir", tmp_path / "output"),
        input="my-app\nx\n",
    )

    assert result.returncode == 1
    assert result.stdout.endswith("Aborted!\n")
    assert not (tmp_path / "output").exists()


def test_the_prompts_say_which_harness_serves_which_juju_and_base():
    prompts = matrix.CONTEXT["__prompts__"]
    assert isinstance(prompts, dict)

    for harness in matrix.CHOICES["integration_tests"]:
        assert f"for Juju {matrix.juju(harness)}" in prompts["integration_tests"][harness]
    for combination in matrix.INCOMPATIBLE.values():
        base, harness = combination["base"], combination["integration_tests"]
        (other,) = {*matrix.CHOICES["integration_tests"]} - {harness}
        assert f"not for {base}" in prompts["integration_tests"][harness]
        assert f"integration tests need {other}" in prompts["base"][base]
    assert "deprecated" in prompts["integration_tests"]["pytest-operator"]


@pytest.fixture
def at_terminal(tmp_path: pathlib.Path) -> Callable[..., str]:
    """Return a function that bakes with output to a terminal, and returns what it showed."""

    def bake(name: str, *, output: str = "a folder", **environment: str) -> str:
        terminal, its_end = os.openpty()
        shown = b""
        try:
            with command.running(
                *(*baking.COMMAND, matrix.TEMPLATE, "--no-input", "--output-dir", output),
                *(f"charm_name={name}", f"base={OLDEST}"),
                cwd=tmp_path,
                stdout=its_end,
                env={**os.environ, **environment},
            ) as process:
                # A terminal holds a few lines only until somebody reads them.
                while process.poll() is None or select.select([terminal], [], [], 0)[0]:
                    if select.select([terminal], [], [], 0.05)[0]:
                        shown += os.read(terminal, 10_000)
        finally:
            os.close(terminal)
            os.close(its_end)
        assert process.returncode == 0, shown
        return shown.decode()

    return bake


@pytest.mark.parametrize(
    ("name", "affixes"),
    [("my-charm", ["charm"]), ("kafka-operator", ["operator"]), ("kafka", [])],
)
def test_an_affix_gets_a_hint(at_terminal, tmp_path: pathlib.Path, name: str, affixes: list[str]):
    shown = at_terminal(name)

    assert re.findall(r"Hint: .* without '(\w+)'", shown) == affixes
    assert f"cd '{tmp_path}/a folder/{name}'" in NEXT.findall(shown)


def test_a_bake_that_cruft_compares_prints_no_next_steps(at_terminal, tmp_path: pathlib.Path):
    """cruft bakes into a temporary folder, of such a name."""
    shown = at_terminal("kafka", output="tmp_1a2b3cd")

    assert (tmp_path / "tmp_1a2b3cd" / "kafka" / "charmcraft.yaml").is_file()
    assert shown == ""


def tools(folder: pathlib.Path, *names: str) -> str:
    """Return a PATH on which, beside a system's own commands, only these are."""
    folder.mkdir()
    for name in ("git", "sh", "env", "uname", *names):
        found = shutil.which(name)
        (folder / name).symlink_to(found or sys.executable)
    (folder / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / "python3").chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    ("available", "steps"),
    [
        (["uvx", "pipx"], ["uv lock", "uvx tox"]),
        (["pipx"], ["pipx run uv lock", "pipx run tox"]),
        ([], [".venv/bin/uv lock", ".venv/bin/tox"]),
    ],
)
def test_the_next_steps_name_the_tools_that_are_there(
    at_terminal, tmp_path: pathlib.Path, available: list[str], steps: list[str]
):
    shown = NEXT.findall(at_terminal("kafka", PATH=tools(tmp_path / "bin", *available)))

    assert shown[:2] == [f"cd '{tmp_path}/a folder/kafka'", "git init -b main"]
    assert [step for step in shown if step in steps] == steps
    assert any(step.startswith("python3 -m venv") for step in shown) == (not available)


def test_the_next_steps_work_where_only_python_and_git_are(at_terminal, tmp_path: pathlib.Path):
    """tox itself runs in a test of its own: here it lists what it would run."""
    path = tools(tmp_path / "bin")
    steps = NEXT.findall(at_terminal("kafka", PATH=path))
    config = tmp_path / "gitconfig"
    config.write_text("[user]\nname = Somebody\nemail = somebody@example.com\n")

    result = command.run(
        *("sh", "-exc", "\n".join([*steps[:-1], f"{steps[-1]} list --no-desc"])),
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "GIT_CONFIG_GLOBAL": str(config)},
    )

    assert result.returncode == 0, result.stdout
    assert {"lint", "unit"} <= set(result.stdout.split())
    charm = tmp_path / "a folder" / "kafka"
    assert command.git(charm, "status", "--porcelain") == ""
    assert command.git(charm, "branch", "--show-current") == "main\n"
    assert "uv.lock" in command.git(charm, "ls-files").split()


def test_a_script_gets_no_next_steps(tmp_path: pathlib.Path):
    result = baking.by_command(tmp_path)

    assert (result.returncode, result.stdout) == (0, "")

"""Is an invalid answer rejected in one line, whatever is baked from, and nothing written then?"""

from __future__ import annotations

import datetime
import json
import pathlib
import re
import subprocess
from collections.abc import Callable, Mapping

import pytest
import yaml
from cookiecutter import exceptions, main

from tests.support import baking, command
from tools import matrix

UNFIT = [
    ({"charm_name": "foo-1"}, "charm_name 'foo-1' needs a letter in each part"),
    ({"title": "x"}, "title has 1 character; Charmhub wants 2 to 40"),
    ({"summary": "a\tb"}, "summary holds '\\t' (U+0009), which does not print"),
    ({"author": ""}, "author is empty"),
    ({"contact": " x"}, "contact starts or ends with a space"),
    ({"repository_url": "example.com"}, "repository_url is not a plain web address"),
    ({"repository_url": "https://example.com/x/"}, "repository_url ends with a slash; leave it"),
    ({"copyright_year": "MMXXVI"}, "copyright_year is not a year"),
]
# What cookiecutter itself rejects on the command line, and lets through in a replay.
UNKNOWN = [
    ({question: "lxd"}, f"{question} can't be 'lxd'; choose one of: {choices[0]}, ")
    for question, choices in matrix.CHOICES.items()
]
# Each of these follows from the answers, or is the template's own.
STALE = ["__python", "__class_name", "_pythons", "_juju_channels", "_incompatible"]


def ids(value: object) -> str | None:
    """Name a test by the question that it is about."""
    return "-".join(value) if isinstance(value, dict) else ""


@pytest.fixture
def rejected(tmp_path: pathlib.Path) -> Callable[[subprocess.CompletedProcess[str], str], None]:
    """Return a function that fails unless a command printed one line and left nothing."""

    def check(result: subprocess.CompletedProcess[str], message: str) -> None:
        assert result.returncode == 1
        assert result.stdout.count("\n") == 1, result.stdout
        assert result.stdout.startswith(message)
        assert not (tmp_path / "output").exists()

    return check


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Return what cookiecutter saves of a bake for a replay."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "config.yaml").write_text(f"replay_dir: {folder}\n")
    main.cookiecutter(
        str(matrix.TEMPLATE),
        no_input=True,
        config_file=str(folder / "config.yaml"),
        output_dir=str(folder),
    )
    return json.loads((folder / f"{matrix.TEMPLATE.name}.json").read_text())


@pytest.fixture
def replay(tmp_path: pathlib.Path, saved) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that bakes from a replay in which some values are changed or missing."""

    def bake(changes: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
        values = {**saved["cookiecutter"], **changes}
        kept = {key: value for key, value in values.items() if value is not None}
        (tmp_path / "replay.json").write_text(json.dumps({**saved, "cookiecutter": kept}))
        return command.run(
            *(*baking.COMMAND, matrix.TEMPLATE, "--output-dir", tmp_path / "output"),
            *("--replay-file", tmp_path / "replay.json"),
            input="\n" * 20,
        )

    return bake


@pytest.mark.parametrize(("answers", "message"), UNFIT, ids=ids)
def test_the_command_rejects(tmp_path: pathlib.Path, rejected, answers, message: str):
    rejected(baking.by_command(tmp_path / "output", answers), message)


@pytest.mark.parametrize(("answers", "message"), [*UNFIT, *UNKNOWN], ids=ids)
def test_a_replay_is_rejected(replay, rejected, answers, message: str):
    rejected(replay(answers), message)


def test_an_unchanged_replay_bakes(tmp_path: pathlib.Path, replay):
    result = replay({})

    assert result.returncode == 0, result.stdout
    assert (tmp_path / "output" / "my-app" / "charmcraft.yaml").is_file()


@pytest.mark.parametrize("key", STALE)
def test_a_replay_with_a_stale_value_is_rejected(replay, rejected, key: str):
    rejected(replay({key: "stale"}), f"{key} doesn't follow from the answers; ")


@pytest.mark.parametrize("key", ["__python", "__class_name"])
def test_a_replay_without_a_derived_value_is_rejected(replay, rejected, key: str):
    rejected(replay({key: None}), f"{key} doesn't follow from the answers; ")


@pytest.mark.parametrize("question", ["title", "repository_url", "copyright_year"])
def test_a_replay_without_a_derived_default_is_rejected(
    tmp_path: pathlib.Path, replay, question: str
):
    """cookiecutter asks for what a replay lacks, and offers the default as it is in the json."""
    result = replay({question: None})

    assert result.returncode == 1
    assert re.search(f": {question} (has|is) .*\n$", result.stdout)
    assert not (tmp_path / "output").exists()


def test_a_choice_changed_by_hand_is_rejected(replay, rejected):
    """Here, the Python of another base would be left."""
    rejected(replay({"base": "ubuntu@22.04"}), "__python doesn't follow from the answers")


@pytest.mark.parametrize(("answers", "message"), UNFIT, ids=ids)
def test_python_gets_an_exception(tmp_path: pathlib.Path, answers, message: str):
    with pytest.raises(exceptions.FailedHookException) as rejection:
        baking.bake({}, tmp_path / "output", **answers)

    assert str(rejection.value).startswith(message)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("answers", [answers for answers, _ in UNKNOWN], ids=ids)
def test_an_unknown_choice_names_the_choices(tmp_path: pathlib.Path, answers):
    """cookiecutter itself rejects it, before it loads anything of the template but its json."""
    (question,) = answers

    with pytest.raises(ValueError, match=f"choice variable {question}, but the choices are"):
        baking.bake({}, tmp_path / "output", **answers)
    result = baking.by_command(tmp_path / "output", answers)

    last = result.stdout.splitlines()[-1]
    assert all(choice in last for choice in ("lxd", question, *matrix.CHOICES[question]))
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("question", ["sub-strate", "", "__pythons", "__prompts__"])
def test_a_question_that_is_not_asked_is_rejected(tmp_path: pathlib.Path, rejected, question: str):
    """Else a mistyped one would leave the default."""
    result = baking.by_command(tmp_path / "output", {question: "kubernetes"})

    rejected(result, f"'{question}' is no question of this template; choose one of: charm_name, ")
    assert result.stdout.endswith(", copyright_year\n")


def test_a_rejection_does_not_need_hooks(tmp_path: pathlib.Path, rejected):
    rejected(
        baking.by_command(tmp_path / "output", {"title": "x"}, "--accept-hooks", "no"), "title "
    )


@pytest.mark.parametrize("variant", matrix.incompatible(), ids=matrix.name)
def test_choices_that_do_not_work_together_are_rejected(
    tmp_path: pathlib.Path, rejected, variant: matrix.Variant
):
    result = baking.by_command(tmp_path / "output", variant)

    ((reason, combination),) = [
        (reason, combination)
        for reason, combination in matrix.INCOMPATIBLE.items()
        if combination.items() <= variant.items()
    ]
    chosen = " and ".join(f"{question}={choice}" for question, choice in combination.items())
    rejected(result, f"{chosen} don't work together: {reason}; choose ")
    proposed = result.stdout.strip().partition("; choose ")[2].split(" or ")
    assert [proposal.split("=")[0] for proposal in proposed] == list(combination)
    for question, choice in (proposal.split("=") for proposal in proposed):
        assert baking.bake({**variant, question: choice}, tmp_path / question).is_dir()


def test_a_long_answer_is_not_shown_whole(tmp_path: pathlib.Path, rejected):
    result = baking.by_command(tmp_path / "output", {"charm_name": "N" * 100_000})

    rejected(result, f"charm_name '{'N' * 60}'... has 100000 characters")
    assert len(result.stdout) < 250


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_a_terminal_shows_any_rejection(
    tmp_path: pathlib.Path, rejected, monkeypatch: pytest.MonkeyPatch, encoding: str
):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    result = baking.by_command(tmp_path / "output", {"charm_name": "m\u0443-app"})

    shown = "m\u0443-app" if encoding == "utf-8" else "m\\u0443-app"
    rejected(result, f"charm_name '{shown}' may hold only a to z")


@pytest.mark.parametrize(
    ("default", "message"),
    [
        ({"title": datetime.date(2026, 1, 2)}, "2026-01-02 is a date; type some text"),
        ({"author": datetime.datetime(2026, 1, 2, 3, 4, 5)}, "2026-01-02 03:04:05 is a date"),
        ({"charm_name": {"a": "b"}}, "charm_name is no text"),
        ({"summary": {"a": "b"}}, "summary is no text"),
        ({"contact": None}, "contact is no text"),
        ({"contact": True}, "contact is no text"),
        ({"_pythons": {"ubuntu@24.04": "3.9"}}, "_pythons doesn't follow from the answers"),
    ],
)
def test_a_default_of_the_user_that_is_no_text_is_rejected(
    tmp_path: pathlib.Path, rejected, default: dict[str, object], message: str
):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"default_context": default, "replay_dir": str(tmp_path)}))

    rejected(
        baking.by_command(tmp_path / "output", {}, "--config-file", str(config)),
        message,
    )


def test_a_default_of_the_user_is_taken(tmp_path: pathlib.Path):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"default_context: {{copyright_year: 2024, author: Zoë}}\nreplay_dir: {tmp_path}"
    )

    result = baking.by_command(tmp_path / "output", {}, "--config-file", str(config))

    assert result.returncode == 0, result.stdout
    charm = (tmp_path / "output" / "my-app" / "src" / "charm.py").read_text()
    assert "\n# Copyright 2024 Zoë\n" in charm

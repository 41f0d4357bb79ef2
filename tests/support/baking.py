"""Bake charms as the template's users do: from Python, by the command, at its prompts."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
from collections.abc import Mapping

from cookiecutter.main import cookiecutter

from tests.support import command
from tools import matrix

CHARM_NAME = "fixture-charm"
COMMAND = (sys.executable, "-m", "cookiecutter")


class Baker:
    """Bakes charms under one folder, each variant at most once."""

    def __init__(self, root: pathlib.Path):
        self._root = root
        self._baked: dict[str, pathlib.Path] = {}

    def bake(self, variant: matrix.Variant, **answers: str) -> pathlib.Path:
        """Bake a charm that tests only read.

        Args:
            variant: Choices by question.
            answers: Other answers by question.

        Returns:
            The charm's folder.
        """
        key = repr(sorted({**variant, **answers}.items()))
        if key not in self._baked:
            self._baked[key] = bake(variant, self._root / str(len(self._baked)), **answers)
        return self._baked[key]

    def copy(self, variant: matrix.Variant, folder: pathlib.Path) -> pathlib.Path:
        """Bake a charm that a test may change into a new folder, and return that."""
        return pathlib.Path(shutil.copytree(self.bake(variant), folder))


def bake(variant: matrix.Variant, folder: pathlib.Path, **answers: str) -> pathlib.Path:
    """Bake a charm into a folder, and return the charm's own folder."""
    return pathlib.Path(
        cookiecutter(
            str(matrix.TEMPLATE),
            no_input=True,
            extra_context={"charm_name": CHARM_NAME, **variant, **answers},
            output_dir=str(folder),
        )
    )


def by_command(
    output: pathlib.Path,
    answers: Mapping[str, str] | None = None,
    *options: str,
    template: pathlib.Path | str = matrix.TEMPLATE,
    **popen: object,
) -> subprocess.CompletedProcess[str]:
    """Bake with the command and no input.

    Args:
        output: The folder to bake into.
        answers: Answers by question, as in `title=Text`.
        options: More options of the command.
        template: The template's folder or address.
        popen: What else subprocess.run takes.

    Returns:
        The finished command; a refusal has status 1.
    """
    return command.run(
        *(*COMMAND, str(template), "--no-input", "--output-dir", str(output), *options),
        *(f"{question}={answer}" for question, answer in (answers or {}).items()),
        **popen,
    )


def by_prompts(
    output: pathlib.Path, answers: Mapping[str, str | list[str]], *options: str
) -> subprocess.CompletedProcess[str]:
    """Bake with the command, and type an answer at each prompt.

    Args:
        output: The folder to bake into.
        answers: Answers by question; of a choice, its value. Of a list, each is typed when the
            question is asked again. The rest gets its default.
        options: More options of the command.

    Returns:
        The finished command.
    """
    lines = []
    for question, default in matrix.CONTEXT.items():
        if question.startswith("_"):
            continue
        typed = answers.get(question, "")
        for answer in [typed] if isinstance(typed, str) else typed:
            lines.append(
                str(default.index(answer) + 1) if isinstance(default, list) and answer else answer
            )
    return command.run(
        *(*COMMAND, str(matrix.TEMPLATE), "--output-dir", str(output), *options),
        input="\n".join(lines) + "\n",
    )

"""Run cookiecutter as a person or a script does, and see what it leaves."""

from __future__ import annotations

import importlib.util
import pathlib
import shutil
import subprocess
import sys
import types
from collections.abc import Mapping

from tests.support import matrix

CLI = (sys.executable, "-m", "cookiecutter")


def run(
    output: pathlib.Path,
    answers: Mapping[str, str] | None = None,
    *options: str,
    template: pathlib.Path | str = matrix.TEMPLATE,
    **popen: object,
) -> subprocess.CompletedProcess[str]:
    """Bake with the command and no input, standard error behind standard output.

    Args:
        output: The folder to bake into.
        answers: Answers by question, as in `title=Text`.
        options: More options of the command.
        template: The template's folder or address.
        popen: What else subprocess.run takes.

    Returns:
        The finished command; a refusal has status 1.
    """
    return subprocess.run(
        [
            *(*CLI, str(template), "--no-input", "--output-dir", str(output), *options),
            *(f"{question}={answer}" for question, answer in (answers or {}).items()),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        **popen,  # type: ignore[call-overload]
    )


def prompt(
    output: pathlib.Path, answers: Mapping[str, str], *options: str
) -> subprocess.CompletedProcess[str]:
    """Bake with the command, and type an answer at each prompt.

    Args:
        output: The folder to bake into.
        answers: Answers by question; of a choice, its value. The rest gets its default.
        options: More options of the command.

    Returns:
        The finished command.
    """
    lines = []
    for question, default in matrix.CONTEXT.items():
        if not question.startswith("_"):
            answer = answers.get(question, "")
            if isinstance(default, list) and answer:
                answer = str(default.index(answer) + 1)
            lines.append(answer)
    return subprocess.run(
        [*CLI, str(matrix.TEMPLATE), "--output-dir", str(output), *options],
        input="\n".join(lines) + "\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def tree(folder: pathlib.Path) -> dict[str, bytes | None]:
    """Read everything below a folder: each file's content, and None for a folder."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def rules() -> types.ModuleType:
    """Load the functions of the hook that refuses answers, without running it."""
    path = matrix.TEMPLATE / "hooks" / "pre_gen_project.py"
    spec = importlib.util.spec_from_file_location("pre_gen_project", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tracked() -> list[str]:
    """List the files that belong to the template, committed or about to be."""
    listed = git(matrix.TEMPLATE, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [path for path in listed.split("\0") if (matrix.TEMPLATE / path).is_file()]


def repository(folder: pathlib.Path) -> pathlib.Path:
    """Make a git repository of the template as it is in the work tree, and return its folder."""
    for path in tracked():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(matrix.TEMPLATE / path, folder / path)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    return folder


def commit(folder: pathlib.Path) -> None:
    """Commit everything in a repository."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=A change")


def git(folder: pathlib.Path, *arguments: str) -> str:
    """Run git in a folder, as nobody in particular, and return its output."""
    settings = (
        "user.name=Somebody",
        "user.email=somebody@example.com",
        "commit.gpgsign=false",
        "safe.directory=*",  # A CI runner may check the template out as another user.
    )
    options = [option for setting in settings for option in ("-c", setting)]
    return subprocess.run(
        ["git", *options, *arguments], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    ).stdout

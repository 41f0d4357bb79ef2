"""Treat answers as data: as typed, quoted, refused early, with nothing half-done left behind.

cookiecutter loads this Jinja extension because cookiecutter.json names it in `_extensions`.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import pathlib
import shlex
import shutil
import sys
import types
from collections.abc import Mapping

import click
import cookiecutter
import jinja2
import jinja2.ext
from cookiecutter import exceptions

if tuple(int(part) for part in cookiecutter.__version__.split(".")[:2]) < (2, 6):
    # Older versions don't know the template's delimiters; they show this text in one line.
    raise ImportError(
        f"the template needs cookiecutter 2.6 or newer, and this is {cookiecutter.__version__}; "
        "run: pip install --upgrade cookiecutter"
    )

TEMPLATE = pathlib.Path(__file__).parent
ROOM = 1_000_000  # bytes: several times what a charm takes


class Answers(jinja2.ext.Extension):
    """Evaluate the template's own text only, and offer filters that refuse or quote answers."""

    def __init__(self, environment: jinja2.Environment):
        super().__init__(environment)
        environment.filters["check_name"] = check_name
        environment.filters["check_answers"] = check_answers
        environment.filters["quote"] = quote
        # cruft update bakes two versions of the template in one process: load each one's own.
        sys.modules.pop(__name__, None)

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return what Jinja is to evaluate: for an answer, a literal of the same text.

        Without this, cookiecutter evaluates answers under --no-input (render_variable in its
        prompt.py), in a Jinja environment that is no sandbox: an answer could run any command.
        One that equals a text of the template is still evaluated, as that text is anyway.
        """
        env = self.environment
        starts = (env.variable_start_string, env.block_start_string, env.comment_start_string)
        is_plain = not any(start in source for start in starts)
        if name is not None or is_plain or source in own_texts():
            return source
        return f"{env.variable_start_string} {source!a} {env.variable_end_string}"


@functools.cache
def own_texts() -> frozenset[str]:
    """Return each text of the template that cookiecutter evaluates, but for files' content."""
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    return frozenset(
        [text for text in questions.values() if isinstance(text, str)]
        + [path.name for path in TEMPLATE.iterdir()]
        + [path.read_text(encoding="utf-8") for path in TEMPLATE.glob("hooks/*.py")]
    )


@functools.cache
def rules() -> types.ModuleType:
    """Load the rules for answers, which are in the hook so that no way of baking goes round them.

    A replay, for one, reaches the hook alone.
    """
    spec = importlib.util.spec_from_file_location("rules", TEMPLATE / "hooks/pre_gen_project.py")
    if spec is None or spec.loader is None:
        raise ImportError("hooks/pre_gen_project.py is missing from the template")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_name(name: str) -> str:
    """Refuse an unfit name before the next question, and before it names a folder."""
    return refuse(rules().first_problem({"charm_name": name}))


def quote(text: str) -> str:
    """Quote a text for YAML, as a double-quoted scalar."""
    return json.dumps(text, ensure_ascii=False)


def check_answers(answers: Mapping[str, str]) -> str:
    """Refuse unfit answers, or a folder that can't take the charm, before anything is written."""
    refuse(rules().first_problem(answers))
    context = click.get_current_context(silent=True)
    cli = sys.modules.get("cookiecutter.cli")
    if context and cli and context.command is cli.main:
        attend(context, pathlib.Path(context.params["output_dir"]) / answers["charm_name"])
    return ""


def attend(context: click.Context, charm: pathlib.Path) -> None:
    """Let cookiecutter's command clean up if it fails, and say what is next if it doesn't.

    Args:
        context: The command that runs.
        charm: The charm's folder to be.

    Raises:
        cookiecutter.exceptions.FailedHookException: If the folder can't take the charm.
    """
    folders = (charm.absolute(), *charm.absolute().parents)
    missing = [folder for folder in folders if not os.path.lexists(folder)]
    if missing:
        refuse(folder_problem(missing[-1].parent))
        if not context.params.get("keep_project_on_failure"):
            context.call_on_close(functools.partial(remove_if_failed, missing))
    if sys.stdout.isatty():
        context.call_on_close(functools.partial(tell_next_steps, charm))


def refuse(problem: str | None) -> str:
    """Raise what cookiecutter's command prints as one line without a traceback.

    Args:
        problem: What is wrong and what to do instead, or None.

    Returns:
        The empty text, for a private variable of cookiecutter.json.

    Raises:
        cookiecutter.exceptions.FailedHookException: If there is a problem.
    """
    if problem:
        raise exceptions.FailedHookException(problem)
    return ""


def folder_problem(folder: pathlib.Path) -> str | None:
    """Return why a charm can't be written into a folder, or None."""
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} is not a folder that you can write to; choose another --output-dir"
    disk = shutil.disk_usage(folder)
    if disk.total and disk.free < ROOM:  # Some file systems don't tell: all is zero there.
        return f"{folder} has no room for a charm; free some space or choose another --output-dir"
    return None


def failure() -> BaseException | None:
    """Return what ends cookiecutter's command, but for success."""
    error = sys.exc_info()[1]
    return None if getattr(error, "exit_code", None) == 0 else error


def remove_if_failed(missing: list[pathlib.Path]) -> None:
    """Remove what a bake that failed or was interrupted has made.

    Args:
        missing: The charm's folder and those above it that weren't there before, inner first.
    """
    error = failure()
    if error is None:
        return
    if isinstance(error.__context__, exceptions.OutputDirExistsException):
        return  # Somebody else has made the folder since the answers were checked.
    shutil.rmtree(missing[0], ignore_errors=True)
    for folder in missing[1:]:
        if not folder.is_dir() or any(folder.iterdir()):
            break
        folder.rmdir()


def tell_next_steps(charm: pathlib.Path) -> None:
    """Tell a person at a terminal what to do with a new charm; a script hears nothing.

    Args:
        charm: The charm's folder.
    """
    if failure():
        return
    for affix in sorted({"charm", "operator"} & set(charm.name.split("-"))):
        print(f"Hint: the names of charms usually go without {affix!r}.")
    folder = shlex.quote(str(charm))
    print(f"Next: cd {folder} && git init && tox, then replace the placeholder in src/workload.py")

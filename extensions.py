"""Check each answer, execute none, and quote them for YAML.

cookiecutter loads this Jinja extension because cookiecutter.json names it in `_extensions`.
cookiecutter.json calls a filter below after each question, or the last of some that go together.
Another filter checks all answers before the charm's folder is created, since a replay, for one,
skips the questions.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import click
import cookiecutter
import jinja2
import jinja2.ext

if tuple(int(part) for part in cookiecutter.__version__.split(".")[:2]) < (2, 6):
    # Older versions don't know the template's delimiters; they show this text in one line.
    raise ImportError(
        f"the template needs cookiecutter 2.6 or newer, and this is {cookiecutter.__version__}; "
        "run: pip install --upgrade cookiecutter"
    )

from cookiecutter import cli, exceptions, prompt

import answer_rules
from answer_rules import QUESTIONS

FOLDER = "<<cookiecutter.charm_name>>"
CHARM_SIZE = 1_000_000  # bytes: several times what a charm takes
# How Python writes a date or a time, which YAML makes of an unquoted default in cookiecutter's
# configuration; cookiecutter can't save one.
DATE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\S+)?", re.ASCII)


class Answers(jinja2.ext.Extension):
    """Let Jinja evaluate the template's own texts only, and offer the filters that they use."""

    def __init__(self, environment: jinja2.Environment):
        super().__init__(environment)
        if problem := answer_rules.unknown_problem(command_options().get("extra_context") or ()):
            raise failure(problem)
        environment.filters.update(
            check=check, checked_folder=checked_folder, is_own=is_own, quote=quote
        )
        # cruft update bakes two versions of the template in one process. Forget this version's
        # modules, so that the other imports its own.
        for module in (__name__, answer_rules.__name__):
            sys.modules.pop(module, None)

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return what Jinja is to evaluate: for an answer, a literal of the same text.

        Under --no-input, cookiecutter evaluates answers as it does defaults (render_variable in
        its prompt.py), in a Jinja environment that is no sandbox: an answer could run any command.
        Files have a name here; defaults, answers and the name of the charm's folder have none.
        """
        if name is not None:
            return source
        if DATE.fullmatch(source):
            raise failure(f"{source} is a date; type some text, also in your configuration file")
        if not any(start in source for start in ("<<", "<%", "<#")):
            return source
        literal = f"<< {source!a} >>"
        if source not in (FOLDER, *QUESTIONS.values()):
            return literal
        # Still, it is an answer if it stands where another default belongs.
        own = "<< cookiecutter | checked_folder >>" if source == FOLDER else source
        return f"<% if cookiecutter | is_own({source!a}) %>{own}<% else %>{literal}<% endif %>"


def is_own(answers: Mapping[str, object], text: str) -> bool:
    """Whether a text is the default of the next question, or after the last the folder's name."""
    question = next((key for key in QUESTIONS if key not in answers), None)
    return text == (QUESTIONS[question] if question else FOLDER)


def quote(text: str) -> str:
    """Quote a text for YAML, as a double-quoted scalar."""
    return json.dumps(text, ensure_ascii=False)


@jinja2.pass_environment
def check(
    environment: jinja2.Environment, answers: MutableMapping[str, Any], question: str
) -> str:
    """Check an answer as soon as it is given; at a prompt, ask again until it is fit.

    Raises:
        cookiecutter.exceptions.FailedHookException: If nobody is asked.
    """
    while problem := answer_rules.answer_problem(answers, question) or (
        folder_problem(answers) if question == "charm_name" else None
    ):
        if command_options().get("no_input", True):
            raise failure(problem)
        click.echo(printable(problem))
        answer, default = answers.pop(question, ""), QUESTIONS[question]
        if isinstance(default, list):
            fit = [
                choice
                for choice in default
                if not answer_rules.answer_problem({**answers, question: choice}, question)
            ]
            answers[question] = prompt.read_user_choice(question, fit, answer_rules.PROMPTS)
        else:
            if question == "charm_name" and answer_rules.name_problem(answer):
                proposal = answer_rules.propose_name(answer)
            else:
                proposal = render_default(environment, answers, question)
            answers[question] = prompt.read_user_variable(question, proposal, answer_rules.PROMPTS)
    return ""


@jinja2.pass_environment
def checked_folder(environment: jinja2.Environment, answers: Mapping[str, Any]) -> str:
    """Return the name of the charm's folder, which cookiecutter is about to create.

    Raises:
        cookiecutter.exceptions.FailedHookException: If the charm would be broken, or if it can't
            be written.
    """
    problem = answer_rules.first_problem(answers)
    problem = problem or stale_problem(environment, answers) or folder_problem(answers)
    if problem:
        raise failure(problem)
    if options := command_options():
        folder = pathlib.Path(options["output_dir"], answers["charm_name"]).absolute()
        keep = options["keep_project_on_failure"]
        click.get_current_context().with_resource(clean_bake(folder, keep=keep))
    return answers["charm_name"]


def command_options() -> dict[str, Any]:
    """Return the options of the cookiecutter command, or none if it isn't the one that runs."""
    context = click.get_current_context(silent=True)
    return context.params if context and context.command is cli.main else {}


def render_default(
    environment: jinja2.Environment, answers: Mapping[str, Any], question: str
) -> str:
    """Render a question's default, or a derived value, from the answers before it."""
    before = itertools.takewhile(lambda key: key != question, QUESTIONS)
    template = environment.from_string(str(QUESTIONS[question]))
    return template.render(cookiecutter={key: answers[key] for key in before})


def stale_problem(environment: jinja2.Environment, answers: Mapping[str, Any]) -> str | None:
    """Return which value is not the template's own, as in an old replay, or None."""
    for key, own in QUESTIONS.items():
        if key.startswith("__check") or not key.startswith("_"):
            continue
        if key.startswith("__"):
            own = render_default(environment, answers, key)
        if answers[key] != own:
            return (
                f"{key} doesn't follow from the answers; bake without a replay, and don't set it"
            )
    return None


def folder_problem(answers: Mapping[str, Any]) -> str | None:
    """Return why the charm's folder can't be created, or None.

    While questions are asked, only the command knows the folder, and whether to overwrite it.
    """
    options = command_options()
    output = options.get("output_dir", answers.get("_output_dir"))
    if output is None:
        return None
    folder = pathlib.Path(output).absolute() / answers["charm_name"]
    if folder.is_dir() and not options.get("overwrite_if_exists", True):
        return f"{folder} exists; choose another name or --output-dir, or --overwrite-if-exists"
    if os.path.lexists(folder) and not folder.is_dir():
        return f"{folder} is not a folder; remove it, or choose another name or --output-dir"
    parent = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        return f"{parent} is not a folder that you can write to; choose another --output-dir"
    disk = shutil.disk_usage(parent)
    if disk.total and disk.free < CHARM_SIZE:  # Some file systems don't say: all is zero there.
        return f"{parent} has no space for a charm; free some or choose another --output-dir"
    return None


@contextlib.contextmanager
def clean_bake(folder: pathlib.Path, *, keep: bool) -> Iterator[None]:
    """Remove a charm whose bake is cut short.

    Args:
        folder: The charm's folder, which may not exist yet.
        keep: Whether to keep a charm that is cut short.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    deadly = (signal.SIGTERM, signal.SIGHUP)
    endings = [number for number in deadly if signal.getsignal(number) is signal.SIG_DFL]
    for number in endings:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except (Exception, KeyboardInterrupt):  # Before SystemExit, cookiecutter cleans up itself.
        if new and not keep:
            shutil.rmtree(new[-1], ignore_errors=True)
        raise
    finally:
        for number in endings:
            signal.signal(number, signal.SIG_DFL)


def failure(problem: str) -> exceptions.FailedHookException:
    """Return an exception that the cookiecutter command prints as one line."""
    return exceptions.FailedHookException(printable(problem))


def printable(text: str) -> str:
    """Escape what the terminal can't show."""
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)

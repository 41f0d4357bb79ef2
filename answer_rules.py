"""Say what is wrong with an answer and what to type instead, in one line."""

from __future__ import annotations

import json
import pathlib
import re
import unicodedata
from collections.abc import Iterable, Mapping

# Every question, choice and derived value.
QUESTIONS: dict[str, object] = json.loads(
    pathlib.Path(__file__).with_name("cookiecutter.json").read_text(encoding="utf-8")
)
PROMPTS = QUESTIONS.pop("__prompts__")
INCOMPATIBLE: dict[str, dict[str, str]] = QUESTIONS["_incompatible"]  # type: ignore[assignment]

NAME_MAX, TEXT_MAX = 40, 500
# The author's line, "# Copyright 2024-2026 " and the name, has 99 columns.
LONGEST = {"title": 40, "summary": 78, "author": 77}
# YAML 1.1 takes these for a boolean or for nothing, and a charm's name stands in other files too.
YAML_WORDS = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))
# What pydantic's AnyHttpUrl, which charmcraft uses, takes for sure: not every xn-- label is one of
# its international names, and a last label of digits makes it expect four numbers.
URL = re.compile(
    r"https?://((?!xn--)[a-z0-9-]+\.)*(?!xn--)[a-z][a-z0-9-]*"
    r"(:[1-5]?[0-9]{1,4})?"
    r"(/[!$-;=@-\[\]_a-z~]*)?",
    re.IGNORECASE | re.ASCII,
)
# Python reads such a comment in a file's first lines as the file's encoding (PEP 263).
ENCODING = re.compile(r"coding[:=]\s*[-\w.]")
JOINERS = (
    "\u200c\u200d"  # Emoji, Persian and Sinhala need them, and charmcraft and YAML take them.
)


def first_problem(answers: Mapping[str, object]) -> str | None:
    """Return the first thing that is wrong with some answers, or None."""
    questions = [key for key in QUESTIONS if key in answers and not key.startswith("_")]
    return next(filter(None, (answer_problem(answers, key) for key in questions)), None)


def answer_problem(answers: Mapping[str, object], question: str) -> str | None:
    """Return what is wrong with the answer to a question, or None."""
    answer, choices = answers.get(question), QUESTIONS[question]
    if not isinstance(answer, str):
        return f"{question} is no text; type one line of text"
    if question == "charm_name":
        problem = name_problem(answer)
        return problem and f"charm_name {show(answer)} {problem}; try {propose_name(answer)!r}"
    if isinstance(choices, list):
        if answer not in choices:
            return f"{question} can't be {show(answer)}; choose one of: {', '.join(choices)}"
        return combination_problem(answers)
    problem = text_problem(question, answer)
    return problem and f"{question} {problem}"


def combination_problem(answers: Mapping[str, object]) -> str | None:
    """Return why choices don't work together, or None."""
    for reason, combination in INCOMPATIBLE.items():
        if combination.items() <= answers.items():
            chosen = " and ".join(f"{key}={choice}" for key, choice in combination.items())
            others = " or ".join(
                f"{key}={other_choice(key, choice)}" for key, choice in combination.items()
            )
            return f"{chosen} don't work together: {reason}; choose {others}"
    return None


def other_choice(question: str, choice: str) -> str:
    """Return the first other choice of a question."""
    choices = QUESTIONS[question]
    assert isinstance(choices, list)
    return next(other for other in choices if other != choice)


def show(text: str) -> str:
    """Return the start of an answer, in quotes."""
    return f"{text[:60]!r}{'...' if len(text) > 60 else ''}"


def show_character(character: str) -> str:
    """Return a character and its code point, which tells it from the one that it looks like."""
    return f"{character!r} (U+{ord(character):04X})"


def name_problem(name: str) -> str | None:
    """Return the rule of charmcraft, Juju or YAML that a charm's name breaks, or None.

    What Juju deploys, charmcraft packs too, up to 40 characters; charmcraft's own pattern is not
    used because it takes exponential time. Juju: github.com/juju/names (application.go);
    charmcraft: craft-application's ProjectName.
    """
    if not name:
        return "is empty"
    if len(name) > NAME_MAX:
        return f"has {len(name)} characters, and charmcraft packs at most {NAME_MAX}"
    if invalid := re.search(r"[^a-z0-9-]", name):
        return (
            "may hold only a to z in lower case, 0 to 9, and hyphens, "
            f"not {show_character(invalid[0])}"
        )
    if not name[0].isalpha():
        return "must start with a letter for Juju to deploy it"
    parts = name.split("-")
    if not all(parts):
        return "may hold hyphens only singly, between other characters"
    if any(part.isdigit() for part in parts):
        return "needs a letter in each part between hyphens for Juju to deploy it"
    if name in YAML_WORDS:
        return "is a word that YAML doesn't read as text"
    return None


def propose_name(name: str) -> str:
    """Return a name that is allowed and close to this one."""
    proposal = ""
    for part in re.findall(r"[a-z0-9]+", name[:TEXT_MAX].lower()):
        proposal += part if part.isdigit() else f"-{part}"
    short = re.sub(r"-[0-9]*$", "", proposal.lstrip("-0123456789")[:NAME_MAX])
    return f"{short}-app" if short in YAML_WORDS else short or "my-app"


def unknown_problem(questions: Iterable[str]) -> str | None:
    """Return which of these is no question, or None."""
    unknown = [each for each in questions if each not in QUESTIONS]
    if not unknown:
        return None
    asked = ", ".join(key for key in QUESTIONS if not key.startswith("_"))
    return f"{show(unknown[0])} is no question of this template; choose one of: {asked}"


def columns(character: str) -> int:
    """Return how many columns a character takes, as ruff counts a line's length."""
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def text_problem(question: str, text: str) -> str | None:
    """Return what makes a text invalid in the files that will hold it, or None."""
    if not text:
        return "is empty; type some text"
    if invalid := [char for char in text if not (char.isprintable() or char in JOINERS)]:
        return (
            f"holds {show_character(invalid[0])}, which does not print; "
            "type one line of printable text"
        )
    if text != text.strip():
        return "starts or ends with a space; leave it out"
    length = sum(map(columns, text)) if question == "author" else len(text)
    longest = LONGEST.get(question, TEXT_MAX)
    if length > longest:
        unit = "characters" if length == len(text) else "columns"
        return f"has {length} {unit}; shorten it to {longest}"
    if question == "title" and length < 2:
        return "has 1 character; Charmhub wants 2 to 40"
    if question == "author" and ENCODING.search(text):
        return "holds an encoding declaration for Python, such as coding:x; leave it out"
    if question == "repository_url" and not URL.fullmatch(text):
        return "is not a plain web address; type one such as https://github.com/org/my-app"
    if question == "repository_url" and text.endswith("/"):
        return "ends with a slash; leave it out"
    if question == "copyright_year" and not re.fullmatch(r"[0-9]{4}(-[0-9]{4})?", text):
        return "is not a year; type one such as 2026, or 2024-2026"
    return None

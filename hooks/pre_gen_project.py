"""Refuse answers that would bake a broken charm: one line says what is wrong and what to type."""

import json
import re
import sys

# The author's line, "# Copyright 2024-2026 " and the name, has 99 columns.
NAME_MAX, TITLE_MAX, SUMMARY_MAX, AUTHOR_MAX, TEXT_MAX = 40, 40, 78, 77, 500
FREE_TEXT = ("title", "summary", "author", "contact", "repository_url", "copyright_year")
# What pydantic's AnyHttpUrl, which charmcraft uses, takes for sure: not every xn-- label is one of
# its international names, and a last label of digits makes it expect four numbers.
URL = re.compile(
    r"https?://((?!xn--)[a-z0-9-]+\.)*(?!xn--)[a-z][a-z0-9-]*"
    r"(:[1-5]?[0-9]{1,4})?"
    r"(/[!#-;=?-\[\]_a-z~]*)?",
    re.IGNORECASE | re.ASCII,
)
# Python reads such a comment in a file's first lines as the file's encoding (PEP 263).
ENCODING = re.compile(r"coding[:=]\s*[-\w.]")


def show(char):
    """Return a character and its code point, which tells it from the one that it looks like."""
    return f"{char!r} (U+{ord(char):04X})"


def name_problem(name):
    """Return the rule of charmcraft or Juju that a charm's name breaks, or None.

    What Juju deploys, charmcraft packs too, up to 40 characters; charmcraft's own pattern is not
    used because it takes exponential time. Juju: github.com/juju/names (application.go);
    charmcraft: craft-application's ProjectName.
    """
    if not name or not isinstance(name, str):
        return "is empty" if name == "" else "is no text"
    if len(name) > NAME_MAX:
        return f"has {len(name)} characters, and charmcraft packs at most {NAME_MAX}"
    if unfit := re.search(r"[^a-z0-9-]", name):
        return f"may hold only a to z in lower case, 0 to 9, and hyphens, not {show(unfit[0])}"
    if not name[0].isalpha():
        return "must start with a letter for Juju to deploy it"
    parts = name.split("-")
    if not all(parts):
        return "may hold hyphens only singly, between other characters"
    if any(part.isdigit() for part in parts):
        return "needs a letter in each part between hyphens for Juju to deploy it"
    return None


def propose_name(name):
    """Return a name that is allowed and close to this one."""
    proposal = ""
    for part in re.findall(r"[a-z0-9]+", name.lower()):
        proposal += part if part.isdigit() else f"-{part}"
    short = proposal.lstrip("-0123456789")[:NAME_MAX]
    return re.sub(r"-[0-9]*$", "", short) or "my-app"


def text_problem(key, text):
    """Return what makes a free text unfit for the files that will hold it, or None."""
    if not isinstance(text, str):
        return f"is {text!r}; type some text"
    if not text:
        return "is empty; type some text"
    if unfit := [char for char in text if not char.isprintable()]:
        return f"holds {show(unfit[0])}, which does not print; type one line of printable text"
    if text != text.strip():
        return "starts or ends with a space; leave it out"
    # A character that isn't ASCII may be two columns wide.
    length = sum(1 if char.isascii() else 2 for char in text) if key == "author" else len(text)
    longest = {"title": TITLE_MAX, "summary": SUMMARY_MAX, "author": AUTHOR_MAX}.get(key, TEXT_MAX)
    if length > longest:
        return f"has {length} characters; shorten it to {longest}"
    if key == "title" and length < 2:
        return "has 1 character; Charmhub wants 2 to 40"
    if key == "author" and ENCODING.search(text):
        return "holds an encoding declaration for Python, such as coding:x; leave it out"
    if key == "repository_url" and not URL.fullmatch(text):
        return "is not a plain web address; type one such as https://github.com/org/my-app"
    if key == "copyright_year" and not re.fullmatch(r"[0-9]{4}(-[0-9]{4})?", text):
        return "is not a year; type one such as 2026, or 2024-2026"
    return None


def first_problem(answers):
    """Return the first thing that is wrong with the answers, as one line, or None."""
    name = answers["charm_name"]
    if problem := name_problem(name):
        return f"charm_name {name!r} {problem}; try {propose_name(str(name))!r}"
    for key in FREE_TEXT:
        if key in answers and (problem := text_problem(key, answers[key])):
            return f"{key} {problem}"
    if (answers.get("integration_tests"), answers.get("base")) == (
        "pytest-operator",
        "ubuntu@26.04",
    ):
        return (
            "integration_tests=pytest-operator can't deploy base=ubuntu@26.04, which "
            "python-libjuju doesn't know; choose integration_tests=jubilant or base=ubuntu@24.04"
        )
    return None


# tojson escapes the quote that would end this literal, so an answer can't become code.
ANSWERS = r'''<< cookiecutter | tojson >>'''  # fmt: skip

if __name__ == "__main__":
    sys.exit(first_problem(json.loads(ANSWERS)))

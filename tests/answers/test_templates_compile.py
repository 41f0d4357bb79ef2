"""Does every file of the template compile, and does it hold template syntax on purpose only?"""

from __future__ import annotations

import pathlib
import re

import jinja2
import pytest
from cookiecutter import utils

from tools import matrix

FOLDER = matrix.TEMPLATE / matrix.CHARM
FILES = sorted(
    path
    for folder in (FOLDER, matrix.TEMPLATE / "templates")
    for path in folder.rglob("*")
    if path.is_file() and not {"__pycache__", ".tox", ".ruff_cache"} & set(path.parts)
)
TEXTS = {key: text for key, text in matrix.CONTEXT.items() if isinstance(text, str)}

# An expression is about an answer, a literal that depends on one, or the whole of the answers.
LITERAL = r"('[^'<>\n]*'|\"[^\"<>\n]*\")"
EXPRESSION = re.compile(
    rf"<< (cookiecutter\b[^<>\n]*|await|async|{LITERAL} if cookiecutter\.[^<>\n]*"
    r") >>"
)
BLOCK = re.compile(
    r"<% (if (\"[^\"\n]*\" in )?cookiecutter\.[^<>\n]*|elif cookiecutter\.[^<>\n]*"
    r"|set \w+(, \w+)* = \(\"[^<>\n]*|include \"[^<>\n]*|else|endif|now 'utc', '%Y') %>"
)
ARROW = re.compile(r"-{1,2}>>")  # an arrow of a mermaid diagram
DELIMITER = re.compile(r"<<|>>|<%|%>|<#|#>")


def strays(text: str) -> list[str]:
    """Return what looks like template syntax in a text, and is none."""
    for meant in (EXPRESSION, BLOCK, ARROW):
        text = meant.sub("", text)
    return DELIMITER.findall(text)


@pytest.fixture(scope="module")
def environment() -> jinja2.Environment:
    """Return the environment that cookiecutter makes from cookiecutter.json."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(matrix.TEMPLATE))
        return utils.create_env_with_context({"cookiecutter": matrix.CONTEXT})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_compiles(environment: jinja2.Environment, path: pathlib.Path):
    environment.compile(path.read_text(), path.name, str(path))


@pytest.mark.parametrize("key", TEXTS)
def test_every_default_compiles(environment: jinja2.Environment, key: str):
    environment.compile(TEXTS[key], key, "cookiecutter.json")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_delimiter_is_meant(path: pathlib.Path):
    assert strays(path.read_text()) == []


@pytest.mark.parametrize("key", TEXTS)
def test_every_delimiter_of_a_default_is_meant(key: str):
    assert strays(TEXTS[key]) == []


@pytest.mark.parametrize(
    "text",
    [
        "cat <<EOF",
        "cat << EOF",
        "cat <<EOF >> file",
        "cat << 'EOF' >> file",
        "<<: *anchor",
        "1 << 3",
        "a >> 1",
        "echo x >> file",
        "#!/bin/sh #>",
        "<% raw %>",
        "<# a note #>",
        "<<cookiecutter.charm_name>>",
        "<< charm_name >>",
        "<< cookiecutter.charm_name\n>>",
    ],
)
def test_what_only_looks_like_template_syntax_is_rejected(text: str):
    assert strays(text) != []


@pytest.mark.parametrize(
    "text",
    [
        "<< cookiecutter.charm_name >>-<< cookiecutter.base.split('@')[1] >>",
        "<< 'async ' if cookiecutter.integration_tests == 'jubilant' >>",
        '<< "machine" if cookiecutter.substrate == "machine" else "Kubernetes" >>',
        '<% if cookiecutter.substrate == "machine" %>',
        "Juju->>B: leader-elected",
        "${{ secrets.X }}",
    ],
)
def test_what_is_meant_is_not_rejected(text: str):
    assert strays(text) == []

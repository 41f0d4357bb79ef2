"""Does the README say what is so: its commands, the questions, which variant needs which Juju?"""

from __future__ import annotations

import re
import subprocess

from tests.support import command, parameters
from tools import matrix

README = (matrix.TEMPLATE / "README.md").read_text()
COMMANDS = re.findall(r"```shell\n(.*?)```", README, re.DOTALL)


def questions() -> list[str]:
    """Return the rows of the README's table, as cookiecutter.json says."""
    rows = []
    for question, default in matrix.CONTEXT.items():
        if question.startswith("_"):
            continue
        if question in matrix.CHOICES:
            choices = ", ".join(f"`{choice}`" for choice in matrix.CHOICES[question])
            rows.append(f"| `{question}` | {choices} | `{matrix.CHOICES[question][0]}` |")
        elif "<<" in str(default) or "<%" in str(default):
            rows.append(f"| `{question}` | | derived |")
        else:
            rows.append(f"| `{question}` | | `{default}` |")
    return rows


def test_ci_runs_the_test_command_to_the_letter():
    script = (matrix.TEMPLATE / ".ci" / "run").read_text()

    assert COMMANDS[1] in script


def test_the_bake_command_bakes(tmp_path):
    """A fresh clone holds what git tracks, so that is what the command runs in."""
    clone = command.repository(tmp_path / "clone")

    words = f"{COMMANDS[0].strip()} --no-input"
    command.output("sh", "-ec", words, cwd=clone, stdin=subprocess.DEVNULL)

    assert (tmp_path / str(matrix.CONTEXT["charm_name"]) / "charmcraft.yaml").is_file()


def test_the_questions_are_those_of_cookiecutter_json():
    table = README.split("| question | choices | default |\n|---|---|---|\n")[1].split("\n\n")[0]

    assert table.splitlines() == questions()


def test_the_prompts_name_the_python_of_each_base():
    prompts = matrix.CONTEXT["__prompts__"]
    assert isinstance(prompts, dict)
    for base, python in matrix.PYTHONS.items():
        assert f"Python {python}" in prompts["base"][base]
    assert set(matrix.PYTHONS) == set(matrix.CHOICES["base"])


@parameters.FUNCTIONAL
def test_each_variant_has_the_juju_that_it_needs(variant: matrix.Variant):
    base = variant["base"].removeprefix("ubuntu@")
    juju = matrix.juju(variant["integration_tests"])

    row = f"| {variant['substrate']} | {base} | {variant['integration_tests']} | {juju} |"

    assert row in README.splitlines()


if __name__ == "__main__":
    print("\n".join(questions()))

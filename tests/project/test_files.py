"""Does a bake leave just the files that it should, and is each of them well-formed?"""

from __future__ import annotations

import ast
import configparser
import pathlib
import re

import pytest
import tomli
import yaml

from tests.support import baking, command, parameters
from tools import matrix

FILES = {
    ".github/CODEOWNERS",
    ".github/renovate.json",
    ".github/workflows/checks.yaml",
    ".github/workflows/integration.yaml",
    ".github/workflows/promote.yaml",
    ".github/workflows/release.yaml",
    ".gitignore",
    "AGENTS.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "charmcraft.yaml",
    "icon.svg",
    "pyproject.toml",
    "src/charm.py",
    "src/leadership.py",
    "src/workload.py",
    "terraform/README.md",
    "terraform/main.tf",
    "terraform/outputs.tf",
    "terraform/tests/main.tftest.hcl",
    "terraform/variables.tf",
    "terraform/versions.tf",
    "tests/integration/conftest.py",
    "tests/integration/convergence.py",
    "tests/integration/helpers.py",
    "tests/integration/test_charm.py",
    "tests/unit/application.py",
    "tests/unit/conftest.py",
    "tests/unit/events.py",
    "tests/unit/fakes.py",
    "tests/unit/first_release.json",
    "tests/unit/states.py",
    "tests/unit/test_actions.py",
    "tests/unit/test_credentials.py",
    "tests/unit/test_errors.py",
    "tests/unit/test_events.py",
    "tests/unit/test_failover.py",
    "tests/unit/test_leadership.py",
    "tests/unit/test_status.py",
    "tests/unit/test_upgrade.py",
    "tests/unit/test_workload.py",
    "tox.ini",
    "toxfile.py",
}
DELIMITERS = re.compile(r"<<|(?<!-)>>|<%|%>|<#|#>|cookiecutter|\{%")


def files(charm: pathlib.Path) -> dict[str, str]:
    """Read every file of a charm."""
    return {
        path.relative_to(charm).as_posix(): path.read_text()
        for path in sorted(charm.rglob("*"))
        if path.is_file()
    }


@parameters.EVERY
def test_a_bake_has_exactly_these_files(baker: baking.Baker, variant: matrix.Variant):
    charm = baker.bake(variant)

    assert set(files(charm)) == FILES
    folders = {path.relative_to(charm).as_posix() for path in charm.rglob("*") if path.is_dir()}
    parents = {parent for file in FILES for parent in pathlib.PurePath(file).parents}
    assert folders == {parent.as_posix() for parent in parents} - {"."}


@parameters.EVERY
def test_nothing_of_the_template_is_left(baker: baking.Baker, variant: matrix.Variant):
    charm = baker.bake(variant)

    left = {
        file: found.group()
        for file, text in files(charm).items()
        if (found := DELIMITERS.search(text))
    }
    assert left == {}


@parameters.EVERY
def test_nothing_of_another_variant_is_left(baker: baking.Baker, variant: matrix.Variant):
    """Each word belongs to one choice, and appears in charms of that choice alone."""
    words = {
        "machine": ("systemd",),
        "kubernetes": ("pebble", "workload-image", "k8s-api"),
        "pytest-operator": ("ops_test", "pytest-operator", "asyncio", "python-libjuju"),
        "jubilant": ("jubilant",),
    }
    charm = baker.bake(variant)
    chosen = set(variant.values())

    text = "\n".join(files(charm).values()).lower()

    for choice, its_words in words.items():
        assert [word for word in its_words if (word in text) != (choice in chosen)] == []


def test_charms_share_what_they_can(baker: baking.Baker):
    """Bases and harnesses share the whole charm; substrates, nearly all of leadership.py."""
    alike: dict[str, set[str]] = {}
    lines: dict[str, set[str]] = {}
    for variant in matrix.functional():
        source = baker.bake(variant) / "src"
        for file in ("charm.py", "leadership.py", "workload.py"):
            text = (source / file).read_text()
            alike.setdefault(f"{variant['substrate']} {file}", set()).add(text)
        lines[variant["substrate"]] = set((source / "leadership.py").read_text().splitlines())

    assert {file: len(texts) for file, texts in alike.items()} == dict.fromkeys(alike, 1)
    assert len(lines["machine"] ^ lines["kubernetes"]) < 20


@parameters.EVERY
def test_every_file_parses(baker: baking.Baker, variant: matrix.Variant):
    for file, text in files(baker.bake(variant)).items():
        suffix = pathlib.Path(file).suffix
        if suffix == ".py":
            ast.parse(text, file)
        elif suffix in (".yaml", ".yml"):
            assert yaml.safe_load(text), file
        elif suffix == ".toml":
            assert tomli.loads(text), file
        elif suffix == ".ini":
            parser = configparser.ConfigParser(interpolation=None)
            parser.read_string(text)
            assert parser.sections(), file


@parameters.EVERY
def test_every_file_is_tidy(baker: baking.Baker, variant: matrix.Variant):
    """One final newline, no trailing space, no tab, no run of blank lines."""
    for file, text in files(baker.bake(variant)).items():
        assert text.endswith("\n") and not text.endswith("\n\n"), file
        assert not re.search(r"[ \t]$", text, re.MULTILINE), file
        assert "\t" not in text, file
        if not file.endswith(".py") and file != "LICENSE":
            assert "\n\n\n" not in text, file


@parameters.FUNCTIONAL
@pytest.mark.parametrize("charm_name", ["a", baking.CHARM_NAME, "n" * 40])
def test_ruff_finds_nothing_whatever_the_name(
    baker: baking.Baker, variant: matrix.Variant, charm_name: str
):
    """A longer name must not move a line break."""
    charm = baker.bake(variant, charm_name=charm_name)

    for words in (["check"], ["format", "--check", "--diff"]):
        result = command.run("ruff", *words, "--no-cache", ".", cwd=charm)
        assert result.returncode == 0, result.stdout


@parameters.EVERY
def test_the_licence_is_the_one_that_was_chosen(baker: baking.Baker, variant: matrix.Variant):
    first = {
        "Apache-2.0": "Apache License",
        "GPL-3.0-only": "GNU GENERAL PUBLIC LICENSE",
        "Proprietary": "Copyright",
    }
    licence = (baker.bake(variant) / "LICENSE").read_text()

    assert licence.split("\n")[0].strip().startswith(first[variant["license"]])

"""Does the template bake from and into any path, and can every system check it out?"""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tests.support import baking, command
from tools import matrix

ODD = "Zoë's charms, ünd <<more>> 日本"
# What Windows rejects in a name, and the names that it keeps for devices.
REFUSED_BY_WINDOWS = re.compile(
    r'[<>:"|?*\\\x00-\x1f]|[ .]$|^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)', re.IGNORECASE
)


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes | None]:
    """Return what a bake between plain paths leaves."""
    output = tmp_path_factory.mktemp("plain")
    assert baking.by_command(output).returncode == 0
    return command.tree(output)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a git repository of the files that belong to the template."""
    return command.repository(tmp_path_factory.mktemp("checkout") / "template")


def test_into_a_folder_with_spaces_and_foreign_letters(
    tmp_path: pathlib.Path, baked: dict[str, bytes | None]
):
    result = baking.by_command(tmp_path / ODD)

    assert result.returncode == 0, result.stdout
    assert command.tree(tmp_path / ODD) == baked


def test_into_the_current_folder(tmp_path: pathlib.Path, baked: dict[str, bytes | None]):
    result = baking.by_command(pathlib.Path(), cwd=tmp_path)

    assert result.returncode == 0, result.stdout
    assert command.tree(tmp_path) == baked


def test_from_a_folder_with_spaces_and_foreign_letters(
    tmp_path: pathlib.Path, checkout: pathlib.Path, baked: dict[str, bytes | None]
):
    template = shutil.copytree(checkout, tmp_path / "Zoë's templates" / "日本")

    result = baking.by_command(tmp_path / "output", template=template)

    assert result.returncode == 0, result.stdout
    assert command.tree(tmp_path / "output") == baked


def test_from_a_git_address(
    tmp_path: pathlib.Path, checkout: pathlib.Path, baked: dict[str, bytes | None]
):
    address = shutil.copytree(checkout, tmp_path / "leadership.git").as_uri()

    result = baking.by_command(tmp_path / "output", template=address)

    assert result.returncode == 0, result.stdout
    assert command.tree(tmp_path / "output") == baked


def test_from_a_zip(
    tmp_path: pathlib.Path, checkout: pathlib.Path, baked: dict[str, bytes | None]
):
    archive = shutil.make_archive(
        str(tmp_path / "leadership"), "zip", checkout.parent, checkout.name
    )

    result = baking.by_command(tmp_path / "output", template=archive)

    assert result.returncode == 0, result.stdout
    assert command.tree(tmp_path / "output") == baked


def test_from_a_subdirectory_of_a_repository(
    tmp_path: pathlib.Path, checkout: pathlib.Path, baked: dict[str, bytes | None]
):
    shutil.copytree(checkout, tmp_path / "repository" / "templates" / "leadership")

    result = baking.by_command(
        tmp_path / "output",
        {},
        "--directory",
        "templates/leadership",
        template=tmp_path / "repository",
    )

    assert result.returncode == 0, result.stdout
    assert command.tree(tmp_path / "output") == baked


def test_two_checkouts_in_one_process_do_not_mix(tmp_path: pathlib.Path, checkout: pathlib.Path):
    """A process may bake an old checkout and a new one, as cruft update does."""
    script = (
        "import shutil, sys, cookiecutter.main\n"
        "for number, template in enumerate(sys.argv[1:]):\n"
        "    cookiecutter.main.cookiecutter(template, no_input=True, output_dir=str(number))\n"
        "    shutil.rmtree(template)\n"
    )
    templates = [shutil.copytree(checkout, tmp_path / name) for name in ("one", "two")]
    questions = templates[1] / "cookiecutter.json"
    questions.write_text(questions.read_text().replace("| title >>", "| upper >>", 1))

    command.output(sys.executable, "-c", script, *templates, cwd=tmp_path)

    titles = [
        (tmp_path / number / "my-app" / "README.md").read_text().split("\n")[0]
        for number in ("0", "1")
    ]
    assert titles == ["# My App", "# MY APP"]


@pytest.mark.parametrize("version", ["2.1.1", "2.5.0"])
def test_an_older_cookiecutter_says_to_upgrade(tmp_path: pathlib.Path, version: str):
    result = run_version(tmp_path, version)

    assert result.returncode == 1
    assert result.stdout == (
        "Unable to load extension: the template needs cookiecutter 2.6 or newer, and this is "
        f"{version}; run: pip install --upgrade cookiecutter\n"
    )
    assert not (tmp_path / "my-app").exists()


def test_the_oldest_cookiecutter_that_is_supported_bakes_the_same(
    tmp_path: pathlib.Path, baked: dict[str, bytes | None]
):
    result = run_version(tmp_path, "2.6.0")

    assert result.returncode == 0, result.stdout
    assert command.tree(tmp_path) == baked


def test_the_oldest_cookiecutter_that_is_supported_rejects_in_one_line(tmp_path: pathlib.Path):
    result = run_version(tmp_path, "2.6.0", "charm_name=foo-1")

    assert result.returncode == 1
    assert result.stdout.count("\n") == 1
    assert result.stdout.startswith("charm_name 'foo-1' needs a letter")
    assert command.tree(tmp_path) == {}


def run_version(
    output: pathlib.Path, version: str, *answers: str
) -> subprocess.CompletedProcess[str]:
    """Bake with some version of cookiecutter, on the Python that runs the tests."""
    # setuptools: cookiecutter before 2.6 imports pkg_resources without asking for it.
    requirements = ["--with", f"cookiecutter=={version}", "--with", "setuptools<81"]
    uv = ["uv", "run", "--quiet", "--no-project", "--isolated", "--python", sys.executable]
    available = command.run(*uv, *requirements, "cookiecutter", "--version")
    if available.returncode:
        pytest.skip(f"cookiecutter {version} can't be installed here: {available.stdout}")
    return command.run(
        *(*uv, *requirements, "cookiecutter", str(matrix.TEMPLATE), "--no-input"),
        *("--output-dir", str(output), *answers),
    )


def test_windows_takes_every_path_but_the_template_folder_s():
    """The folder's name holds the delimiters; nothing below it does."""
    paths = command.tracked()
    inner = [path.removeprefix(f"{matrix.CHARM}/") for path in paths]

    assert [
        path for path in inner for part in path.split("/") if REFUSED_BY_WINDOWS.search(part)
    ] == []
    folded = [path.casefold() for path in paths]
    assert len(set(folded)) == len(folded)

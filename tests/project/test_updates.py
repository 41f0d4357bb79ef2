"""Does a charm get the template's later changes through cruft, beside its own?"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tests.support import command, skips
from tools import matrix

CRUFT = (sys.executable, "-m", "cruft")
INNER = matrix.CHARM
VARIANTS = pytest.mark.parametrize(
    "variant",
    [
        next(variant for variant in matrix.functional() if variant["substrate"] == substrate)
        for substrate in matrix.CHOICES["substrate"]
    ],
    ids=matrix.name,
)
# An answer that cruft renders anew at each update, and that must stay a text then.
SUMMARY = 'It\'s a "summary" with << 7 * 7 >> and \\ and {{ x }}'


@pytest.fixture(autouse=True)
def own_git_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Keep the user's git configuration out, and let git commit as nobody in particular."""
    config = tmp_path / "gitconfig"
    config.write_text("[user]\nname = Somebody\nemail = somebody@example.com\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def template(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a git repository of the template as it is now."""
    return command.repository(tmp_path / "template")


def cruft(*arguments: str, folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run cruft in a folder."""
    return command.run(*CRUFT, *arguments, cwd=folder, env={**os.environ, "NO_COLOR": "1"})


def create(
    template: pathlib.Path, folder: pathlib.Path, answers: dict[str, str], *options: str
) -> pathlib.Path:
    """Bake a charm with cruft, and commit it.

    Args:
        template: The template's git repository.
        folder: The folder to bake into.
        answers: Answers by question.
        options: More options of cruft create.

    Returns:
        The charm's folder.
    """
    folder.mkdir(exist_ok=True)
    result = cruft(
        *("create", str(template), "--no-input", "--extra-context", json.dumps(answers)),
        *options,
        folder=folder,
    )
    assert result.returncode == 0, result.stdout
    (charm,) = folder.iterdir()
    command.git(charm, "init", "--quiet", "--initial-branch=main")
    command.commit(charm)
    return charm


def edit(path: pathlib.Path, old: str, new: str) -> None:
    """Replace a text that is in a file just once."""
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
    path.write_text(text.replace(old, new))


def assert_quiet(charm: pathlib.Path) -> None:
    """Fail if cruft has anything to say of a charm."""
    check = cruft("check", folder=charm)
    assert check.returncode == 0, check.stdout
    diff = cruft("diff", "--exit-code", folder=charm)
    assert (diff.returncode, diff.stdout) == (0, "")
    assert command.git(charm, "status", "--porcelain") == ""


@VARIANTS
def test_check_and_diff_are_quiet_after_a_bake_and_next_year_too(
    template: pathlib.Path, tmp_path: pathlib.Path, variant: matrix.Variant
):
    """A later year is played by what a default of the template says of the year."""
    charm = create(template, tmp_path / "charms", {"summary": SUMMARY, **variant})
    year = json.loads((charm / ".cruft.json").read_text())["context"]["cookiecutter"]
    assert re.fullmatch("[0-9]{4}", year["copyright_year"])

    assert_quiet(charm)

    edit(template / "cookiecutter.json", "<% now 'utc', '%Y' %>", "2999")
    command.commit(template)
    assert cruft("check", folder=charm).returncode == 1
    update = cruft("update", "--skip-apply-ask", folder=charm)
    assert update.returncode == 0, update.stdout
    command.commit(charm)
    assert_quiet(charm)
    assert not any(b"2999" in (text or b"") for text in command.tree(charm / "src").values())


@VARIANTS
def test_an_update_merges_the_template_s_changes_with_the_charm_s(
    template: pathlib.Path, tmp_path: pathlib.Path, variant: matrix.Variant
):
    charm = create(template, tmp_path / "charms", {"summary": SUMMARY, **variant})
    # The charm's author edits a file that the template edits too, adds one and deletes one.
    workload = charm / "src" / "workload.py"
    workload.write_text(workload.read_text() + "\n\nMINE = True\n")
    edit(charm / "README.md", "## Use\n", "## How to use it\n")
    (charm / "src" / "mine.py").write_text('"""Mine."""\n')
    (charm / "SECURITY.md").unlink()
    command.commit(charm)
    # The template changes, adds and deletes files.
    edit(template / INNER / "src" / "workload.py", "import json\n", "import json  # Changed.\n")
    edit(template / INNER / "README.md", "## Deploy\n", "## Deploy << cookiecutter.title >>\n")
    edit(template / INNER / "SECURITY.md", "# Security policy\n", "# Security\n")
    (template / INNER / "docs").mkdir()
    (template / INNER / "docs" / "new.md").write_text("<< cookiecutter.summary >>\n")
    (template / INNER / "CONTRIBUTING.md").unlink()
    command.commit(template)

    update = cruft("update", "--skip-apply-ask", folder=charm)

    assert update.returncode == 0, update.stdout
    text = workload.read_text()
    assert "import json  # Changed.\n" in text
    assert text.endswith("\n\nMINE = True\n")
    assert "## Deploy My App\n" in (charm / "README.md").read_text()
    assert "## How to use it\n" in (charm / "README.md").read_text()
    assert (charm / "docs" / "new.md").read_text() == f"{SUMMARY}\n"
    assert (charm / "src" / "mine.py").read_text() == '"""Mine."""\n'
    assert not (charm / "SECURITY.md").exists()
    assert not (charm / "CONTRIBUTING.md").exists()
    assert list(charm.rglob("*.rej")) == []
    assert not re.search(r"^(<<<<<<<|>>>>>>>) ", text, re.MULTILINE)
    assert cruft("check", folder=charm).returncode == 0


def test_a_conflict_is_marked_and_nothing_of_the_charm_is_lost(
    template: pathlib.Path, tmp_path: pathlib.Path
):
    charm = create(template, tmp_path / "charms", {})
    edit(charm / "README.md", "## Deploy\n", "## My deployment\n")
    command.commit(charm)
    edit(template / INNER / "README.md", "## Deploy\n", "## Deployment\n")
    command.commit(template)

    cruft("update", "--skip-apply-ask", folder=charm)

    text = (charm / "README.md").read_text()
    assert re.search(r"^<<<<<<<.*\n## My deployment\n=+\n## Deployment\n>>>>>>>", text, re.M)


def test_what_the_charm_skips_stays_out_of_updates(template: pathlib.Path, tmp_path: pathlib.Path):
    charm = create(
        template, tmp_path / "charms", {}, "--skip", "src/workload.py", "--skip", "docs"
    )
    before = (charm / "src" / "workload.py").read_text()
    edit(template / INNER / "src" / "workload.py", "import json\n", "import json  # Changed.\n")
    edit(template / INNER / "README.md", "## Deploy\n", "## Deployment\n")
    (template / INNER / "docs").mkdir()
    (template / INNER / "docs" / "new.md").write_text("New.\n")
    command.commit(template)

    update = cruft("update", "--skip-apply-ask", folder=charm)

    assert update.returncode == 0, update.stdout
    assert (charm / "src" / "workload.py").read_text() == before
    assert not (charm / "docs").exists()
    assert "## Deployment\n" in (charm / "README.md").read_text()


def test_an_update_rejects_an_invalid_answer_and_leaves_the_charm(
    template: pathlib.Path, tmp_path: pathlib.Path
):
    charm = create(template, tmp_path / "charms", {})
    before = command.tree(charm)

    update = cruft(
        *("update", "--skip-apply-ask", "--variables-to-update", '{"title": "x"}'), folder=charm
    )

    assert update.returncode == 1
    assert "title has 1 character; Charmhub wants 2 to 40" in update.stdout
    assert command.tree(charm) == before


def test_an_update_may_change_an_answer(template: pathlib.Path, tmp_path: pathlib.Path):
    charm = create(template, tmp_path / "charms", {})

    update = cruft(
        *("update", "--skip-apply-ask", "--variables-to-update", '{"title": "Say \\"hi\\""}'),
        folder=charm,
    )

    assert update.returncode == 0, update.stdout
    assert 'title: "Say \\"hi\\""\n' in (charm / "charmcraft.yaml").read_text()
    command.commit(charm)
    assert_quiet(charm)


def test_a_bake_rejected_in_cruft_leaves_nothing(template: pathlib.Path, tmp_path: pathlib.Path):
    output = tmp_path / "charms"
    output.mkdir()

    result = cruft(
        *("create", str(template), "--no-input", "--extra-context", '{"charm_name": "foo-1"}'),
        folder=output,
    )

    assert result.returncode == 1
    assert "charm_name 'foo-1' needs a letter" in result.stdout
    assert command.tree(output) == {}


@pytest.fixture
def history(tmp_path: pathlib.Path) -> tuple[pathlib.Path, str]:
    """Return a clone of the template with its newest tag, or else its oldest commit that bakes."""
    clone = tmp_path / "history"
    command.git(tmp_path, "clone", "--quiet", str(matrix.TEMPLATE), str(clone))
    if command.git(clone, "rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip(skips.NO_OLDER_VERSION)
    tags = command.git(
        clone,
        "tag",
        "--list",
        "--sort=-version:refname",
        "--merged",
        "HEAD",
        "--no-contains",
        "HEAD",
    ).split()
    commits = command.git(clone, "rev-list", "--reverse", "HEAD", "--", "hooks").split()
    return clone, next(old for old in (*tags, *commits) if bakes(clone, old))


def bakes(clone: pathlib.Path, commit: str) -> bool:
    """Whether a commit holds all that cruft and cookiecutter look for."""
    paths = command.git(clone, "ls-tree", "--name-only", "-z", commit).split("\0")
    return {"cookiecutter.json", INNER, "{{cookiecutter.charm_name}}"} <= set(paths)


@VARIANTS
def test_a_previous_version_updates_to_the_current_one(
    history: tuple[pathlib.Path, str], tmp_path: pathlib.Path, variant: matrix.Variant
):
    """An updated charm has the files of a new one with the same answers."""
    clone, old = history
    charm = create(clone, tmp_path / "charms", dict(variant), "--checkout", old)
    for path in command.tracked():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(matrix.TEMPLATE / path, clone / path)
    gone = set(command.git(clone, "ls-files", "-z").split("\0")) - {*command.tracked(), ""}
    for path in gone:
        (clone / path).unlink()
    command.git(clone, "add", "--all")
    command.git(clone, "commit", "--quiet", "--allow-empty", "--message=Now")

    update = cruft("update", "--skip-apply-ask", "--checkout", "HEAD", folder=charm)

    assert update.returncode == 0, update.stdout
    state = json.loads((charm / ".cruft.json").read_text())["context"]["cookiecutter"]
    answers = {question: text for question, text in state.items() if not question.startswith("_")}
    fresh = create(clone, tmp_path / "fresh", answers)
    for path in (charm, fresh):
        shutil.rmtree(path / ".git")
        (path / ".cruft.json").unlink()
    assert command.tree(charm) == command.tree(fresh)

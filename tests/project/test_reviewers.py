"""Do the field's own reviewers find anything in a charm: charmlint, and Charmhub's listing review?

Their rules were read as well, since not all are in a release yet: canonical/charmlint 0.3.0, and
canonical/charmhub-listing-review at commit d5d775f of 2026-07-03, whose rules on the icon's part
and the repository's name tests/project/test_documentation.py and this file ask by themselves.
"""

from __future__ import annotations

import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import tomli
import yaml

from tests.support import baking, command, parameters, pythons, skips
from tools import matrix, pins

GROUP = tomli.loads((matrix.TEMPLATE / "pyproject.toml").read_text())["dependency-groups"]
# A licence changes nothing that a reviewer reads, but for its own file.
VARIANTS = [*matrix.functional(), *matrix.product("license")]
# Boxes that the review leaves to a person, or that ask about libraries which the charm lacks.
UNDECIDED = (
    "The charm implements coding conventions in CI.",
    "When using the `charm` plugin with charmcraft, ensure that you set strict dependencies",
    "the interface(s) this library is for",
    "guidance on how to start",
    "the purpose of the library",
    "the intended audience for the library",
)
REVIEW = """
import json, sys
from charmhub_listing_review import evaluate
print(json.dumps(evaluate.evaluate(**json.loads(sys.argv[1]))))
"""


def python() -> pathlib.Path:
    """Return a Python that the reviewers run on, which locks a charm of the default base too."""
    if sys.version_info >= (3, 12):
        return pathlib.Path(sys.executable)
    found = next(filter(None, map(pythons.find, ("3.12", "3.13", "3.14"))), None)
    return found or pytest.skip(skips.NO_PYTHON_FOR_REVIEWERS)


def review(*arguments: str | pathlib.Path, **popen: object) -> subprocess.CompletedProcess[str]:
    """Run a command with the reviewers installed, on a Python that they run on."""
    packages = [option for package in GROUP["reviewers"] for option in ("--with", package)]
    words = ("uv", "run", "--quiet", "--no-project", "--python", python(), *packages)
    return command.run(*words, *arguments, **{"stderr": subprocess.PIPE, **popen})


def test_the_judges_are_lifted_on_the_python_that_they_need():
    assert {pin.split(">=")[0] for pin in GROUP["reviewers"]} == pins.REVIEWERS


@pytest.mark.parametrize("variant", VARIANTS, ids=matrix.name)
def test_charmlint_finds_nothing(baker: baking.Baker, variant: matrix.Variant):
    result = review("charmlint", "--strict", "--format=json", baker.bake(variant))

    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout)["diagnostics"] == []


@pytest.fixture
def site(tmp_path) -> Iterator[tuple[pathlib.Path, str]]:
    """Serve a folder on loopback, as the charm's repository, its issues and documents."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object, **kwargs: object):
            super().__init__(*args, directory=str(folder), **kwargs)  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("license", ["Apache-2.0", "GPL-3.0-only"])
@parameters.SUBSTRATES
def test_the_listing_review_ticks_every_box_that_it_can(
    site: tuple[pathlib.Path, str], tmp_path, substrate: str, license: str
):
    """After the steps that a bake names: a repository with a lock file."""
    folder, address = site
    baked = baking.bake({"substrate": substrate, "license": license}, tmp_path)
    metadata = yaml.safe_load((baked / "charmcraft.yaml").read_text())
    published, name = metadata["links"]["source"].rsplit("/", 1)
    charm = folder / name
    shutil.move(baked, charm)
    edited = (charm / "charmcraft.yaml").read_text().replace(published, address)
    (charm / "charmcraft.yaml").write_text(edited)
    command.output("uv", "lock", "--quiet", "--python", python(), cwd=charm)
    command.git(charm, "init", "--quiet", "--initial-branch=main")
    command.commit(charm)
    (charm / "issues").touch()
    # The review runs `tox -e lint` and its like; tests/charm/test_generated_tox.py does it.
    tox = tmp_path / "bin" / "tox"
    tox.parent.mkdir()
    log = tmp_path / "tox.log"
    tox.write_text(f'#!/bin/sh\necho "$@" >> "{log}"\n')
    tox.chmod(0o755)

    asked = {
        "charm_name": metadata["name"],
        "repository_url": charm.as_uri(),
        "linting_url": "",
        "contribution_url": f"{address}/{name}/CONTRIBUTING.md",
        "license_url": f"{address}/{name}/LICENSE",
        "security_url": f"{address}/{name}/SECURITY.md",
        "branch": "main",
    }
    environment = {**os.environ, "PATH": f"{tox.parent}{os.pathsep}{os.environ['PATH']}"}
    result = review("python", "-c", REVIEW, json.dumps(asked), cwd=charm, env=environment)

    assert result.returncode == 0, result.stderr
    boxes = [line for text in json.loads(result.stdout) for line in text.splitlines()]
    unticked = [box.removeprefix("* [ ] ") for box in boxes if box.startswith("* [ ]")]
    assert [box for box in unticked if not box.startswith(UNDECIDED)] == []
    assert sum(box.startswith("* [x]") for box in boxes) == 13
    ran = set(log.read_text().splitlines())
    assert ran == {"-e format", "-e lint", "-e unit"}

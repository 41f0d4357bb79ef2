"""Run a baked charm's own unit tests, with this environment's Python."""

from __future__ import annotations

import os
import pathlib
import sys

from tests.support import command

# What a process with this environment's Python needs: none of its plugins, and one of ours.
ENVIRONMENT = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTHONPATH": str(pathlib.Path(__file__).parent),
}
OPTIONS = ("-q", "--show-capture=no", "-p", "no:cacheprovider", "-p", "libyaml")


def run(charm: pathlib.Path, *files: str, covered: bool = False) -> tuple[int, str]:
    """Run unit tests of a charm up to the first failure.

    Args:
        charm: The charm's folder.
        files: Names of files in tests/unit; none for all of them.
        covered: Whether they must cover as much of src/ as the charm asks for.

    Returns:
        The exit code, and what was printed.
    """
    environment = {**os.environ, **ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}
    python = (sys.executable, *(("-m", "coverage", "run") if covered else ()))
    tests = [f"tests/unit/{file}" for file in files]
    result = command.run(
        *python, "-m", "pytest", "-x", *OPTIONS, *tests, cwd=charm, env=environment
    )
    if covered and not result.returncode:
        result = command.run(sys.executable, "-m", "coverage", "report", cwd=charm)
    return result.returncode, result.stdout

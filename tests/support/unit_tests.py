"""Run a baked charm's own unit tests and lint, with this environment's Python."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

# Scenario reads and writes YAML for each run, which takes half of the run's time.
FAST_YAML = "import yaml; yaml.SafeDumper, yaml.SafeLoader = yaml.CSafeDumper, yaml.CSafeLoader"
PYTEST = f"""
{FAST_YAML}
import sys, coverage, pytest
{{start}}
code = pytest.main()
{{stop}}
sys.exit(code)
"""
COVERAGE = {
    "start": "measured = coverage.Coverage(); measured.start()",
    "stop": "measured.stop(); code = code or measured.report() < measured.get_option("
    "'report:fail_under')",
}


def run(charm: pathlib.Path, *arguments: str, covered: bool = False) -> tuple[int, str]:
    """Run unit tests of a charm up to the first failure.

    Args:
        charm: The charm's folder.
        arguments: Names of files in tests/unit; none for all of them.
        covered: Whether all tests must cover as much as the charm asks for.

    Returns:
        pytest's exit code, and what it printed.
    """
    program = PYTEST.format(**(COVERAGE if covered else {"start": "", "stop": ""}))
    options = ["-x", "-q", "--show-capture=no", "-p", "no:cacheprovider"]
    files = [f"tests/unit/{name}" for name in arguments]
    return _run(charm, sys.executable, "-c", program, *options, *files)


def lint(charm: pathlib.Path) -> str:
    """Return what the charm's linters find."""
    commands = ("ruff check -q", "ruff format --check -q --diff", "codespell", "pyright")
    results = [_run(charm, *command.split()) for command in commands]
    return "".join(output for code, output in results if code)


def _run(charm: pathlib.Path, *command: str) -> tuple[int, str]:
    result = subprocess.run(
        command,
        cwd=charm,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return result.returncode, result.stdout

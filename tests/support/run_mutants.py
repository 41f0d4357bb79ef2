"""Run a charm's unit tests on many mutants, in forks of a process that has imported the libraries.

It reads, from standard input as JSON, pairs of a file in src/ and a mutant's source, and prints
for each the test that kills it, or null. Run it in the charm's folder.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import resource
import signal
import sys
import tempfile

import libyaml  # type: ignore[import-not-found]
import ops.testing  # noqa: F401
import pytest

OPTIONS = ("-x", "-q", "-p", "no:cacheprovider")
SECONDS = 120  # Of processor time, after which a mutant counts as killed by its endless loop.


class Plugin:
    """Runs the tests that have killed most first, and remembers the one that fails.

    Of a parametrized test, the other cases count as having killed, too, but come after all that
    have themselves.
    """

    def __init__(self, killers: collections.Counter[str]):
        self.killers = killers
        self.killer = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Order the tests."""
        items.sort(key=lambda i: (-self.killers[i.nodeid], -self.killers[function(i.nodeid)]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of the first failure."""
        if report.failed and not self.killer:
            self.killer = report.nodeid


def function(nodeid: str) -> str:
    """Return the name of a test without its parameters."""
    return nodeid.partition("[")[0]


def run(killers: collections.Counter[str]) -> str:
    """Run the unit tests, and return the first that fails, or an empty text."""
    plugin = Plugin(killers)
    silence = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(silence, descriptor)
    code = pytest.main([*OPTIONS, "tests/unit"], plugins=[plugin])
    return plugin.killer or ("" if code == pytest.ExitCode.OK else "collection")


def run_in_fork(killers: collections.Counter[str]) -> str:
    """Run the unit tests in a process of their own."""
    with tempfile.TemporaryFile("w+") as file:
        if (child := os.fork()) == 0:
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            file.write(run(killers))
            file.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        file.seek(0)
        return file.read() if status == 0 else f"endless, {status}"


def main() -> None:
    """Run the unit tests on all mutants."""
    killers: collections.Counter[str] = collections.Counter()
    verdicts: list[str | None] = []
    assert not (failed := run_in_fork(killers)), f"without a mistake, {failed} fails"
    sys.dont_write_bytecode = True  # That of the tests is there by now.
    for file, source in json.load(sys.stdin):
        path = pathlib.Path("src", file)
        original = path.read_text()
        path.write_text(source)
        killer = run_in_fork(killers)
        path.write_text(original)
        killers.update({killer, function(killer)})
        verdicts.append(killer or None)
    json.dump(verdicts, sys.stdout)


libyaml.pytest_configure()
main()

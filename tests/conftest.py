"""What more than one question needs: a clean cookiecutter, and baked charms."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from tests.support import baking, packing, pythons, skips
from tools import matrix

START = pytest.StashKey[float]()
MEMORY = 500_000_000  # bytes: several times what charms' tests write, in all processes.


def pytest_report_header() -> list[str]:
    """Say which charms don't run on their base's own Python, because it isn't here."""
    return [
        f"{base}: no Python {version} here, so its charms run on this Python"
        for base, version in matrix.PYTHONS.items()
        if not pythons.find(version)
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first, so that none is left to one worker while the others are done."""
    longest = ["test_integration_suite", "test_sabotage", "test_generated_tox", "test_dispatch"]
    longest += ["test_rare_cases", "test_redis", "test_recipes", "test_growth", "test_ways_to_run"]
    longest += ["test_faults"]
    longest += ["test_histories", "test_mutants", "test_packing"]
    ranks = {f"{name}.py": rank for rank, name in enumerate(longest)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose group pytest-xdist ignores: each process would deploy for it anew."""
    groups = getattr(item.config.option, "loadgroup", False)
    if groups and item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
        pytest.fail("pytest-xdist ignores groups with this version of pytest", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Note when a test starts to use the processor."""
    item.stash[START] = processor_seconds()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Report what a test has used of the processor; benchmarks/tests_by_file.py reads it."""
    result = yield
    item.user_properties.append(("processor", f"{processor_seconds() - item.stash[START]:.2f}"))
    return result


def processor_seconds() -> float:
    """Return what this process and those that it has waited for have used, in seconds."""
    return sum(os.times()[:4])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail CI on a skip for a reason that tests/support/skips.py doesn't name."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or "CI" not in os.environ:
        return
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason not in skips.EXPLAINED:
            reporter.write_line(f"CI must not skip {report.nodeid}: {reason}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def cookiecutter_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's own cookiecutter configuration out of the bakes, and replays out of home."""
    home = tmp_path_factory.mktemp("cookiecutter")
    config = home / "config.yaml"
    config.write_text(f"replay_dir: {home / 'replay'}\ncookiecutters_dir: {home / 'templates'}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COOKIECUTTER_CONFIG", str(config))
        yield


@pytest.fixture(scope="session", autouse=True)
def outside_of_tox() -> Iterator[None]:
    """Let a charm's own tox not use, and wait for, the folder of the tox that runs these tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TOX")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def folders_in_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let charms' own tests make their folders in memory, if it is there: they make thousands."""
    memory = pathlib.Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < MEMORY:
        yield
        return
    tmp_path_factory.getbasetemp()  # These tests' own folders are large, and stay on the disk.
    with (
        tempfile.TemporaryDirectory(prefix="tests of charms ", dir=memory) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PYTEST_DEBUG_TEMPROOT", folder)
        yield


@pytest.fixture(scope="session")
def baker(tmp_path_factory: pytest.TempPathFactory) -> baking.Baker:
    """Return a baker whose charms are for reading only."""
    return baking.Baker(tmp_path_factory.mktemp("baker"))


@pytest.fixture(scope="session")
def packer(baker: baking.Baker, tmp_path_factory: pytest.TempPathFactory) -> packing.Packer:
    """Return a packer whose charms are for reading only."""
    if problem := packing.problem():
        pytest.skip(problem)
    root = tmp_path_factory.getbasetemp()
    # Workers of pytest-xdist have a folder each, in the session's.
    session = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    return packing.Packer(baker, session / "packed")


@pytest.fixture(scope="session")
def tox_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a folder in which the tox of many charms keeps one environment for all."""
    return tmp_path_factory.mktemp("tox")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables that tests have measured."""
    for report in terminalreporter.getreports("passed"):
        for table in [value for name, value in report.user_properties if name == "table"]:
            terminalreporter.section(report.nodeid)
            terminalreporter.write_line(table)

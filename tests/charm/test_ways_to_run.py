"""Do a charm's checks run in other ways than plain tox, and after it has grown?"""

from __future__ import annotations

import os
import pathlib
import re
import sys

import pytest

from tests.support import baking, command, pythons, skips
from tools import matrix

# To ruff, to pyright, and (in two halves, for the template's own check) to codespell.
PROBLEMS = "import os,sys\nx = lambda: Undefined # t" + "eh end\n"


def run(charm: pathlib.Path, *arguments: str, path: str = os.environ["PATH"]) -> tuple[int, str]:
    """Run a Python module in a charm's folder, and return its exit code and what it prints."""
    environment = {**os.environ, "PATH": path}
    result = command.run(sys.executable, "-m", *arguments, cwd=charm, env=environment)
    return result.returncode, result.stdout


def passed(output: str) -> int:
    """Return how many tests pytest says have passed."""
    match = re.search(r"(\d+) passed", output)
    return int(match[1]) if match else 0


@pytest.fixture
def charm(tmp_path: pathlib.Path) -> pathlib.Path:
    """Bake a charm that a test may change."""
    return baking.bake({"substrate": "machine"}, tmp_path)


def test_tox_runs_just_the_tests_that_are_named(charm: pathlib.Path):
    """Some of the tests can't cover all of src/, so only a whole run must."""
    with (charm / "src" / "workload.py").open("a") as source:
        source.write("\n\ndef is_tested() -> bool:\n    return False\n")

    one_file = run(charm, "tox", "-e", "unit", "--", "tests/unit/test_actions.py")
    by_name = run(charm, "tox", "-e", "unit", "--", "-k", "test_actions or failover")
    everything = run(charm, "tox", "-e", "unit")

    assert [code for code, _ in (one_file, by_name, everything)] == [0, 0, 2], by_name[1]
    counts = [passed(output) for _, output in (one_file, by_name, everything)]
    assert 0 < counts[0] < counts[1] < counts[2]
    assert "TOTAL" not in one_file[1] + by_name[1]
    assert "is less than fail-under=100" in everything[1]


def test_plain_pytest_runs_the_unit_tests(charm: pathlib.Path):
    """Those alone, whether their folder is named or not."""
    ways = [[], ["tests/unit"]]
    collected = [run(charm, "pytest", "--collect-only", "--quiet", *way) for way in ways]

    code, output = run(charm, "pytest", "--quiet", "-k", "leader")

    assert collected[0][0] == 0 and collected[0][1].count("tests/unit/") > 300
    assert collected[0][1].splitlines()[:-1] == collected[1][1].splitlines()[:-1]
    assert "tests/integration" not in collected[0][1]
    assert code == 0 and passed(output) > 50, output


def test_files_of_unit_and_integration_tests_may_have_one_name(charm: pathlib.Path):
    for file in (charm / "tests" / "integration").iterdir():
        file.unlink()  # They import a harness, which isn't installed here.
    (charm / "tests" / "integration" / "test_actions.py").write_text("def test_it(): pass\n")
    files = [f"tests/{folder}/test_actions.py" for folder in ("unit", "integration")]

    code, output = run(charm, "pytest", "--verbose", *files)

    assert code == 0 and "tests/integration/test_actions.py::test_it PASSED" in output, output


def test_a_fetched_library_can_be_imported_and_is_not_linted(charm: pathlib.Path):
    """As `charmcraft fetch-libs` lays it down."""
    library = charm / "lib" / "charms" / "other_charm" / "v0" / "thing.py"
    library.parent.mkdir(parents=True)
    library.write_text(PROBLEMS)
    test = charm / "tests" / "unit" / "test_library.py"
    test.write_text(
        f"{(charm / 'tests/unit/test_actions.py').read_text().split('import')[0]}"
        "from charms.other_charm.v0 import thing\n\n\n"
        "def test_the_library_is_there():\n    assert thing.sys\n"
    )

    code, output = run(charm, "tox", "-e", "lint,unit", "--", "tests/unit/test_library.py")

    assert code == 0 and passed(output) == 1, output
    # The linters would have found it anywhere else.
    (charm / "src" / "thing.py").write_text(PROBLEMS)
    assert run(charm, "tox", "-e", "lint")[0] != 0


def test_tox_takes_the_python_of_the_base_if_it_is_here(charm: pathlib.Path):
    bases = (base for base, python in matrix.PYTHONS.items() if pythons.find(python))
    if (base := next(bases, None)) is None:
        pytest.skip(skips.NO_PYTHON_OF_A_BASE)
    charm = baking.bake({"base": base}, charm.parent / base)

    path = pythons.environment(matrix.PYTHONS[base])["PATH"]
    command = ("tox", "-e", "unit", "--", "tests/unit/test_actions.py")
    found = run(charm, *command, path=path)
    (charm / "toxfile.py").write_text(
        (charm / "toxfile.py").read_text().replace(f'"{matrix.PYTHONS[base]}"', '"3.99"')
    )
    missing = run(charm, *command)

    assert found[0] == 0 and f" Python {matrix.PYTHONS[base]}." in found[1], found[1]
    assert missing[0] == 0, missing[1]
    assert "no Python 3.99 here, which the charm runs on: using tox's own" in missing[1]

"""Is a combination that can't work refused, with the ways out, and nothing else refused?"""

from __future__ import annotations

import subprocess

import pytest

from tests.support import baking, matrix


def cookiecutter(folder, variant: matrix.Variant) -> subprocess.CompletedProcess[str]:
    answers = [f"{question}={answer}" for question, answer in variant.items()]
    return subprocess.run(
        [
            "cookiecutter",
            "--no-input",
            "--output-dir",
            str(folder),
            str(matrix.TEMPLATE),
            *answers,
        ],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("variant", matrix.refused(), ids=matrix.name)
def test_a_combination_that_cannot_work_is_refused(tmp_path, variant: matrix.Variant):
    result = cookiecutter(tmp_path, variant)

    assert result.returncode != 0
    (line,) = result.stdout.splitlines()
    assert "26.04, which" in line
    assert "choose integration_tests=jubilant or base=ubuntu@24.04" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("choice", [{"integration_tests": "jubilant"}, {"base": "ubuntu@24.04"}])
def test_both_ways_out_work(tmp_path, choice: matrix.Variant):
    (refused, *_) = matrix.refused()

    assert (baking.bake({**refused, **choice}, tmp_path) / "charmcraft.yaml").is_file()

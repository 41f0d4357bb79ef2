"""Bake charms, each variant at most once per test process."""

from __future__ import annotations

import pathlib

from cookiecutter.main import cookiecutter

from tests.support import matrix

CHARM_NAME = "fixture-charm"


class Baker:
    """Bakes charms under one folder, and keeps them for whoever asks for the same again."""

    def __init__(self, root: pathlib.Path):
        self._root = root
        self._baked: dict[str, pathlib.Path] = {}

    def bake(self, variant: matrix.Variant, **answers: str) -> pathlib.Path:
        """Bake a charm that tests only read.

        Args:
            variant: Choices by question.
            answers: Other answers by question.

        Returns:
            The charm's folder.
        """
        key = repr(sorted({**variant, **answers}.items()))
        if key not in self._baked:
            self._baked[key] = bake(variant, self._root / str(len(self._baked)), **answers)
        return self._baked[key]


def bake(variant: matrix.Variant, folder: pathlib.Path, **answers: str) -> pathlib.Path:
    """Bake a charm into a folder, and return the charm's own folder."""
    return pathlib.Path(
        cookiecutter(
            str(matrix.TEMPLATE),
            no_input=True,
            extra_context={"charm_name": CHARM_NAME, **variant, **answers},
            output_dir=str(folder),
        )
    )

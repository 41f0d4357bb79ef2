# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

import pathlib

import pytest
import units


@pytest.fixture
def unit(tmp_path: pathlib.Path) -> units.Unit:
    """Return the unit APP/0, with nothing on it yet."""
    return units.Unit(0, tmp_path)

"""Import the modules of a baked charm into this process, one charm at a time."""

from __future__ import annotations

import contextlib
import importlib
import pathlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import yaml

from tests.support import libyaml

FOLDERS = ("src", "tests/unit")
MODULES = ("application", "charm", "events", "fakes", "leadership", "states", "workload")

_imported: dict[pathlib.Path, dict[str, ModuleType]] = {}


class Charm:
    """The modules of a charm and of its unit tests' helpers."""

    def __init__(self, modules: dict[str, ModuleType]):
        self.application = modules["application"]
        self.events = modules["events"]
        self.fakes = modules["fakes"]
        self.leadership = modules["leadership"]
        self.states = modules["states"]
        self.workload = modules["workload"]


@contextlib.contextmanager
def loaded(folder: pathlib.Path) -> Iterator[Charm]:
    """Put a baked charm's modules where import statements find them, and then away again.

    Charms of different variants have modules of the same names, and Scenario finds a charm's
    charmcraft.yaml through sys.modules; so only one charm can be loaded at a time.
    """
    assert not sys.modules.keys() & MODULES, "another charm is loaded"
    if folder not in _imported:
        paths = [str(folder / name) for name in FOLDERS]
        sys.path[:0] = paths
        importlib.invalidate_caches()
        try:
            _imported[folder] = {name: importlib.import_module(name) for name in MODULES}
        finally:
            sys.path[:] = [path for path in sys.path if path not in paths]
            _put_away()
    sys.modules.update(_imported[folder])
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, fast in libyaml.CLASSES.items():
                patch.setattr(yaml, name, fast)
            yield Charm(_imported[folder])
    finally:
        _put_away()


def _put_away() -> None:
    for name in MODULES:
        sys.modules.pop(name, None)

"""Find the Pythons of this machine."""

from __future__ import annotations

import functools
import os
import pathlib
import shutil
import subprocess


@functools.cache
def find(version: str) -> pathlib.Path | None:
    """Return an interpreter of a Python version such as 3.12, or None if there is none here."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    candidates = [
        shutil.which(f"python{version}"),
        *sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}")),
    ]
    for candidate in candidates:
        # A pyenv shim is there even when it has no Python to start.
        if candidate and _runs(candidate):
            return pathlib.Path(candidate)
    return None


def environment(version: str) -> dict[str, str]:
    """Return this process's environment, in which a Python version comes first if it is here."""
    python = find(version)
    path = [str(python.parent)] if python else []
    return {**os.environ, "PATH": os.pathsep.join([*path, os.environ["PATH"]])}


def _runs(python: str | pathlib.Path) -> bool:
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0

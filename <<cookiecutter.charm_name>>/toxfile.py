# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Let tox run everything on the Python of << cookiecutter.base >>, where uv finds it.

tox reads this file beside its tox.ini, which can name a Python but no other one to fall back to:
https://tox.wiki/en/latest/plugins_how_to.html
"""

from __future__ import annotations

import functools
import importlib
import logging
import subprocess

from tox.config.loader.memory import MemoryLoader
from tox.config.sets import EnvConfigSet
from tox.plugin import impl
from tox.session.state import State

PYTHON = "<< cookiecutter.__python >>"


@functools.cache
def find_python() -> str | None:
    """Return the interpreter, or say that it isn't here and return None."""
    try:
        uv = importlib.import_module("uv").find_uv_bin()
    except ImportError:
        return None  # tox will start itself anew with tox-uv.
    command = [uv, "python", "find", "--no-python-downloads", "--no-project", PYTHON]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode == 0:
        return found.stdout.strip()
    logging.warning("no Python %s here, which the charm runs on: using tox's own", PYTHON)
    return None


@impl
def tox_add_env_config(env_conf: EnvConfigSet, state: State) -> None:
    """Prefer that Python, unless tox.ini names another."""
    if python := find_python():
        env_conf.loaders.append(MemoryLoader(base_python=[python]))

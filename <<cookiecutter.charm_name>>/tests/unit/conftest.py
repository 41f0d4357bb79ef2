# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

import dataclasses
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, cast

import fakes
import pytest
import states
from ops import testing

STARTS = ("os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen")
WRITES = ("os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir")
WRITES += ("os.symlink", "os.truncate", "shutil.rmtree")
_folder: str | None = None  # Where tests may write; None before the first and after the last.


def _forbid(event: str, args: tuple[Any, ...]) -> None:
    """Refuse what a unit test must not do to the machine that runs it (PEP 578)."""
    if _folder is None:
        return
    problem = ""
    if event in STARTS:
        problem = f"start {args[1] if event == 'subprocess.Popen' else [*args, 'a process'][0]}"
    elif event in ("socket.connect", "socket.getaddrinfo"):
        problem = f"connect to {args[1] if event == 'socket.connect' else args[0]}"
    elif event in WRITES or event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        # Relative to a descriptor, the path is of a folder that was checked before.
        is_relative = isinstance(args[0], int) or event in WRITES and (args[-1] or -1) != -1
        path = "" if is_relative else os.path.abspath(os.fsdecode(cast(Any, args[0])))
        is_ours = f"{path}/".startswith((_folder, f"{os.devnull}/")) or "__pycache__" in path
        if path and not is_ours:
            problem = f"write {path}"
    if problem:
        pytest.fail(f"a unit test would {problem}; fake it in tests/unit/fakes.py", pytrace=False)


sys.addaudithook(_forbid)


@pytest.fixture(scope="session", autouse=True)
def _machine_is_safe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let tests and fixtures write into pytest's own folder alone, and start and reach nothing."""
    global _folder
    _folder = os.path.join(tmp_path_factory.getbasetemp(), "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", _folder)  # Scenario writes there.
        yield
    _folder = None


@pytest.fixture
def system(tmp_path: pathlib.Path) -> Iterator[fakes.System]:
    """What the workload of APP/0 runs on."""
    system = fakes.System(tmp_path / "system")
    with system.patched():
        yield system


@pytest.fixture
def ctx() -> testing.Context:
    """Scenario's context of the unit APP/0."""
    return states.context(0)


@pytest.fixture
def fresh(system: fakes.System) -> testing.State:
    """APP/0, a follower, in an application that has published nothing yet."""
    return states.fresh(0, system)


@pytest.fixture(scope="session")
def led(tmp_path_factory: pytest.TempPathFactory) -> testing.State:
    """APP/1, which has published all that the leader publishes in this revision of the charm."""
    ctx, system = states.context(1), fakes.System(tmp_path_factory.mktemp("leader"))
    with system.patched():
        state = dataclasses.replace(states.fresh(1, system), leader=True)
        return ctx.run(ctx.on.update_status(), state)


@pytest.fixture
def deployed(fresh: testing.State, led: testing.State) -> testing.State:
    """APP/0, a follower, in an application that APP/1 leads."""
    databags = {relation.endpoint: relation.local_app_data for relation in led.relations}
    relations = {
        dataclasses.replace(relation, local_app_data=databags[relation.endpoint])
        for relation in fresh.relations
    }
    return dataclasses.replace(fresh, relations=relations, secrets=led.secrets)

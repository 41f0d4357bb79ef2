# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

import base64
import dataclasses
import logging
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, cast

import fakes
import pytest
import states
from ops import testing

STARTS = ("os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen")
# What changes files: which of its arguments are paths of what is changed.
WRITES = {
    **dict.fromkeys(("open", "os.chmod", "os.chown", "os.mkdir", "os.remove", "os.rmdir"), (0,)),
    **dict.fromkeys(("os.truncate", "os.utime", "shutil.rmtree"), (0,)),
    **{"os.link": (1,), "os.rename": (0, 1), "os.symlink": (1,)},
}
_folder: str | None = None  # Where tests may write; None before the first and after the last.


def _forbid(event: str, args: tuple[Any, ...]) -> None:
    """Refuse what a unit test must not do to the machine that runs it (PEP 578)."""
    if _folder is None:
        return
    problem = ""
    if event in STARTS:
        problem = f"start {args[1] if event == 'subprocess.Popen' else [*args, 'a process'][0]}"
    elif event == "os.kill":
        problem = f"send a signal to {args[0]}"
    elif event in ("socket.connect", "socket.getaddrinfo"):
        problem = f"connect to {args[1] if event == 'socket.connect' else args[0]}"
    elif event != "open" or args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        for path in (args[position] for position in WRITES.get(event, ())):
            if not _is_ours(event, path, args[-1]):
                problem = f"write {path}"
    if problem:
        pytest.fail(f"a unit test would {problem}; fake it in tests/unit/fakes.py", pytrace=False)


def _is_ours(event: str, path: Any, descriptor: Any) -> bool:
    """Whether tests may write to a path, which may be relative to an open folder."""
    has_descriptor = event not in ("open", "os.truncate") and isinstance(descriptor, int)
    if isinstance(path, int) or has_descriptor and descriptor >= 0 and not os.path.isabs(path):
        return True  # It was checked when it was opened.
    path = os.path.abspath(os.fsdecode(path))
    return f"{path}/".startswith((cast(str, _folder), f"{os.devnull}/")) or "__pycache__" in path


sys.addaudithook(_forbid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what says best what is wrong."""
    items.sort(key=lambda item: item.path.name != "test_events.py")


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
    """APP/0, a follower, where neither this application nor another one has written anything."""
    return states.fresh(0, system, requests={})


@pytest.fixture(scope="session")
def led(tmp_path_factory: pytest.TempPathFactory) -> testing.State:
    """APP/1, which has published all that the leader publishes in this revision of the charm."""
    ctx, system = states.context(1), fakes.System(tmp_path_factory.mktemp("leader"))
    with system.patched():
        state = dataclasses.replace(states.fresh(1, system), leader=True)
        return ctx.run(ctx.on.update_status(), state)


@pytest.fixture
def deployed(system: fakes.System, led: testing.State) -> testing.State:
    """APP/0, a follower, in an application that APP/1 leads."""
    state = states.fresh(0, system)
    databags = {relation.endpoint: relation.local_app_data for relation in led.relations}
    relations = {
        dataclasses.replace(relation, local_app_data=databags[relation.endpoint])
        for relation in state.relations
    }
    return dataclasses.replace(state, relations=relations, secrets=led.secrets)


@pytest.fixture
def assert_nothing_secret_is_shown(
    ctx: testing.Context, system: fakes.System, caplog: pytest.LogCaptureFixture
) -> Callable[[testing.State, testing.State, str], None]:
    """Return a check of the states before and after a kind of event.

    Many may see databags, statuses, logs, results and arguments, and not the secret.
    """
    caplog.set_level(logging.DEBUG)

    def check(before: testing.State, after: testing.State, kind: str) -> None:
        values = {
            value
            for each in before.secrets | after.secrets
            for content in (each.tracked_content, each.latest_content)
            for value in (content or {}).values()
            if len(value) >= 12  # Not a user name.
        }
        assert values or not before.secrets
        shown = {
            "a databag": [(r.local_app_data, r.local_unit_data) for r in after.relations],
            "a status": [after.unit_status, after.app_status, after.workload_version],
            "a log": [ctx.juju_log, ctx.action_logs, caplog.text],
            "a result": ctx.action_results,
            "the system": system.shown(after),
        }
        for what, content in shown.items():
            found = [form for value in values for form in _forms(value) if form in str(content)]
            assert not found, f"{kind} shows what is secret in {what}"
        for path in system.paths:
            if any(value in path.read_text() for value in values):
                assert path.stat().st_mode & 0o077 == 0, f"others may read {path.name}"

    return check


def _forms(value: str) -> list[str]:
    """Return a value, and the parts of its Base64 that don't depend on what is beside it."""
    encoded = [base64.b64encode(b" " * start + value.encode()).decode() for start in range(3)]
    return [value, encoded[0][:-4], *(each[4:-4] for each in encoded[1:])]

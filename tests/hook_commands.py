"""Watch the hook commands that a charm runs in a unit test, and make them fail.

Scenario replaces the backend in which each method of ops runs one hook command. It has no public
place to look in from, so this patches the replacement.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ops import model
from scenario import mocking

Backend = mocking._MockModelBackend
Watch = Callable[[Backend, str, bool], None]


def _find_commands() -> dict[str, str]:
    """Read in ops which of the backend's methods runs which hook command."""
    found = {"juju_log": "juju-log"}  # The one that ops doesn't wrap: it has no trace.
    for name, method in inspect.getmembers(model._ModelBackend, inspect.isfunction):
        command = re.search(r"_wrap_hookcmd\(\s*'([a-z-]+)'", inspect.getsource(method))
        if command:
            found[name] = command.group(1)
    return found


COMMANDS = _find_commands()
# What only the leader may run. A relation-set or status-set is the leader's with --app alone.
LEADERS = ("secret-add", "secret-set", "secret-remove", "secret-grant", "secret-revoke")


@contextlib.contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Call a function right before every hook command.

    Args:
        watch: Gets the backend, the command, and whether only the leader may run it. What it
            raises is what the command raises.
    """
    with pytest.MonkeyPatch.context() as patch:
        for method, command in COMMANDS.items():
            patch.setattr(Backend, method, _wrap(getattr(Backend, method), command, watch))
        yield


def _wrap(original: Callable[..., Any], command: str, watch: Watch) -> Callable[..., Any]:
    @functools.wraps(original)
    def wrapper(backend: Backend, *args: Any, **kwargs: Any) -> Any:
        sets_app = command in ("relation-set", "status-set") and kwargs["is_app"]
        watch(backend, command, sets_app or command in LEADERS)
        return original(backend, *args, **kwargs)

    return wrapper

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
def watched(
    before: Callable[[Backend, str], None],
    wrote: Callable[[Backend, str], None] = lambda backend, command: None,
) -> Iterator[None]:
    """Watch every hook command.

    Args:
        before: Called with the backend and the command before each of them. What it raises is what
            the command raises.
        wrote: Called after a command that only the leader may run and that wasn't refused.
    """

    def wrap(original: Callable[..., Any], command: str) -> Callable[..., Any]:
        @functools.wraps(original)
        def wrapper(backend: Backend, *args: Any, **kwargs: Any) -> Any:
            before(backend, command)
            result = original(backend, *args, **kwargs)
            sets_app = command in ("relation-set", "status-set") and kwargs["is_app"]
            if sets_app or command in LEADERS:
                wrote(backend, command)
            return result

        return wrapper

    with pytest.MonkeyPatch.context() as patch:
        for method, command in COMMANDS.items():
            patch.setattr(Backend, method, wrap(getattr(Backend, method), command))
        yield

"""A pytest plugin for the generated integration tests: they wait by the simulation's clock.

The tests, jubilant and what plays python-libjuju's part ask ``time`` and ``asyncio`` for nothing
but the time and sleep. Each of their modules gets stand-ins that ask the simulation; everything
else that uses the two, pytest and the event loop included, goes on with the real ones.
"""

import json
import os
import socket
import sys

# Beside the generated ones.
MODULES = ("jubilant._juju", "simulation_plugin")
GENERATED = os.path.join("tests", "integration")


def pytest_collection_finish():
    """Replace time in all modules that wait."""
    for name, module in list(sys.modules.items()):
        if name in MODULES or GENERATED in str(getattr(module, "__file__", "")):
            for replaced in ("time", "asyncio"):
                if hasattr(module, replaced):
                    setattr(module, replaced, Replacement(getattr(module, replaced)))


class Replacement:
    """A module whose ``monotonic`` and ``sleep`` are the simulation's."""

    def __init__(self, module):
        self._module = module

    def __getattr__(self, name: str):
        """Leave the rest as it is."""
        return getattr(self._module, name)

    def monotonic(self) -> float:
        """Return the simulation's time."""
        return ask({"ask": "time"})["now"]

    def sleep(self, seconds: float):
        """Sleep, or return what sleeps once it is awaited."""
        if self._module.__name__ == "asyncio":
            return self._sleep(seconds)
        ask({"ask": "sleep", "seconds": seconds})
        return None

    async def _sleep(self, seconds: float) -> None:
        await self._module.sleep(0)
        ask({"ask": "sleep", "seconds": seconds})


def ask(question: dict[str, object]) -> dict[str, float]:
    """Ask the controller, and return its answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["JUJU_SIMULATION_SOCKET"])
        connection.sendall(f"{json.dumps(question)}\n".encode())
        with connection.makefile() as answer:
            return json.loads(answer.readline())

"""A pytest plugin for the generated integration tests, which run unedited.

It shortens how long they wait, if JUJU_SIMULATION_TIMEOUT says so, and it gives pytest-operator a
controller and a model that play python-libjuju's part: the handful of methods that the tests and
``ops_test`` call, on top of the simulated juju command. All else of ``ops_test`` is real.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import types

try:
    from pytest_operator import plugin as pytest_operator  # pyright: ignore
except ImportError:  # The tests are for jubilant, which calls nothing but the juju command.
    pytest_operator = None

IDLE = 15.0  # Seconds; python-libjuju's default.


def pytest_configure():
    """Put simulated classes in the place of python-libjuju's."""
    if pytest_operator:
        pytest_operator.Controller = Controller
        pytest_operator.FileJujuData = JujuData


def pytest_collection_finish():
    """Shorten how long the tests wait."""
    if timeout := os.environ.get("JUJU_SIMULATION_TIMEOUT"):
        sys.modules["helpers"].TIMEOUT = float(timeout)  # type: ignore[attr-defined]


def juju(*args: str) -> str:
    """Run the juju command, and return what it prints."""
    return subprocess.run(["juju", *args], check=True, capture_output=True, text=True).stdout


class JujuData:
    """What the juju command's own files say."""

    path = ""

    def current_controller(self):
        """Return the controller's name."""
        return "simulated"


class Controller:
    """python-libjuju's Controller."""

    controller_name = "simulated"

    async def connect(self, *args, **kwargs):
        """Connect."""

    async def disconnect(self):
        """Disconnect."""

    async def get_cloud(self):
        """Return the controller's cloud."""
        return "simulated"

    async def list_models(self):
        """Return the names of all models."""
        return []

    async def add_model(self, name, cloud, **kwargs):
        """Add a model."""
        juju("add-model", name)
        return Model()

    async def destroy_model(self, name, *args, **kwargs):
        """Destroy a model."""
        juju("destroy-model", name, "--no-prompt")


class Model:
    """python-libjuju's Model; what it knows of the model is always fresh."""

    machines = {}
    info = types.SimpleNamespace(name="simulated")

    async def get_config(self):
        """Return the model's configuration."""
        return {}

    async def disconnect(self):
        """Disconnect."""

    async def deploy(self, charm, application_name, num_units=1, resources=None):
        """Deploy a charm."""
        args = [f"--resource={name}={image}" for name, image in (resources or {}).items()]
        juju("deploy", str(charm), application_name, f"--num-units={num_units}", *args)

    @property
    def applications(self):
        """Applications by name."""
        return {
            name: Application(status)
            for name, status in json.loads(juju("status", "--format=json"))["applications"].items()
        }

    @property
    def units(self):
        """Units by name."""
        return {unit.name: unit for app in self.applications.values() for unit in app.units}

    async def block_until(self, condition, timeout):
        """Wait until a condition holds."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise asyncio.TimeoutError
            await asyncio.sleep(0.5)

    async def wait_for_idle(self, apps, status, timeout, wait_for_exact_units=None):
        """Wait until all units have a status and no hook to run, for a while."""
        (app,) = apps
        deadline = time.monotonic() + timeout
        idle_since = None
        while True:
            units = self.applications[app].units
            states = {(unit.workload_status, unit.agent_status) for unit in units}
            if any(workload == "error" for workload, _ in states):
                raise RuntimeError(f"a unit of {app} is in error")
            number = wait_for_exact_units or len(units)
            if states == {(status, "idle")} and len(units) == number:
                idle_since = idle_since or time.monotonic()
                if time.monotonic() - idle_since >= IDLE:
                    return
            else:
                idle_since = None
            if time.monotonic() > deadline:
                raise asyncio.TimeoutError
            await asyncio.sleep(0.5)


class Application:
    """python-libjuju's Application."""

    def __init__(self, status):
        self.units = [Unit(name, unit) for name, unit in status["units"].items()]

    async def destroy(self):
        """Leave the application to the destruction of its model, which follows."""

    async def destroy_units(self, *names):
        """Remove units."""
        for name in names:
            juju("remove-unit", "--no-prompt", name)


class Unit:
    """python-libjuju's Unit."""

    def __init__(self, name, status):
        self.name = name
        self.workload_status = status["workload-status"]["current"]
        self.agent_status = status["juju-status"]["current"]

"""A pytest plugin for the generated integration tests, which run unedited.

It sets the constants of their helpers that JUJU_SIMULATION_CONSTANTS names, such as how long they
wait, and it gives pytest-operator a controller and a model that play python-libjuju's part: the
handful of methods that the tests and ``ops_test`` call, on top of the simulated juju command. All
else of ``ops_test`` is real.
"""

import json
import os
import subprocess
import sys
import types

try:
    from pytest_operator import plugin as pytest_operator  # pyright: ignore
except ImportError:  # The tests are for jubilant, which calls nothing but the juju command.
    pytest_operator = None


def pytest_configure():
    """Put simulated classes in the place of python-libjuju's."""
    if pytest_operator:
        pytest_operator.Controller = Controller
        pytest_operator.FileJujuData = JujuData


def pytest_collection_finish():
    """Set constants of the tests' helpers."""
    constants = json.loads(os.environ.get("JUJU_SIMULATION_CONSTANTS", "{}"))
    vars(sys.modules["helpers"]).update(constants)


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
    """python-libjuju's Model."""

    applications = {}  # They go with the model.
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

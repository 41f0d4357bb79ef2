"""Run a charm's generated integration tests through its own tox, unedited, on a simulated Juju."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from tests.simulation import containers, controller, hosts, model
from tests.support import baking, command, packing
from tools import matrix


@dataclasses.dataclass(frozen=True)
class Result:
    """How the tests ended.

    Attributes:
        tests: "passed", "skipped", or the failure's text, by test.
        output: What tox and pytest printed.
        history: Which unit has run which hook meanwhile, in order.
    """

    tests: dict[str, str]
    output: str
    history: list[tuple[str, str]]

    @property
    def failed(self) -> dict[str, str]:
        """The failure's text by test."""
        return {
            test: text for test, text in self.tests.items() if text not in ("passed", "skipped")
        }


class Suite:
    """The integration tests of one variant."""

    def __init__(
        self,
        variant: matrix.Variant,
        packer: packing.Packer,
        folder: pathlib.Path,
        tox_folder: pathlib.Path,
    ):
        hosts.skip_without_pebble(variant["substrate"])
        self.packed = packer.pack(variant)
        self._variant = variant
        self._folder = folder
        self._tox_folder = tox_folder / variant["integration_tests"]
        self._project = baking.bake(variant, folder / "baked")

    def controller(self, juju: model.Model, *, forks: bool = False) -> controller.Controller:
        """Return a controller on which nothing is deployed yet.

        Args:
            juju: The model.
            forks: Whether agents run the charm's code in forks.
        """
        python = packing.python(self._variant["base"])
        folder = self._folder / "units"
        return controller.Controller(folder, self.packed, python, juju, forks=forks)

    def run(
        self,
        running: controller.Controller,
        *args: str,
        only: str | None = None,
        constants: Mapping[str, float] | None = None,
        by_tox: bool = True,
    ) -> Result:
        """Run the tests.

        Args:
            running: The controller that they run on.
            args: More arguments of pytest.
            only: A pytest expression for the tests that are run.
            constants: Other values of constants of tests/integration/helpers.py.
            by_tox: Whether tox runs them, and not pytest in the environment that tox has made.
        """
        report = self._folder / "report.xml"
        report.unlink(missing_ok=True)
        plugins = ("-p", "simulation_plugin", "-p", "clock_plugin")
        selected = ("-k", only) if only else ()
        arguments = (*plugins, f"--junitxml={report}", *selected, *args)
        before = len(running.juju.history)
        if by_tox:
            # Beside what its user may say, tox gets the plugins' folder and nothing else.
            path = f"testenv:integration.set_env+=PYTHONPATH={containers.PROGRAMS}"
            words = ["tox", "--workdir", self._tox_folder, "-e", "integration"]
            words += ["--override", path, "--", *arguments]
        else:
            environment = self._tox_folder / "integration"
            words = [environment / "bin" / "pytest", *arguments, "tests/integration"]
        result = command.run(
            *words,
            cwd=self._project,
            env={
                **os.environ,
                **running.environment,
                "CHARM_PATH": str(self.packed),
                "PATH": f"{running.cli}:{os.environ['PATH']}",
                "PYTHONPATH": str(containers.PROGRAMS),
                "JUJU_SIMULATION_CONSTANTS": json.dumps(constants or {}),
            },
        )
        assert report.exists(), result.stdout
        return Result(_read(report), result.stdout, running.juju.history[before:])


def _read(report: pathlib.Path) -> dict[str, str]:
    outcomes = {}
    for case in ET.parse(report).iter("testcase"):
        problem = case.find("failure")
        problem = case.find("error") if problem is None else problem
        skipped = case.find("skipped") is not None
        text = "skipped" if skipped else "passed"
        if problem is not None:
            text = f"{problem.get('message')}\n{problem.text}"
        # A test with a failed teardown has two entries.
        name = str(case.get("name"))
        outcomes[name] = text if outcomes.get(name, "passed") == "passed" else outcomes[name]
    return outcomes

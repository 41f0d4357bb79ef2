"""Run a charm's generated integration tests through its own tox, unedited, on a simulated Juju."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import xml.etree.ElementTree as ET

import pytest

from tests.simulation import controller, hosts, model, place
from tests.support import baking, matrix, packing


@dataclasses.dataclass(frozen=True)
class Result:
    """How the tests ended.

    Attributes:
        tests: "passed", "skipped", or the failure's text, by test.
        output: What tox and pytest printed.
        history: Which unit has run which hook, in order.
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
        if variant["substrate"] == "kubernetes" and not hosts.find_pebble():
            pytest.skip(hosts.NO_PEBBLE)
        self._variant = variant
        self._folder = folder
        self._tox_folder = tox_folder / variant["integration_tests"]
        self._packed = packer.pack(variant)
        self._project = baking.bake(variant, folder / "baked")

    def run(
        self, juju: model.Model, *, only: str | None = None, timeout: float | None = None
    ) -> Result:
        """Run the tests.

        Args:
            juju: The model that they run on.
            only: A pytest expression for the tests that are run.
            timeout: How long the tests wait for what doesn't happen, in seconds, if not as long
                as they do by themselves.
        """
        report = self._folder / "report.xml"
        python = packing.python(self._variant["base"])
        plugins = ("-p", "simulation_plugin", "-p", "clock_plugin")
        args = [*plugins, f"--junitxml={report}", *(["-k", only] if only else [])]
        # The plugin's folder is all that tox is told beside what its user may say.
        path = f"{self._project / 'src'}:{place.PROGRAMS}"
        with controller.Controller(self._folder / "units", self._packed, python, juju) as running:
            result = subprocess.run(
                [
                    *("tox", "--workdir", self._tox_folder, "-e", "integration"),
                    *("--override", f"testenv:integration.set_env+=PYTHONPATH={path}"),
                    *("--", *args),
                ],
                cwd=self._project,
                env={
                    **{key: value for key, value in os.environ.items() if key[:3] != "TOX"},
                    **running.environment,
                    "CHARM_PATH": str(self._packed),
                    "PATH": f"{running.cli}:{os.environ['PATH']}",
                    **({"JUJU_SIMULATION_TIMEOUT": str(timeout)} if timeout else {}),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        assert report.exists(), result.stdout
        return Result(_read(report), result.stdout, juju.history)


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

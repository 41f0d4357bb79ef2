"""Is the charm's Terraform module well-formed, complete, and what its README says?"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
from typing import Any

import hcl2
import pytest
import yaml

from tests.support import baking, command, parameters, skips
from tools import matrix

TERRAFORM = shutil.which("terraform") or shutil.which("tofu")
# What juju_application takes, from version 1.0 of the provider on:
# https://documentation.ubuntu.com/terraform-provider-juju/latest/reference/terraform-provider/resources/application/
APPLICATION = {"config", "constraints", "model_uuid", "name", "resources", "units"}
CHARM = {"base", "channel", "name", "revision"}


def run(*args: str, folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run terraform in a folder, ignoring TF_* variables."""
    if TERRAFORM is None:
        pytest.skip(skips.NO_TERRAFORM)
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("TF_") or key == "TF_CLI_CONFIG_FILE"
    }
    environment["CHECKPOINT_DISABLE"] = "1"
    return command.run(TERRAFORM, *args, cwd=folder, env=environment)


def parse(file: pathlib.Path) -> dict[str, Any]:
    """Parse a file of the module, strings without their quotes."""

    def unquote(value: Any) -> Any:
        if isinstance(value, dict):
            return {unquote(key): unquote(item) for key, item in value.items()}
        if isinstance(value, list):
            return [unquote(item) for item in value]
        return value.strip('"') if isinstance(value, str) else value

    return unquote(hcl2.loads(file.read_text()))


def variables(module: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Return the module's variables by name."""
    parsed = parse(module / "variables.tf")["variable"]
    return {name: value for variable in parsed for name, value in variable.items()}


@parameters.FUNCTIONAL
def test_terraform_finds_the_files_formatted(baker: baking.Baker, variant: matrix.Variant):
    result = run("fmt", "-check", "-diff", "-recursive", folder=baker.bake(variant) / "terraform")

    assert result.returncode == 0, result.stdout


def test_every_module_is_valid_and_passes_its_own_tests(baker: baking.Baker, tmp_path):
    """With the provider's own schema, so one test that may have to skip."""
    for variant in matrix.product("substrate", "integration_tests"):
        module = tmp_path / "-".join(variant.values())
        shutil.copytree(baker.bake(variant) / "terraform", module)

        initialised = run("init", "-backend=false", "-input=false", "-no-color", folder=module)
        validated = run("validate", "-no-color", folder=module)

        # A provider that is there by dev_overrides needs no init, which wouldn't find it.
        if initialised.returncode and "Missing required provider" in validated.stdout:
            pytest.skip(skips.NO_PROVIDER)
        assert validated.returncode == 0, initialised.stdout + validated.stdout
        tested = run("test", "-no-color", folder=module)
        assert tested.returncode == 0, tested.stdout
        assert "3 passed, 0 failed." in tested.stdout


@parameters.FUNCTIONAL
def test_the_application_gets_every_variable(baker: baking.Baker, variant: matrix.Variant):
    module = baker.bake(variant) / "terraform"
    ((application,),) = (
        resource["juju_application"].values() for resource in parse(module / "main.tf")["resource"]
    )
    (charm,) = application["charm"]

    kubernetes = variant["substrate"] == "kubernetes"
    assert set(application) - {"charm", "__is_block__", "__comments__"} == APPLICATION - (
        set() if kubernetes else {"resources"}
    )
    assert set(charm) - {"__is_block__", "__comments__"} == CHARM
    assert charm["name"] == baking.CHARM_NAME
    used = set(re.findall(r"var\.(\w+)", (module / "main.tf").read_text()))
    assert used == set(variables(module))


@parameters.FUNCTIONAL
def test_the_defaults_are_those_of_charmcraft_yaml(baker: baking.Baker, variant: matrix.Variant):
    charm = baker.bake(variant)
    charmcraft = yaml.safe_load((charm / "charmcraft.yaml").read_text())
    found = variables(charm / "terraform")

    assert found["app_name"]["default"] == charmcraft["name"]
    assert found["base"]["default"] == charmcraft["base"]
    assert [name for name, it in found.items() if "default" not in it] == ["model_uuid"]
    assert [name for name, it in found.items() if not it.get("description")] == []


@parameters.FUNCTIONAL
def test_the_readme_has_every_variable_and_output(baker: baking.Baker, variant: matrix.Variant):
    module = baker.bake(variant) / "terraform"
    readme = (module / "README.md").read_text()

    described = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \|", readme, re.MULTILINE)

    declared = []
    for name, variable in variables(module).items():
        text = (module / "variables.tf").read_text().split(f'variable "{name}" {{')[1]
        default = re.search(r"^  default +=\s(.*)$", text.split("\n}\n")[0], re.MULTILINE)
        kind = variable["type"].removeprefix("${").removesuffix("}")
        declared.append((name, kind, f"`{default[1]}`" if default else "required"))
    assert described == declared
    outputs = [name for output in parse(module / "outputs.tf")["output"] for name in output]
    assert re.findall(r"^\| `(\w+)` \| [^|]+ \|$", readme, re.MULTILINE) == outputs

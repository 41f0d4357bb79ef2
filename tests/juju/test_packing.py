"""Does the real charmcraft pack the charm, with what it needs to run and nothing else?"""

from __future__ import annotations

import stat
import sys
import zipfile

import pytest
import yaml

from tests.support import baking, command, packing, parameters
from tools import matrix

# Beside the virtual environment, which has a test of its own.
FILES = {
    "actions.yaml",
    "config.yaml",
    "dispatch",
    "icon.svg",
    "manifest.yaml",
    "metadata.yaml",
    "src/charm.py",
    "src/leadership.py",
    "src/workload.py",
}
PACKAGES = {
    "machine": {"charmlibs/pathops", "charmlibs/systemd", "ops"},
    "kubernetes": {"charmlibs/pathops", "ops"},
}
MAX_SIZE = 5_000_000  # Bytes; the charms have 2.1 to 2.2 million, most of it ops and PyYAML.


def names(charm: zipfile.ZipFile) -> list[str]:
    """List the charm's files."""
    return [name for name in charm.namelist() if not name.endswith("/")]


@parameters.FUNCTIONAL
def test_the_charm_holds_exactly_these_files(packer: packing.Packer, variant: matrix.Variant):
    """No tests, no caches of tools, no project files."""
    with zipfile.ZipFile(packer.pack(variant)) as charm:
        files = names(charm)

    assert {file for file in files if not file.startswith("venv/")} == FILES


@parameters.FUNCTIONAL
def test_the_virtual_environment_holds_what_the_charm_imports(
    packer: packing.Packer, variant: matrix.Variant
):
    with zipfile.ZipFile(packer.pack(variant)) as charm:
        files = set(names(charm))

    version = packing.version(packing.python(variant["base"]))
    packages = f"venv/lib/python{version}/site-packages"
    for package in PACKAGES[variant["substrate"]]:
        assert f"{packages}/{package}/__init__.py" in files
    others = ("pip/", "pytest/", "_pytest/", "scenario/", "coverage/")
    assert [
        file for file in files if file.startswith(tuple(f"{packages}/{o}" for o in others))
    ] == []


@parameters.FUNCTIONAL
def test_the_charm_can_be_dispatched(packer: packing.Packer, variant: matrix.Variant):
    with zipfile.ZipFile(packer.pack(variant)) as charm:
        mode = charm.getinfo("dispatch").external_attr >> 16
        script = charm.read("dispatch").decode()

    assert mode & stat.S_IXUSR
    assert "src/charm.py" in script


@parameters.FUNCTIONAL
def test_the_metadata_is_what_charmcraft_yaml_says(
    packer: packing.Packer, variant: matrix.Variant
):
    with zipfile.ZipFile(packer.pack(variant)) as charm:
        metadata, manifest, actions, config = (
            yaml.safe_load(charm.read(f"{file}.yaml"))
            for file in ("metadata", "manifest", "actions", "config")
        )

    kubernetes = variant["substrate"] == "kubernetes"
    assert set(metadata["peers"]) == {"peers"}
    assert set(metadata.get("containers", {})) == ({"workload"} if kubernetes else set())
    assert set(metadata.get("resources", {})) == ({"workload-image"} if kubernetes else set())
    assert metadata["assumes"] == ["juju >= 3.6.11", *(["k8s-api"] if kubernetes else [])]
    # Neither hooks nor workload run as root, and Juju refuses users of 1000 to 9999.
    assert metadata.get("charm-user") == ("non-root" if kubernetes else None)
    for container in metadata.get("containers", {}).values():
        assert (container["uid"], container["gid"]) == (584792, 584792)
    (base,) = manifest["bases"]
    assert f"{base['name']}@{base['channel']}" == variant["base"]
    assert set(actions) == {"rotate-credentials", "show-leadership"}
    assert set(config["options"]) == {"log-level"}


def test_a_charm_that_has_grown_is_packed_unless_its_lock_is_old(tmp_path):
    """The uv plugin would leave out what the lock lacks, and say nothing."""
    # Of a base whose Python is as old as what packing asks for where a base's own is missing.
    variant = {"base": "ubuntu@22.04"}
    charm = baking.bake(variant, tmp_path / "baked")
    command.output("uv", "lock", "--quiet", "--python", sys.executable, cwd=charm)
    for folder in ("lib/charms/other/v0", "src"):  # What tests and fetched libraries leave.
        (charm / folder / "__pycache__").mkdir(parents=True)
        (charm / folder / "__pycache__" / "old.pyc").touch()
        (charm / folder / "more.py").touch()
    packed = packing.pack(charm, tmp_path / "locked" / "project", variant["base"])
    pyproject = (charm / "pyproject.toml").read_text()
    assert "dependencies = [\n" in pyproject
    more = pyproject.replace("dependencies = [\n", 'dependencies = [\n    "tomli>=2.2,<3",\n', 1)
    (charm / "pyproject.toml").write_text(more)

    with pytest.raises(AssertionError, match="run 'uv lock' and commit uv.lock"):
        packing.pack(charm, tmp_path / "stale" / "project", variant["base"])

    with zipfile.ZipFile(packed) as packed_charm:
        files = {name for name in names(packed_charm) if not name.startswith("venv/")}
    assert files == FILES | {"lib/charms/other/v0/more.py", "src/more.py"}


@parameters.FUNCTIONAL
def test_the_charm_is_small(packer: packing.Packer, variant: matrix.Variant):
    assert packer.pack(variant).stat().st_size < MAX_SIZE

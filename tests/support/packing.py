"""Pack charms with the real charmcraft, each variant at most once per test session."""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import filelock

from tests.simulation import containers
from tests.support import baking, command, pythons
from tools import matrix

# Modules that charmcraft imports and only the system package python3-apt carries.
_APT_PACKAGES = pathlib.Path("/usr/lib/python3/dist-packages")
_APT_MODULES = ("apt", "apt_inst*.so", "apt_pkg*.so", "aptsources")


class Packer:
    """Packs charms into one folder, which all processes of a test session share."""

    def __init__(self, baker: baking.Baker, root: pathlib.Path):
        self._baker = baker
        self._root = root

    def pack(self, variant: matrix.Variant) -> pathlib.Path:
        """Return the variant's charm, baked and packed."""
        project = self._baker.bake(variant)
        folder = self._root / _digest(project)
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / "lock"):
            if not (packed := sorted(folder.glob("*.charm"))):
                charm = pack(project, folder / "project", variant["base"])
                # Under its final name only when it is whole.
                packed = [charm.rename(folder / charm.name)]
        return packed[0]


def python(base: str) -> pathlib.Path:
    """Return the Python that a charm of this base is packed with and runs on here."""
    return (pythons.find(matrix.PYTHONS[base]) or pathlib.Path(sys.executable)).resolve()


@functools.cache
def version(interpreter: pathlib.Path) -> str:
    """Return an interpreter's version, such as 3.12."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.check_output([interpreter, "-c", code], text=True).strip()


def pack(project: pathlib.Path, work: pathlib.Path, base: str) -> pathlib.Path:
    """Pack a copy of a project with charmcraft, and return the charm.

    Destructive mode refuses a host that is not the charm's base. So charmcraft runs where
    /etc/os-release is that of the base, and python3 has the base's version. Where no such Python
    is at hand, the copy asks for the Python that is. The folder has a plain name there, since
    charmcraft's scriptlets can't bear a blank.
    """
    shutil.copytree(project, work)
    interpreter = python(base)
    if pythons.find(matrix.PYTHONS[base]) is None:
        pyproject = work / "pyproject.toml"
        lowered = re.sub(
            r'(?m)^requires-python = ".*?"', 'requires-python = ">=3.10"', pyproject.read_text()
        )
        pyproject.write_text(lowered)
    tools = work.with_name("tools")
    _link(tools / "bin" / "python3", interpreter)
    for pattern in _APT_MODULES:
        for module in _APT_PACKAGES.glob(pattern):
            _link(tools / "apt" / module.name, module)
    version = base.removeprefix("ubuntu@")
    (tools / "os-release").write_text(f'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="{version}"\n')
    # In a container, as this file tells it, charmcraft installs no snaps: uv is at hand already.
    prepare = """
        touch /.dockerenv
        mount --bind "$1" "$(readlink -f /etc/os-release)"
        cd "$2"
        shift 2
        exec "$@"
    """
    inside = pathlib.Path("/packing")
    charmcraft = [sys.executable, "-m", "charmcraft", "pack", "--destructive-mode", "--verbose"]
    command.output(
        *containers.command(
            {str(inside): work.parent},
            *("sh", "-euc", prepare, "sh", inside / "tools/os-release", inside / work.name),
            *charmcraft,
        ),
        env={
            **os.environ,
            "PATH": os.pathsep.join(
                [f"{inside}/tools/bin", os.path.dirname(sys.executable), os.environ["PATH"]]
            ),
            "PYTHONPATH": str(inside / "tools" / "apt"),
            "TMPDIR": "/tmp",
            "XDG_RUNTIME_DIR": str(inside / "tools"),
            "XDG_STATE_HOME": str(inside / "tools"),
        },
    )
    (charm,) = work.glob("*.charm")
    return charm


@functools.cache
def problem() -> str | None:
    """Say why charms can't be packed here, or return None."""
    modules = [module for pattern in _APT_MODULES for module in _APT_PACKAGES.glob(pattern)]
    if len(modules) < len(_APT_MODULES):
        return "charmcraft needs the system package python3-apt"
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}-"
    if not any(tag in module.name for module in modules):
        return f"the system package python3-apt is not for Python {sys.version.split()[0]}"
    return containers.problem()


def _digest(project: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(project.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(project)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _link(link: pathlib.Path, target: pathlib.Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)

"""Put redis into a baked charm in the place of the placeholder: what its owner would edit."""

from __future__ import annotations

import pathlib

import jinja2

from tests.support import baking
from tools import matrix, pins

FOLDER = pathlib.Path(__file__).parent / "charm"
MARK = "    # Common to all workloads:\n"
Edits = dict[str, list[tuple[str, str]]]
# Of the integration tests; a rotation restarts no redis.
ROTATION: Edits = {
    "tests/integration/test_charm.py": [
        ("ROTATION_RESTARTS = True ", "ROTATION_RESTARTS = False ")
    ]
}
(APT,) = pins.read()["charmlibs-apt"]
# By file, what replaces what. Each text is in the file once.
MACHINE: Edits = {
    **ROTATION,
    "pyproject.toml": [
        ("dependencies = [\n", f'dependencies = [\n    "charmlibs-apt{APT}",\n'),
    ],
    "tests/unit/fakes.py": [
        (
            '"sleep": f"sleep (GNU coreutils) {VERSION}\\nCopyright\\n"',
            '"redis-cli": "OK\\n", "redis-server": f"Redis server v={VERSION} sha=0\\n"',
        ),
        (
            '"planned_units"}\n',
            '"planned_units", "username", "password"}\n',
        ),
        (
            "    return json.loads(text)\n",
            "    lines = dict(line.split(maxsplit=1) for line in text.splitlines())\n"
            '    password = lines["masterauth"].strip(\'"\')\n'
            '    return {"password": password, "leads": "replicaof" not in lines}\n',
        ),
        ("import subprocess\n", "import subprocess\nimport unittest.mock\n"),
        (
            '            patch.setattr(workload, "systemd", self)\n',
            '            patch.setattr(workload, "systemd", self)\n'
            '            patch.setattr(workload, "apt", unittest.mock.Mock())\n',
        ),
        (
            "        self.commands.append((command, options))\n",
            "        self.commands.append((command, options))\n"
            '        if command[0] == "redis-cli":\n'
            "            self._step()\n"
            "            if self.rejects:\n"
            "                raise subprocess.CalledProcessError(1, command)\n"
            "            for read in self.running.values():\n"
            "                read |= self.files\n",
        ),
    ],
}
KUBERNETES: Edits = {
    **ROTATION,
    "charmcraft.yaml": [
        ("    uid: 584792\n", "    mounts: [{storage: data, location: /data}]\n    uid: 584792\n"),
        ("peers:\n  #", "storage:\n  data:\n    type: filesystem\n\npeers:\n  #"),
    ],
    "tests/unit/fakes.py": [
        (
            '"sleep": f"sleep (GNU coreutils) {VERSION}\\nCopyright\\n"',
            '"redis-cli": "OK\\n", "redis-server": f"Redis server v={VERSION} sha=0\\n"',
        ),
        (
            '"planned_units"}\n',
            '"planned_units", "username", "password"}\n',
        ),
        (
            "    return json.loads(text)\n",
            "    lines = dict(line.split(maxsplit=1) for line in text.splitlines())\n"
            '    password = lines["masterauth"].strip(\'"\')\n'
            '    return {"password": password, "leads": "replicaof" not in lines}\n',
        ),
        (
            "        self.commands.append(command)\n",
            "        self.commands.append(command)\n"
            '        if command[0] == "redis-cli":\n'
            "            self._step()\n"
            "            if self.rejects:\n"
            "                raise ops.pebble.ExecError(command, 1, None, None)\n"
            "            for read in self.running.values():\n"
            "                read |= self.files\n",
        ),
    ],
}


def put_redis_in(project: pathlib.Path, variant: matrix.Variant) -> None:
    """Edit a baked charm."""
    edits = MACHINE if variant["substrate"] == "machine" else KUBERNETES
    for name, changes in edits.items():
        file = project / name
        text = file.read_text()
        for old, new in changes:
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        file.write_text(text)
    answers = {**variant, "charm_name": baking.CHARM_NAME, "author": "A", "copyright_year": "2026"}
    workload = project / "src" / "workload.py"
    common = workload.read_text().partition(MARK)[2]
    workload.write_text(render("workload.py", answers) + MARK + common)
    test = project / "tests" / "unit" / "test_redis.py"
    test.write_text(render("test_redis.py", answers))


def render(name: str, answers: dict[str, str]) -> str:
    """Render a file of the charm, which has the same conditions as the template."""
    options = matrix.CONTEXT["_jinja2_env_vars"]
    assert isinstance(options, dict)
    environment = jinja2.Environment(
        **options, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((FOLDER / f"{name}.jinja").read_text())
    return template.render(cookiecutter=answers)

"""How long does the packed charm take per event, beside init's charm and a bare one?

Each charm is packed by charmcraft and dispatched through the same hook commands, which
tests/simulation/ plays. Each command costs a process, so the commands are counted.
"""

from __future__ import annotations

import collections
import contextlib
import pathlib
import shutil
import statistics
import tempfile
import time

from benchmarks import bake, timing
from tests.simulation import controller, model
from tests.support import baking, packing

ROUNDS = 15
VARIANT = {"substrate": "machine", "base": "ubuntu@24.04", "integration_tests": "jubilant"}
EVENTS = ("update-status", "config-changed", "leader-elected")
# A charm that observes nothing: what ops itself takes.
BARE = "import ops\n\nops.main(ops.CharmBase)\n"
# The same, with as many commands as the template's charm: of Juju's, systemd's and the workload's.
ASKING = """\
import subprocess

import ops

class Charm(ops.CharmBase):
    def __init__(self, framework):
        super().__init__(framework)
        asks_version = ops.JujuContext.from_environ().hook_name == "update-status"
        for _ in range((10 if ops.hookcmds.is_leader() else 9) + asks_version):
            ops.hookcmds.is_leader()
        if asks_version:
            subprocess.run(["sleep", "--version"], capture_output=True)
        for _ in range(2):
            subprocess.run(["systemctl", "is-active", "--quiet", "fixture-charm-workload"])

ops.main(Charm)
"""


def pack_template(folder: pathlib.Path) -> pathlib.Path:
    """Pack a baked charm."""
    return packing.pack(baking.bake(VARIANT, folder / "baked"), folder / "work", VARIANT["base"])


def pack_init(folder: pathlib.Path) -> pathlib.Path:
    """Pack what `charmcraft init` makes, locked as it asks for."""
    project = folder / "init"
    project.mkdir(parents=True)
    bake.init(VARIANT["substrate"], project)
    timing.run("uv", "lock", cwd=project)
    shutil.rmtree(project / ".git", ignore_errors=True)
    return packing.pack(project, folder / "work", VARIANT["base"])


class Contender:
    """A charm with its own simulated Juju, in which unit 0 leads and two units follow."""

    def __init__(self, name: str, charm: pathlib.Path, folder: pathlib.Path, source: str = ""):
        self.name = name
        juju = model.Model(charm.name.split("_")[0], model.Timing(lease=36000))
        self._running = controller.Controller(folder, charm, packing.python(VARIANT["base"]), juju)
        self._source = source
        self.seconds: dict[tuple[str, str], list[float]] = collections.defaultdict(list)
        self.commands: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Contender:
        """Deploy the charm."""
        running = self._running.__enter__()
        leader = running.add_unit()
        running.juju.claim(leader)
        running.add_unit()
        running.add_unit()
        if self._source:
            for host in running.hosts.values():
                (host.charm / "src" / "charm.py").write_text(self._source)
        running.dispatch_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what it started."""
        self._running.__exit__()

    def add_units(self, number: int) -> None:
        """Add units that are never dispatched, until there are so many."""
        while len(self._running.juju.units) < number:
            with self._running.juju.changed:
                self._running.juju.add_unit()

    def dispatch(self, role: str, event: str) -> None:
        """Dispatch an event on the leader or a follower, and note what it took."""
        unit = list(self._running.juju.units.values())[role == "follower"]
        self._running.commands.clear()
        start = time.perf_counter()
        succeeded, output = self._running.dispatch(unit, model.Hook(event))
        self.seconds[role, event].append(time.perf_counter() - start)
        if not succeeded:
            raise RuntimeError(f"{self.name}: {event} failed on the {role}:\n{output}")
        del self._running.commands["juju-log"]
        self.commands[role, event] = self._running.commands.total()


def main() -> None:
    """Print a table of seconds and commands, and the template's commands with 300 units."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        packed = pack_template(folder / "template")
        charms = [
            Contender("bare ops.CharmBase", packed, folder / "run-bare", BARE),
            Contender("bare, and as many commands", packed, folder / "run-asking", ASKING),
            Contender("charmcraft init", pack_init(folder / "init"), folder / "run-init"),
            Contender("template", packed, folder / "run-template"),
        ]
        for charm in charms:
            stack.enter_context(charm)
        cases = [(role, event) for role in ("leader", "follower") for event in EVENTS]
        for _ in range(ROUNDS):
            for case in cases:
                for charm in charms:
                    charm.dispatch(*case)
        _, asking, _, template_charm = charms
        if asking.commands != template_charm.commands:
            raise RuntimeError(f"compares {asking.commands} with {template_charm.commands}")
        print(
            "| event | charm | seconds | ratio | commands |", "|---|---|---:|---:|---:|", sep="\n"
        )
        for role, event in cases:
            seconds = {charm: statistics.median(charm.seconds[role, event]) for charm in charms}
            for charm in charms:
                ratio = seconds[charm] / seconds[asking]
                number = charm.commands[role, event]
                row = (
                    f"{event}, {role}",
                    charm.name,
                    f"{seconds[charm]:.3f}",
                    f"{ratio:.2f}",
                    number,
                )
                print("|", " | ".join(map(str, row)), "|")
        small = dict(template_charm.commands)
        template_charm.add_units(300)
        for case in cases:
            template_charm.dispatch(*case)
        verdict = "the same" if template_charm.commands == small else f"{template_charm.commands}"
        print(f"\nThe template's commands with 300 units instead of 3: {verdict}.\n")


if __name__ == "__main__":
    main()

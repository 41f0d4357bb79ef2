"""A charm with redis in, played on the simulated Juju, and what happens to a client's writes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from tests.simulation import controller, hosts, model

WRITER = pathlib.Path(__file__).parent / "writer.py"
CLIENT = "10.0.255.1"  # The client's address.
SOME = 40  # Writes that tell that writing goes on.
FOREVER = 100_000.0  # Seconds of the model's clock.


@dataclasses.dataclass
class Row:
    """What a client and redis went through.

    Attributes:
        what: What happened.
        restarts: Processes of redis that have ended, of those that were meant to stay.
        links: Seconds until each replica's link to the new leader was up.
        acknowledged: Writes that a redis acknowledged.
        late: Of these, those that the old leader did after its last replica had left.
        lost: Of these, those that are not in the leader's redis in the end.
    """

    what: str
    restarts: int = 0
    links: list[float] = dataclasses.field(default_factory=list)
    acknowledged: int = 0
    late: int | None = None
    lost: int = 0


class Writes:
    """What a client has written so far."""

    def __init__(self, log: pathlib.Path):
        self._log = log

    def list(self) -> list[tuple[str, float, str]]:
        """Return the key, the time and the address of each acknowledged write."""
        # The last line may be half written.
        lines = self._log.read_text().split("\n")[:-1]
        return [(key, float(when), by) for key, when, by in map(str.split, lines)]

    def go_on(self, by: str | None = None) -> None:
        """Wait until some more writes have been acknowledged, by an address if it matters."""
        since = time.monotonic()

        def some() -> bool:
            new = [w for w in self.list() if w[1] > since and by in (None, w[2])]
            return len(new) >= SOME

        wait_for(some, f"writes to {by or 'anybody'} go on")


class Cluster:
    """Units that run redis."""

    def __init__(self, running: controller.Controller, folder: pathlib.Path):
        self.running = running
        self.juju = running.juju
        self._folder = folder
        self._host = running.network.add_host(CLIENT)
        self._targets = folder / "targets.json"
        self._numbers = iter(range(1000))

    # Juju's side

    def add(self, number: int) -> None:
        """Add units, and wait until all is well."""
        for _ in range(number):
            self.running.start(self.running.add_unit())
        self.settle()

    def settle(self) -> None:
        """Wait until no unit has anything to do, all are active, and replicas are linked."""

        def settled() -> bool:
            units = [unit for unit in self.juju.units.values() if unit.alive]
            return self.juju.is_quiet() and all(unit.status[0] == "active" for unit in units)

        with self.juju.changed:
            assert self.juju.clock.wait(FOREVER, settled), self.describe()
        leader = self.leader
        for unit in self.juju.units:
            if unit != leader:
                wait_for(lambda unit=unit: self.is_linked(unit, leader), f"{unit} is linked")

    def describe(self) -> list[object]:
        """Return what explains that units don't settle."""
        states = [(u.name, u.agent, u.status, u.failed) for u in self.juju.units.values()]
        return [states, self.juju.log[-3:], self.juju.history[-10:]]

    @property
    def leader(self) -> str:
        """The unit that leads."""
        return str(self.juju.leader)

    @property
    def password(self) -> str:
        """The newest password."""
        (secret,) = self.juju.secrets.values()
        return secret.revisions[secret.latest]["password"]

    @contextlib.contextmanager
    def agent_stopped(self, unit: str) -> Iterator[None]:
        """Keep a unit's agent stopped, and its redis running."""
        self._control_agent(unit, "stop")
        with self.juju.changed:
            assert self.juju.clock.wait(FOREVER, lambda: self.juju.leader not in (None, unit))
        yield
        self._control_agent(unit, "start")
        with self.juju.changed:
            self.juju.clock.wait(FOREVER, lambda: self.juju.units[unit].alive)

    def _control_agent(self, unit: str, verb: str) -> None:
        host = self.running.hosts[unit]
        if isinstance(host, hosts.Machine):
            commands = [["systemctl", verb, f"jujud-machine-{self.juju.units[unit].number}"]]
        else:
            commands = [
                ["pebble", f"{verb}-checks", "liveness"],
                ["pebble", verb, "container-agent"],
            ]
            commands = [[f"/charm/bin/{command[0]}", *command[1:]] for command in commands]
        for command in commands:
            result = host.run(*command)
            assert result.returncode == 0, result.stdout

    def rotate(self, unit: str) -> None:
        """Rotate the credentials by the action."""
        with self.juju.changed:
            _, action = self.juju.enqueue(self.juju.units[unit], "rotate-credentials")
            self.juju.clock.wait(FOREVER, lambda: action.status != "pending")
        assert action.status == "completed", action
        self._aim()

    def remove(self, unit: str) -> None:
        """Remove a unit, and wait until it is gone."""
        with self.juju.changed:
            self.juju.remove(self.juju.units[unit])
            assert self.juju.clock.wait(FOREVER, lambda: unit not in self.juju.units)
        self.running.remove_host(unit)

    def replace_pod(self, unit: str) -> None:
        """Replace a unit's pod."""
        host = self.running.hosts[unit]
        assert isinstance(host, hosts.Pod)
        with self.juju.clock.held():
            host.replace(self.running.packed)

    # Redis' side

    def run(self, unit: str, *command: str) -> str:
        """Run redis-cli where the unit's redis is, and return what it prints."""
        host = self.running.hosts[unit]
        where = {"container": "workload"} if isinstance(host, hosts.Pod) else {}
        environment = {**host.environment, "REDISCLI_AUTH": self.password}
        return host.run("redis-cli", *command, environment=environment, **where).stdout

    def info(self, unit: str) -> dict[str, str]:
        """Return what a unit's redis says of itself; nothing if it is down."""
        lines = self.run(unit, "info").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def is_linked(self, unit: str, leader: str) -> bool:
        """Whether a unit's redis replicates the leader's."""
        info, host = self.info(unit), self.running.hosts[leader]
        name = host.names[0] if isinstance(host, hosts.Pod) else host.address
        return (info.get("master_host"), info.get("master_link_status")) == (name, "up")

    def wait_for_links(self, row: Row, old: str) -> float:
        """Note how long it takes the replicas to link to the new leader.

        Returns:
            A time at which the old leader had no replica left.
        """
        start, leader = time.monotonic(), self.leader
        waiting = {unit for unit in self.juju.units if unit not in (leader, old)}
        left = None
        while waiting or left is None:
            assert time.monotonic() < start + 120, (waiting, self.describe())
            for unit in sorted(waiting):
                if self.is_linked(unit, leader):
                    row.links.append(time.monotonic() - start)
                    waiting.remove(unit)
            if left is None and self.info(old).get("connected_slaves") == "0":
                left = time.monotonic()
        return left

    @contextlib.contextmanager
    def written(self, row: Row, *, ends: str | None = None) -> Iterator[Writes]:
        """Let a client write meanwhile, and note in a row what became of it.

        Args:
            row: Where to note it.
            ends: The unit whose redis is meant to end.
        """
        processes = {unit: self.info(unit)["run_id"] for unit in self.juju.units if unit != ends}
        number = next(self._numbers)
        log = self._folder / f"writes-{number}.log"
        self._aim()
        with log.open("w") as output:
            client = self.running.network.popen(
                self._host,
                *(sys.executable, "-u", WRITER, f"{number}-", self._targets),
                stdin=subprocess.PIPE,
                stdout=output,
            )
        writes = Writes(log)
        try:
            writes.go_on(by=self._address(self.leader))
            yield writes
            self.settle()
            writes.go_on(by=self._address(self.leader))
        finally:
            client.communicate()
        acknowledged = {key for key, _, _ in writes.list()}
        kept = set(self.run(self.leader, "--raw", "keys", f"{number}-*").split())
        row.acknowledged = len(acknowledged)
        row.lost = len(acknowledged - kept)
        row.restarts = sum(
            self.info(unit)["run_id"] != process
            for unit, process in processes.items()
            if unit in self.juju.units
        )

    def _address(self, unit: str) -> str:
        return self.juju.units[unit].address

    def _aim(self) -> None:
        """Tell the client where to write: first to whom leads now, with any password."""
        (secret,) = self.juju.secrets.values()
        passwords = [each["password"] for each in reversed(secret.revisions.values())]
        units = sorted(self.juju.units, key=lambda unit: unit != self.leader)
        new = self._targets.with_name("targets.new")
        new.write_text(
            json.dumps({"addresses": list(map(self._address, units)), "passwords": passwords})
        )
        new.replace(self._targets)


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so, in real time."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, f"waited for 120 s: {what}"
        time.sleep(0.02)

"""A charm with redis in, played on the simulated Juju, and what happens to a client's writes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

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
    """What a client has written so far.

    Args:
        log: What the client prints.
        describe: Returns what explains that it doesn't go on.
    """

    def __init__(self, log: pathlib.Path, describe: Callable[[], object]):
        self._log = log
        self._describe = describe

    def list(self) -> list[tuple[str, float, str]]:
        """Return the key, the time and the address of each acknowledged write."""
        # The last line may be half written.
        lines = self._log.read_text().split("\n")[:-1]
        return [(key, float(when), by) for key, when, by in map(str.split, lines)]

    def count(self, by: str, since: float) -> int:
        """Count what an address has acknowledged since a time."""
        return sum(when > since and address == by for _, when, address in self.list())

    def go_on(self, by: str) -> None:
        """Wait until an address has acknowledged some more writes."""
        since = time.monotonic()
        what = f"{by} takes writes"
        wait_for(lambda: self.count(by, since) >= SOME, what, self._describe)


class Cluster:
    """Units that run redis."""

    def __init__(self, running: controller.Controller, folder: pathlib.Path):
        self.running = running
        self.juju = running.juju
        self._folder = folder
        self._host = running.site.network.add_host(CLIENT)
        self._targets = folder / "targets.json"
        self._numbers = iter(range(1000))
        self._passwords: list[str] = []  # Newest first.

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
        self._learn_password()
        for unit in self.juju.units:
            if unit != leader:
                wait_for(lambda unit=unit: self.is_linked(unit, leader), f"{unit} is linked")

    def describe(self) -> list[object]:
        """Return what explains that units don't settle."""
        states = [(u.name, u.agent, u.status, u.failed) for u in self.juju.units.values()]
        keys = ("role", "master_host", "master_link_status", "connected_slaves", "slave0")
        keys += ("min_slaves_good_slaves",)
        infos = [{key: self.info(unit).get(key) for key in keys} for unit in self.juju.units]
        return [states, infos, self.juju.log[-3:], self.juju.history[-10:]]

    @property
    def leader(self) -> str:
        """The unit that leads."""
        return str(self.juju.leader)

    @property
    def followers(self) -> list[str]:
        """The units that follow."""
        return [unit for unit in self.juju.units if unit != self.leader]

    @contextlib.contextmanager
    def agent_stopped(self, unit: str, *, without_fence: bool = False) -> Iterator[None]:
        """Keep a unit's agent stopped, and its redis running, until another unit leads."""
        self.running.hosts[unit].stop_agent()
        if without_fence:
            assert self.run(unit, "config", "set", "min-replicas-to-write", "0") == "OK\n"
        with self.juju.changed:
            assert self.juju.clock.wait(FOREVER, lambda: self.juju.leader not in (None, unit))
        yield
        self.running.hosts[unit].start_agent()
        with self.juju.changed:
            self.juju.clock.wait(FOREVER, lambda: self.juju.units[unit].alive)

    def rotate(self, unit: str) -> None:
        """Rotate the credentials by the action."""
        with self.juju.changed:
            _, action = self.juju.enqueue(self.juju.units[unit], "rotate-credentials")
            self.juju.clock.wait(FOREVER, lambda: action.status != "pending")
        assert action.status == "completed", action
        self.connect()

    def remove(self, unit: str) -> None:
        """Remove a unit, and wait until it and its host are gone."""
        with self.juju.changed:
            self.juju.remove(self.juju.units[unit])
            assert self.juju.clock.wait(FOREVER, lambda: unit not in self.juju.units)
        self.running.hosts[unit].stop()

    def set_departs(self, departs: bool) -> None:
        """Let the others be told from now on when a unit has gone, or not be told."""
        with self.juju.changed:
            self.juju.departs = departs
            self.juju.clock.notify()

    def update_status(self, unit: str) -> None:
        """Let a unit have update-status."""
        succeeded, output = self.running.dispatch(
            self.juju.units[unit], model.Hook("update-status")
        )
        assert succeeded, output

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
        where: dict[str, Any] = {"container": "workload"} if isinstance(host, hosts.Pod) else {}
        answer = ""
        for password in self._passwords:
            environment = {**host.environment, "REDISCLI_AUTH": password}
            answer = host.run("redis-cli", *command, environment=environment, **where).stdout
            if not answer.startswith(("AUTH failed", "NOAUTH")):
                break
        return answer

    def info(self, unit: str) -> dict[str, str]:
        """Return what a unit's redis says of itself; nothing if it is down."""
        lines = self.run(unit, "info").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def process(self, unit: str) -> str:
        """Return what differs for each process of a unit's redis."""
        return self.info(unit)["run_id"]

    def is_linked(self, unit: str, leader: str) -> bool:
        """Whether a unit's redis replicates the leader's."""
        info, host = self.info(unit), self.running.hosts[leader]
        name = host.names[0] if isinstance(host, hosts.Pod) else host.address
        return (info.get("master_host"), info.get("master_link_status")) == (name, "up")

    def fence(self, unit: str) -> str:
        """Return how many replicas a unit's redis asks for."""
        return self.run(unit, "config", "get", "min-replicas-to-write").split()[1]

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
    def written(self, row: Row, *ends: str) -> Iterator[Writes]:
        """Let a client write meanwhile, and note in a row what became of it.

        Args:
            row: Where to note it.
            ends: The units whose redis is meant to end.
        """
        processes = {unit: self.process(unit) for unit in self.juju.units if unit not in ends}
        number = next(self._numbers)
        log = self._folder / f"writes-{number}.log"
        self.connect()
        with log.open("w") as output:
            client = self.running.site.network.popen(
                self._host,
                *(sys.executable, "-u", WRITER, f"{number}-", self._targets),
                stdin=subprocess.PIPE,
                stdout=output,
            )
        writes = Writes(log, self.describe)
        try:
            writes.go_on(by=self.address(self.leader))
            yield writes
            self.settle()
            writes.go_on(by=self.address(self.leader))
        finally:
            client.communicate()
        acknowledged = {key for key, _, _ in writes.list()}
        kept = set(self.run(self.leader, "--raw", "keys", f"{number}-*").split())
        row.acknowledged = len(acknowledged)
        row.lost = len(acknowledged - kept)
        row.restarts = sum(
            self.process(unit) != process
            for unit, process in processes.items()
            if unit in self.juju.units
        )

    def _learn_password(self) -> None:
        (secret,) = self.juju.secrets.values()
        password = secret.revisions[secret.latest]["password"]
        if password not in self._passwords:
            self._passwords.insert(0, password)

    def address(self, unit: str) -> str:
        """Return a unit's address."""
        return self.juju.units[unit].address

    def connect(self, *units: str) -> None:
        """Tell the client where to write, with any password.

        Args:
            units: Where it may write; none for all of them, the one that leads now first.
        """
        self._learn_password()
        units = units or tuple(sorted(self.juju.units, key=lambda unit: unit != self.leader))
        new = self._targets.with_name("targets.new")
        new.write_text(
            json.dumps({"addresses": list(map(self.address, units)), "passwords": self._passwords})
        )
        new.replace(self._targets)


def render(title: str, rows: list[Row]) -> str:
    """Render a table in Markdown."""
    head = "restarts", "links up after", "acknowledged", "after the last replica had left", "lost"
    lines = [[title, *head], ["---"] * (len(head) + 1)]
    for row in rows:
        links = ", ".join(f"{seconds:.1f} s" for seconds in row.links)
        late = "" if row.late is None else row.late
        values = (row.what, row.restarts, links, row.acknowledged, late, row.lost)
        lines.append([str(value) for value in values])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def wait_for(
    condition: Callable[[], object], what: str, describe: Callable[[], object] = lambda: ""
) -> None:
    """Wait until something is so, in real time."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, (f"waited for 120 s: {what}", describe())
        time.sleep(0.02)

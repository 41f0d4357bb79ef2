# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The whole application: several units, and Juju's part in carrying news between them.

What Juju keeps for the application (who leads, the peer databag, the revisions of the secret, and
which of them each unit tracks) is here, and goes from one unit's run into the next unit's. What a
run changes queues the events that Juju sends for it. It can't show:

- what Juju refuses when a hook ends: Juju buffers writes until then, Scenario has no such step;
- leases: here leadership moves at once, and ``is_leader`` isn't cached for 30 seconds;
- other orders of events than that in which their causes arose;
- that followers don't own the secret: Scenario lets them read as owners, and refuses writes.

The integration tests show these on a controller.
"""

import dataclasses
import pathlib
from collections.abc import Iterable

import units
from ops import testing


class Application:
    """Units that share a databag and a secret, one of which may lead."""

    def __init__(self, root: pathlib.Path, count: int):
        self.leader: int | None = None
        self.databag: dict[str, str] = {}
        self.secrets: dict[str, list[dict[str, str]]] = {}  # The revisions of each, by id.
        self.units: dict[int, units.Unit] = {}
        self.down: set[int] = set()  # Units whose agents don't run: their events wait.
        self.queue: list[tuple[int, str]] = []  # Events to come, each with its unit.
        self.writers: list[int] = []  # Units that wrote for the application, in order.
        self._root = root
        self._states: dict[int, testing.State] = {}
        self._tracked: dict[int, dict[str, dict[str, str]]] = {}
        for number in range(count):
            self.add(number)

    def add(self, number: int) -> None:
        """Add a unit, whose first events wait in the queue."""
        self.units[number] = units.Unit(number, self._root)
        self._states[number] = self.units[number].state(leader=False)
        self._tracked[number] = {}
        for event in ("install", "peers_created", "config_changed", "start"):
            self._tell([number], event)

    def remove(self, number: int) -> None:
        """Remove a unit, of which the others get peers-relation-departed."""
        del self.units[number]
        self.down.discard(number)
        if self.leader == number:
            self.leader = None
        self.queue = [(unit, event) for unit, event in self.queue if unit != number]
        self._tell(self.units, "peers_departed")

    def elect(self, number: int) -> None:
        """Move leadership to a unit; Juju tells the old leader nothing."""
        self.leader = number
        self._tell([number], "leader_elected")

    def deliver(self) -> list[tuple[int, str]]:
        """Run what waits for the units that are up, and what follows from it; return all of it."""
        delivered: list[tuple[int, str]] = []
        while ready := [entry for entry in self.queue if entry[0] not in self.down]:
            self.queue.remove(ready[0])
            self.run(*ready[0])
            delivered.append(ready[0])
        return delivered

    def run(self, number: int, event: str, **changes: object) -> testing.State:
        """Run an event on a unit now, and queue the events that Juju sends for what it writes.

        Args:
            number: The unit's number.
            event: A name from units.RECONCILING or units.OTHERS.
            changes: Fields of the state that the unit sees changed, such as its config.
        """
        before = dataclasses.replace(self._state(number), **changes)
        after = self.units[number].run(event, before)
        self._states[number] = after
        others = [other for other in self.units if other != number]
        if units.get_peers(after) != units.get_peers(before):
            self._tell(others, "peers_changed")
        if self.databag != units.get_databag(after):
            self.databag = units.get_databag(after)
            self.writers.append(number)
        for secret in after.secrets - {units.OTHER_SECRET}:
            self._tracked[number][secret.id] = dict(secret.tracked_content)
            revisions = self.secrets.setdefault(secret.id, [])
            if secret.latest_content not in revisions:
                revisions.append(dict(secret.latest_content))
                self.writers.append(number)
                readers = [other for other in others if secret.id in self._tracked[other]]
                self._tell(readers, "secret_changed")
        return after

    def _tell(self, numbers: Iterable[int], event: str) -> None:
        """Queue an event; Juju sends it once, however often its cause arises meanwhile."""
        self.queue += [(n, event) for n in numbers if (n, event) not in self.queue]

    def _state(self, number: int) -> testing.State:
        """Describe what Juju shows to a unit now; its workload is as its last run left it."""
        state = self._states[number]
        peers = dataclasses.replace(
            units.get_peers(state),
            local_app_data=dict(self.databag),
            peers_data={other: {} for other in self.units if other != number},
        )
        secrets = {
            testing.Secret(
                self._tracked[number].get(secret_id, revisions[-1]),
                latest_content=revisions[-1],
                id=secret_id,
                owner="app",
                label="credentials",
            )
            for secret_id, revisions in self.secrets.items()
        }
        leader = number == self.leader
        return dataclasses.replace(state, leader=leader, relations={peers}, secrets=secrets)

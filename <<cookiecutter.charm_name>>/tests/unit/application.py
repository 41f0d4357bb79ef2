# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Several units of the application, each with Scenario's context of its own, and no Juju.

What Juju keeps for the application (who leads, the application's databags, its secrets and the
revision that each unit tracks) is here, and goes from one unit's run into the next unit's. What a
run changes queues the events that Juju sends for it. It can't show:

- what Juju refuses when a hook ends: Juju buffers writes until then, Scenario has no such step;
- leases: here leadership moves at once, and ``is_leader`` isn't cached for 30 seconds;
- that followers don't own the secret: Scenario lets them read as owners, and refuses writes.

The integration tests show these on a controller.
"""

import dataclasses
import pathlib
import tempfile
from collections.abc import Iterable
from typing import Any

import events
import fakes
import states
from ops import testing

Event = tuple[int, str]  # The number of a unit, and a kind of event.
ENDLESS = 1000  # More events than any cause has.


@dataclasses.dataclass
class Unit:
    """One unit: its context, what its workload runs on, and its own part of the state."""

    ctx: testing.Context
    system: fakes.System
    state: testing.State
    tracked: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)


def peer_events(name: str) -> list[str]:
    """Return the kind of event of this name for each peer relation that the charm declares."""
    endpoints = states.CHARMCRAFT.get("peers", {})
    return [f"{endpoint.replace('-', '_')}_relation_{name}" for endpoint in endpoints]


class Application:
    """Units that share databags and secrets, one of which may lead."""

    def __init__(self, root: pathlib.Path, count: int):
        self.leader: int | None = None
        self.databags: dict[int, dict[str, str]] = {}  # Of the application, by relation ID.
        self.secrets: dict[str, list[testing.Secret]] = {}  # The revisions of each, by ID.
        self.units: dict[int, Unit] = {}
        self.down: set[int] = set()  # Units whose agents don't run: their events wait.
        self.queue: list[Event] = []  # Events to come.
        self.writers: list[int] = []  # Units that wrote for the application, in order.
        self._root = root
        for number in range(count):
            self.add(number)

    def add(self, number: int) -> None:
        """Add a unit, whose first events wait in the queue, and the others' joined and changed."""
        others = list(self.units)
        system = fakes.System(pathlib.Path(tempfile.mkdtemp(dir=self._root)))
        self.units[number] = Unit(
            states.context(number), system, states.fresh(number, system, units=0)
        )
        self.tell([number], "install", *peer_events("created"), "config_changed", "start")
<% if cookiecutter.substrate == "kubernetes" %>
        for name in states.CHARMCRAFT["containers"]:
            self.tell([number], f"{name.replace('-', '_')}_pebble_ready")
<% endif %>
        self.tell([number, *others], *peer_events("changed"))

    def remove(self, number: int) -> None:
        """Remove a unit, of which the others get peers-relation-departed."""
        del self.units[number]
        self.down.discard(number)
        if self.leader == number:
            self.leader = None
        self.queue = [event for event in self.queue if event[0] != number]
        self.tell(self.units, *peer_events("departed"))

    def elect(self, number: int) -> None:
        """Move leadership to a unit; Juju tells the old leader nothing."""
        self.leader = number
        self.tell([number], "leader_elected")

    def deliver(self) -> list[Event]:
        """Run what waits for the units that are up, and what follows from it; return all of it."""
        delivered: list[Event] = []
        while ready := [event for event in self.queue if event[0] not in self.down]:
            assert len(delivered) < ENDLESS, f"each event causes another: {delivered[-6:]}"
            self.queue.remove(ready[0])
            self.run(*ready[0])
            delivered.append(ready[0])
        return delivered

    def run(self, number: int, kind: str, **changes: Any) -> testing.State:
        """Run an event on a unit now, and queue the events that Juju sends for what it writes.

        Args:
            number: The unit's number.
            kind: A kind of event, as in events.OBSERVED.
            changes: Fields of the state that the unit sees changed, such as its config.
        """
        unit = self.units[number]
        state = dataclasses.replace(self.state(number), **changes)
        before = events.seen_by(kind, state)
        with unit.system.patched():
            after = unit.ctx.run(events.variants(unit.ctx, kind, before)[0], before)
        ids = {relation.id for relation in before.relations}
        hidden = {relation for relation in state.relations if relation.id not in ids}
        unit.state = dataclasses.replace(after, relations=after.relations | hidden)
        databags = {relation.id: relation.local_unit_data for relation in state.relations}
        for relation in after.relations:
            changed = f"{relation.endpoint.replace('-', '_')}_relation_changed"
            is_peers = isinstance(relation, testing.PeerRelation)
            if is_peers and relation.local_unit_data != databags[relation.id]:
                self.tell([other for other in self.units if other != number], changed)
            if relation.local_app_data != self.databags.get(relation.id, {}):
                self.databags[relation.id] = dict(relation.local_app_data)
                self.writers.append(number)
                if is_peers:
                    self.tell(self.units, changed)
        for secret in after.secrets - {events.OTHER_SECRET}:
            unit.tracked[secret.id] = dict(secret.tracked_content or {})
            revisions = self.secrets.setdefault(secret.id, [])
            latest = dict(secret.latest_content or {})
            if not revisions or latest != revisions[-1].latest_content:
                revisions.append(dataclasses.replace(secret, tracked_content=latest))
                self.writers.append(number)
                readers = [n for n, unit in self.units.items() if secret.id in unit.tracked]
                self.tell([n for n in readers if n != number], "secret_changed")
        return after

    def tell(self, numbers: Iterable[int], *kinds: str) -> None:
        """Queue events; Juju sends one once, however often its cause arises meanwhile."""
        waiting = [(number, kind) for number in numbers for kind in kinds]
        self.queue += [event for event in waiting if event not in self.queue]

    def state(self, number: int) -> testing.State:
        """Describe what Juju shows to a unit now; its workload is as its last run left it."""
        unit = self.units[number]
        relations = {
            dataclasses.replace(
                relation,
                local_app_data=dict(self.databags.get(relation.id, {})),
                **(
                    {"peers_data": self._unit_databags(relation.id, besides=number)}
                    if isinstance(relation, testing.PeerRelation)
                    else {}
                ),
            )
            for relation in unit.state.relations
        }
        secrets = {
            dataclasses.replace(
                revisions[-1],
                tracked_content=unit.tracked.get(secret_id) or revisions[-1].latest_content,
            )
            for secret_id, revisions in self.secrets.items()
        }
        return dataclasses.replace(
            unit.state,
            leader=number == self.leader,
            planned_units=len(self.units),
            relations=relations,
            secrets=secrets,
        )

    def _unit_databags(self, relation_id: int, *, besides: int) -> dict[int, dict[str, str]]:
        """Return what each other unit has written in its own databag of a peer relation."""
        return {
            number: dict(relation.local_unit_data)
            for number, unit in self.units.items()
            for relation in unit.state.relations
            if relation.id == relation_id and number != besides
        }

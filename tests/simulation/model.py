"""What Juju knows of one application, and what each of its units is to run next."""

from __future__ import annotations

import dataclasses
import functools
import secrets
import threading
from collections.abc import Callable, Mapping

from tests.simulation import clock, releases

RELATION = "peers:0"
UUID = "cdac5656-2423-4388-8f30-41854b4cca7d"
CLUSTER_IP = "10.1.200.1"  # Of the Kubernetes service that bears the application's name.
# Hooks that Juju skips if the unit leads no longer when they are about to run, as it does on
# another try: internal/worker/uniter/operation/runhook.go:77, the same line on 3.6 and 4.0.
LEADERS_HOOKS = ("leader-elected", "secret-remove", "secret-rotate")


class CommandError(Exception):
    """Juju refuses a command or a commit; the message is what it prints.

    Args:
        message: What Juju says.
        status: The command's exit status.
    """

    def __init__(self, message: str, status: int = 1):
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True)
class Timing:
    """How long things take, in seconds of the model's clock but for the kubelet's.

    Attributes:
        lease: How long a unit leads after its agent was there last.
        retry: How long after it failed a hook runs again.
        action: How long ``juju run`` waits.
        run: How long it takes at least.
        secret_changed: How long after a change of a secret its consumers get secret-changed.
        late_commit: How long Kubernetes keeps refusing what a unit writes that leads no longer.
        kubelet_period: How often the kubelet looks at a pod, in real seconds.
    """

    lease: float = 60.0
    retry: float = 5.0
    action: float = 60.0
    run: float = 2.0
    secret_changed: float = 0.0
    late_commit: float = 180.0
    kubelet_period: float = 1.0


@dataclasses.dataclass
class Secret:
    """A secret of the application."""

    id: str
    label: str
    revisions: dict[int, dict[str, str]]
    tracked: dict[str, int] = dataclasses.field(default_factory=dict)  # Revision by unit.
    rotation: str = "never"
    owner: str = ""  # The unit whose secret it is, if it isn't the application's.
    changed_at: float = 0.0
    # On Kubernetes, revisions whose content is gone though Juju still knows them.
    lost: set[int] = dataclasses.field(default_factory=set)

    @property
    def latest(self) -> int:
        """The newest revision."""
        return max(self.revisions)

    def rotate_hook(self) -> Hook:
        """Return the hook that says that it is time to rotate; none comes by itself here."""
        label = {"JUJU_SECRET_LABEL": self.label}
        return Hook("secret-rotate", {"JUJU_SECRET_ID": f"secret:{self.id}"} | label)


@dataclasses.dataclass
class Action:
    """An action that waits, runs or has run."""

    id: str
    name: str
    status: str = "pending"
    message: str = ""
    results: dict[str, object] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Hook:
    """Something to dispatch.

    Attributes:
        name: Such as peers-relation-changed, or an action's name.
        environment: The variables that only this hook has.
        done: Notes what the unit knows once the hook is committed.
        action: The action, if it is one.
    """

    name: str
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    done: Callable[[], None] = lambda: None
    action: Action | None = None


@dataclasses.dataclass(eq=False)
class Unit:
    """A unit, with what its agent remembers of what the charm has seen."""

    name: str
    address: str  # Of its machine or pod.
    databag: dict[str, str] = dataclasses.field(default_factory=dict)
    status: tuple[str, str] = ("waiting", "installing agent")
    agent: str = "allocating"
    boots: dict[str, str] = dataclasses.field(default_factory=dict)  # Of Pebble, by container.
    checks: dict[tuple[str, str], bool] = dataclasses.field(default_factory=dict)
    actions: list[Action] = dataclasses.field(default_factory=list)
    dying: bool = False
    # The agent: whether it is expected, is there, has nothing to run, or is stuck in a commit.
    starting: bool = False
    alive: bool = False
    waiting: bool = False
    blocked: bool = False
    # The hook that failed, and when it runs again.
    failed: Hook | None = None
    retry_at: float = 0.0
    # What the charm has seen:
    ran: set[str] = dataclasses.field(default_factory=set)
    leads: bool = False
    charm: int = 0  # The revision that it runs.
    upgrades: bool = False  # Whether upgrade-charm is due.
    configs: int = 1  # How often config-changed is due.
    peers: set[str] = dataclasses.field(default_factory=set)
    joined: str | None = None  # A peer of which peers-relation-changed has to follow.
    left: bool = False
    app_databag: int = 0
    ready: dict[str, str] = dataclasses.field(default_factory=dict)
    checked: dict[tuple[str, str], bool] = dataclasses.field(default_factory=dict)
    secrets: dict[tuple[str, str], int] = dataclasses.field(default_factory=dict)

    @property
    def number(self) -> int:
        """The number in the unit's name."""
        return int(self.name.rpartition("/")[2])


class Model:
    """One application in a model.

    The methods are for one thread at a time: hold ``changed`` around them.

    Attributes:
        is_kubernetes: Whether the application runs on Kubernetes.
        breaks_peers: Whether a dying unit gets peers-relation-broken: on machines nearly always,
            on Kubernetes once in seven times.
        departs: Whether the others get peers-relation-departed when a unit goes. If not, they
            still list it: https://github.com/juju/juju/issues/23326
    """

    def __init__(
        self, app: str, timing: Timing | None = None, release: releases.Release = releases.JUJU_4
    ):
        self.app = app
        self.timing = timing or Timing()
        self.release = release
        self.is_kubernetes = False
        self.breaks_peers: bool | None = None  # As it is on the substrate.
        self.departs = True
        self.changed = threading.Condition()
        self.clock = clock.Clock(self.changed, self.is_quiet)
        self.units: dict[str, Unit] = {}
        self.databag: dict[str, str] = {}
        self.databag_version = 0
        self.secrets: dict[str, Secret] = {}
        self.config: dict[str, object] = {}
        self.charm_version = 0
        self.status: tuple[str, str] | None = None
        self.workload_version = ""
        self.log: list[str] = []
        self.history: list[tuple[str, str]] = []  # Unit and hook, once it is committed.
        self._gone: dict[str, dict[str, str]] = {}  # Databags of units that are gone.
        self._holder: str | None = None
        self._expires: float | None = None  # None while the holder's agent renews it.
        self._numbers = 0
        self.operations = 0

    # Units

    def add_unit(self) -> Unit:
        """Add a unit and return it: one number higher, or on Kubernetes the next ordinal."""
        number = len(self.units) if self.is_kubernetes else self._numbers
        self._numbers += 1
        # Its own, in the network of containers.py.
        address = f"10.0.{number // 250}.{1 + number % 250}"
        unit = Unit(f"{self.app}/{number}", address, charm=self.charm_version)
        ingress = CLUSTER_IP if self.is_kubernetes else address
        unit.databag = {"egress-subnets": f"{ingress}/32"}
        unit.databag |= dict.fromkeys(self.release.databag, ingress)
        self.units[unit.name] = unit
        self.clock.notify()
        return unit

    def remove_unit(self, unit: Unit) -> None:
        """Forget a dead unit, and revoke its lease."""
        del self.units[unit.name]
        self._gone[unit.name] = unit.databag
        for secret in self.secrets.values():
            secret.tracked.pop(unit.name, None)
        if self._holder == unit.name:
            self.lease_runs_out()
        self.clock.notify()

    def agent_found(self, unit: Unit, *, is_new_pod: bool = False) -> None:
        """Note that a unit's agent has started; it claims the lease, or renews it."""
        unit.alive, unit.starting, unit.waiting = True, False, False
        unit.agent = "idle"
        if self.is_kubernetes:
            # Each start of the agent starts the charm and asks Pebble anew; a new pod has to be
            # told everything.
            unit.ran.discard("start")
            unit.ready.clear()
            unit.upgrades = unit.upgrades or (is_new_pod and "install" in unit.ran)
        self.claim(unit)
        self.clock.notify()

    def agent_lost(self, unit: Unit) -> None:
        """Note that a unit's agent is gone, frozen or cut off: its lease isn't renewed."""
        if not self.is_kubernetes and unit.agent != "stopped":
            # The machine has died, and starts the charm when it is back.
            unit.ran.discard("start")
        unit.alive, unit.agent = False, "lost"
        if self._holder == unit.name and self._expires is None:
            self._expires = self.clock.now + self.timing.lease
            self.clock.at(self._expires, self._elect)
        self.clock.notify()

    def is_quiet(self) -> bool:
        """Whether no unit has anything to do before time passes."""
        return not any(map(self._is_busy, self.units.values()))

    def _is_busy(self, unit: Unit) -> bool:
        if unit.starting:
            return True
        if not unit.alive or unit.blocked:
            return False
        return not unit.waiting or unit.dying or self.due_hook(unit) is not None

    # Leadership

    @property
    def leader(self) -> str | None:
        """The unit whose lease has not run out, if any."""
        runs = self._expires is None or self.clock.now < self._expires
        return self._holder if runs else None

    def claim(self, unit: Unit) -> None:
        """Give the unit the lease if it is free, and renew it if it is the unit's."""
        if self.leader in (None, unit.name):
            self._holder, self._expires = unit.name, None

    def lease_runs_out(self) -> None:
        """End the lease; whoever is there may claim it."""
        self._holder = None
        self._elect()

    def _elect(self) -> None:
        for unit in self.units.values():
            if unit.alive and not unit.dying:
                self.claim(unit)
        self.clock.notify()

    def is_leader(self, unit: Unit) -> bool:
        """Whether Juju says that the unit leads."""
        return self.leader == unit.name

    def is_shown_as_leader(self, unit: Unit) -> bool:
        """Whether the status says that the unit leads."""
        return self.is_leader(unit)

    # What operators do

    def configure(self, options: Mapping[str, object]) -> None:
        """Set options; a value that is the same already changes nothing."""
        if self.config | dict(options) != self.config:
            self.config.update(options)
            for unit in self.units.values():
                if "config-changed" in unit.ran:
                    unit.configs += self.release.configs
            self.clock.notify()

    def refresh(self) -> None:
        """Move on to a new revision of the charm, which on Kubernetes a new pod brings."""
        self.charm_version += 1
        for unit in self.units.values():
            unit.upgrades = not self.is_kubernetes and "install" in unit.ran
        self.clock.notify()

    def remove(self, unit: Unit) -> None:
        """Let a unit die."""
        unit.dying = True
        self.clock.notify()

    def enqueue(self, unit: Unit, name: str) -> tuple[str, Action]:
        """Let a unit run an action, and return the operation's number and the action."""
        action = Action(str(self.operations + 1), name)
        operation = str(self.operations)
        self.operations += 2
        unit.actions.append(action)
        self.clock.notify()
        return operation, action

    def skip(self, unit: Unit) -> None:
        """Pass over the hook that failed, as ``juju resolved --no-retry`` does."""
        assert unit.failed is not None
        unit.failed.done()
        unit.failed = None
        self.clock.notify()

    def loses(self, command: str) -> bool:
        """Whether a command of juju ssh has no effect, or one of juju exec is never run."""
        return False

    # What units read and the leader writes

    def read_databag(self, unit: Unit) -> dict[str, str]:
        """Return the application's databag, which every unit may read on a peer relation."""
        return self.databag

    def find_databag(self, unit: Unit, peer: str) -> dict[str, str] | None:
        """Return what a unit may read of a peer's databag, or None if the peer isn't there.

        It is there before the unit has joined it, and as long as the unit lists it.
        """
        there = self.units.get(peer)
        if there is not None and (there is unit or self.is_in_relation(there)):
            return there.databag
        databags = self._gone | {name: other.databag for name, other in self.units.items()}
        return databags.get(peer) if peer in unit.peers else None

    def write_databag(self, settings: Mapping[str, str]) -> None:
        """Write to the application's databag; an unchanged value changes nothing."""
        new = self.databag | dict(settings)
        new = {key: value for key, value in new.items() if value}
        if new != self.databag:
            self.databag = new
            self.databag_version += 1

    def set_secret(self, id_: str, content: dict[str, str]) -> None:
        """Make a revision of a secret."""
        secret = self.secrets[id_]
        secret.revisions[secret.latest + 1] = content
        secret.changed_at = self.clock.now
        self.clock.at(self.clock.now + self.timing.secret_changed)

    # What a unit runs next

    def due_hook(self, unit: Unit) -> Hook | None:
        """Return what the unit's agent is to dispatch now, or None if it has to wait."""
        if unit.failed is not None and self.clock.now < unit.retry_at:
            return None
        return self.next_hook(unit)

    def next_hook(self, unit: Unit) -> Hook | None:
        """Return what the unit's agent dispatches next, or None if it is idle.

        The order is that of Juju's resolvers (worker/uniter/resolver.go), and of the recordings.
        A hook that failed comes again, before all others.
        """
        if (failed := unit.failed) is not None:
            if self.is_leader(unit) or failed.name not in LEADERS_HOOKS:
                return failed
            self.skip(unit)
        if unit.dying:
            return self._last_hook(unit)
        for name in ("install", "peers-relation-created"):
            if name not in unit.ran:
                return self._lifecycle(unit, name)
        leads = self.is_leader(unit)
        if leads and not unit.leads:
            return Hook("leader-elected", done=lambda: setattr(unit, "leads", True))
        unit.leads = leads
        return (
            self._pebble_hook(unit)
            or self._secrets_hook(unit)
            or self._action_hook(unit)
            or self._charm_hook(unit)
            or self._peers_hook(unit)
        )

    def _last_hook(self, unit: Unit) -> Hook | None:
        if "install" not in unit.ran:
            return None
        for peer in sorted(unit.peers):
            return self._departed(unit, peer, departing=unit.name)
        breaks = not self.is_kubernetes if self.breaks_peers is None else self.breaks_peers
        names = (*(["peers-relation-broken"] if breaks else []), "stop", "remove")
        return next((self._lifecycle(unit, name) for name in names if name not in unit.ran), None)

    def _lifecycle(self, unit: Unit, name: str) -> Hook:
        def done() -> None:
            unit.ran.add(name)
            unit.left = unit.left or unit.dying

        return Hook(name, self._peer() if name.startswith("peers") else {}, done)

    def _pebble_hook(self, unit: Unit) -> Hook | None:
        # In a fresh unit it comes before config-changed or after start, as it happens.
        started = "start" in unit.ran
        if not started and (unit.number % 2 or "config-changed" in unit.ran):
            return None
        for container, boot in unit.boots.items():
            if unit.ready.get(container) != boot:
                return Hook(
                    f"{container}-pebble-ready",
                    {"JUJU_WORKLOAD_NAME": container},
                    functools.partial(unit.ready.__setitem__, container, boot),
                )
        for (container, check), up in unit.checks.items() if started else ():
            if unit.checked.get((container, check), True) != up:
                return Hook(
                    f"{container}-pebble-check-{'recovered' if up else 'failed'}",
                    {"JUJU_WORKLOAD_NAME": container, "JUJU_PEBBLE_CHECK_NAME": check},
                    functools.partial(unit.checked.__setitem__, (container, check), up),
                )
        return None

    def _secrets_hook(self, unit: Unit) -> Hook | None:
        for secret in self.secrets.values():
            latest, tracked = secret.latest, secret.tracked.get(unit.name)
            label = {"JUJU_SECRET_LABEL": secret.label}
            changed = (secret.id, "changed")
            # To those that have read it and don't own it, which a leader does.
            if (
                tracked not in (None, latest)
                and not self.is_leader(unit)
                and unit.secrets.get(changed, 0) < latest
                and self.clock.now >= secret.changed_at + self.timing.secret_changed
            ):
                done = functools.partial(unit.secrets.__setitem__, changed, latest)
                id_ = {"JUJU_SECRET_ID": f"secret:{secret.id}"}
                return Hook("secret-changed", id_ | label, done)
            obsolete = set(secret.revisions) - {latest, *secret.tracked.values()}
            for revision in sorted(obsolete if self.is_leader(unit) else ()):
                removed = (secret.id, f"remove {revision}")
                if removed not in unit.secrets:
                    id_ = {"JUJU_SECRET_ID": self.release.removed_secret.format(id=secret.id)}
                    return Hook(
                        "secret-remove",
                        id_ | label | {"JUJU_SECRET_REVISION": str(revision)},
                        functools.partial(unit.secrets.__setitem__, removed, revision),
                    )
        return None

    def _action_hook(self, unit: Unit) -> Hook | None:
        if not unit.actions or "start" not in unit.ran:
            return None
        action = unit.actions[0]
        environment = {
            "JUJU_ACTION_NAME": action.name,
            "JUJU_ACTION_UUID": action.id,
            "JUJU_ACTION_TAG": f"action-{action.id}",
        }
        return Hook(action.name, environment, action=action)

    def _charm_hook(self, unit: Unit) -> Hook | None:
        if unit.upgrades:
            version = self.charm_version

            def upgraded() -> None:
                unit.charm, unit.upgrades, unit.configs = version, False, 1

            return Hook("upgrade-charm", done=upgraded)
        if unit.configs:

            def configured() -> None:
                unit.configs -= 1
                unit.ran.add("config-changed")

            return Hook("config-changed", done=configured)
        return None if "start" in unit.ran else self._lifecycle(unit, "start")

    def _peers_hook(self, unit: Unit) -> Hook | None:
        if unit.joined is not None:
            return Hook(
                "peers-relation-changed",
                self._peer(unit.joined),
                lambda: setattr(unit, "joined", None),
            )
        there = {peer.name for peer in self.units.values() if self.is_in_relation(peer)}
        for peer in sorted(unit.peers - there if self.departs else ()):
            return self._departed(unit, peer, departing=peer)
        if unit.app_databag != (version := self.databag_version):
            # To every unit, the writer included.
            return Hook(
                "peers-relation-changed",
                self._peer(),
                lambda: setattr(unit, "app_databag", version),
            )
        for peer in sorted(there - unit.peers - {unit.name}):

            def done(peer: str = peer) -> None:
                unit.peers.add(peer)
                unit.joined = peer

            return Hook("peers-relation-joined", self._peer(peer), done)
        return None

    def is_in_relation(self, unit: Unit) -> bool:
        """Whether the unit's peers see it."""
        return "install" in unit.ran and not unit.left

    def _departed(self, unit: Unit, peer: str, *, departing: str) -> Hook:
        environment = self._peer(peer) | {"JUJU_DEPARTING_UNIT": departing}
        return Hook(
            "peers-relation-departed", environment, functools.partial(unit.peers.discard, peer)
        )

    def _peer(self, unit: str = "") -> dict[str, str]:
        return {
            "JUJU_RELATION": "peers",
            "JUJU_RELATION_ID": RELATION,
            "JUJU_REMOTE_APP": self.app,
            "JUJU_REMOTE_UNIT": unit,
        }


def new_id() -> str:
    """Return 20 characters such as Juju gives to secrets."""
    return "".join(secrets.choice("0123456789abcdefghijklmnopqrstuv") for _ in range(20))

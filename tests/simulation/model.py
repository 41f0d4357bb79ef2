"""What Juju knows of one application, and what each of its units is to run next."""

from __future__ import annotations

import dataclasses
import functools
import secrets
import threading
import time
from collections.abc import Callable, Mapping

RELATION = "peers:0"


class RefusedError(Exception):
    """Juju refuses a command or a commit; the message is what it prints."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """How long things take, in seconds.

    On Juju a lease lasts 60 s, and Kubernetes restarts a dead agent 30 to 40 s after it died;
    that order matters and is kept.
    """

    lease: float = 9.0
    kubelet_period: float = 1.0
    retry: float = 1.0
    action: float = 60.0


@dataclasses.dataclass
class Secret:
    """A secret of the application."""

    id: str
    label: str
    revisions: dict[int, dict[str, str]]
    tracked: dict[str, int] = dataclasses.field(default_factory=dict)  # Revision by unit.

    @property
    def latest(self) -> int:
        """The newest revision."""
        return max(self.revisions)


@dataclasses.dataclass
class Action:
    """An action that waits, runs or has run."""

    id: str
    name: str
    status: str = "pending"
    message: str = ""
    results: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Hook:
    """Something to dispatch.

    Attributes:
        name: Such as peers-relation-changed, or an action's name.
        environment: The variables that only this hook has.
        seen: Notes that the unit has seen what the hook told it.
        action: The action, if it is one.
    """

    name: str
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    seen: Callable[[], None] = lambda: None
    action: Action | None = None


@dataclasses.dataclass(eq=False)
class Unit:
    """A unit, with what its agent remembers to have told the charm."""

    name: str
    databag: dict[str, str] = dataclasses.field(default_factory=dict)
    status: tuple[str, str] = ("waiting", "waiting for machine")
    agent: str = "allocating"
    boots: dict[str, str] = dataclasses.field(default_factory=dict)  # Of Pebble, by container.
    actions: list[Action] = dataclasses.field(default_factory=list)
    dying: bool = False
    retry_at: float | None = None
    # Told to the charm:
    told: set[str] = dataclasses.field(default_factory=set)
    leads: bool = False
    charm: int = 1
    config: int = 0
    peers: set[str] = dataclasses.field(default_factory=set)
    app_databag: int = 0
    ready: dict[str, str] = dataclasses.field(default_factory=dict)
    secrets: dict[tuple[str, str], int] = dataclasses.field(default_factory=dict)


class Model:
    """One application in a model.

    The methods are for one thread at a time: hold ``changed`` around them.
    """

    def __init__(self, app: str, timing: Timing | None = None):
        self.app = app
        self.timing = timing or Timing()
        self.changed = threading.Condition()
        self.units: dict[str, Unit] = {}
        self.databag: dict[str, str] = {}
        self.databag_version = 0
        self.databag_writer = ""
        self.secrets: dict[str, Secret] = {}
        self.config: dict[str, object] = {}
        self.config_version = 1
        self.charm_version = 1
        self.status: tuple[str, str] | None = None
        self.log: list[str] = []
        self.history: list[tuple[str, str]] = []  # Unit and hook, once it is committed.
        self._holder: str | None = None
        self._expires = 0.0
        self._numbers = 0

    # Units and leadership

    def add_unit(self) -> Unit:
        """Add a unit, numbered one higher than the one before, and return it."""
        unit = Unit(f"{self.app}/{self._numbers}")
        self._numbers += 1
        self.units[unit.name] = unit
        self.changed.notify_all()
        return unit

    def remove_unit(self, unit: Unit) -> None:
        """Forget a dead unit, and revoke its lease."""
        del self.units[unit.name]
        if self._holder == unit.name:
            self._holder = None
        for secret in self.secrets.values():
            secret.tracked.pop(unit.name, None)
        self.changed.notify_all()

    @property
    def leader(self) -> str | None:
        """The unit whose lease has not run out, if any."""
        return self._holder if time.monotonic() < self._expires else None

    def claim(self, unit: Unit) -> None:
        """Give the unit the lease if it is free, and renew it if it is the unit's."""
        if self.leader in (None, unit.name):
            self._holder = unit.name
            self._expires = time.monotonic() + self.timing.lease

    def lease_runs_out(self) -> None:
        """End the lease."""
        self._expires = 0.0

    def is_leader(self, unit: Unit) -> bool:
        """Whether Juju says that the unit leads."""
        return self.leader == unit.name

    def is_shown_as_leader(self, unit: Unit) -> bool:
        """Whether the status says that the unit leads."""
        return self.is_leader(unit)

    def read_databag(self, unit: Unit) -> dict[str, str]:
        """Return the application's databag, which every unit may read on a peer relation."""
        return self.databag

    def loses(self, command: str) -> bool:
        """Whether a command over juju ssh has no effect; a faulty model's may."""
        return False

    # What the leader writes

    def write_databag(self, unit: Unit, settings: Mapping[str, str]) -> None:
        """Write to the application's databag; an unchanged value tells nobody anything."""
        new = self.databag | dict(settings)
        new = {key: value for key, value in new.items() if value}
        if new != self.databag:
            self.databag = new
            self.databag_version += 1
            self.databag_writer = unit.name
            unit.app_databag = self.databag_version

    def add_secret(self, id_: str, label: str, content: dict[str, str], unit: Unit) -> None:
        """Add a secret, which the unit that made it tracks.

        Raises:
            RefusedError: if the application has one with this label.
        """
        if any(secret.label == label for secret in self.secrets.values()):
            raise RefusedError(f'secret with label "{label}" already exists')
        self.secrets[id_] = Secret(id_, label, {1: content}, {unit.name: 1})

    def set_secret(self, id_: str, content: dict[str, str]) -> None:
        """Make a revision of a secret."""
        secret = self.secrets[id_]
        secret.revisions[secret.latest + 1] = content

    # What a unit runs next

    def next_hook(self, unit: Unit) -> Hook | None:
        """Return what the unit's agent is to dispatch now, or None if it is idle.

        The order on a fresh unit is that of Juju: install, peers-relation-created, leader-elected,
        config-changed, start. Afterwards whatever differs from what the charm was told.
        """
        if unit.dying:
            return self._last_hook(unit)
        for name in ("install", "peers-relation-created"):
            if name not in unit.told:
                return self._lifecycle(unit, name)
        if unit.charm != self.charm_version:
            return Hook("upgrade-charm", seen=functools.partial(self._saw_charm, unit))
        leads = self.is_leader(unit)
        if leads and not unit.leads:
            return Hook("leader-elected", seen=lambda: setattr(unit, "leads", True))
        unit.leads = leads
        if unit.config != (version := self.config_version):
            return Hook("config-changed", seen=lambda: setattr(unit, "config", version))
        if "start" not in unit.told:
            return self._lifecycle(unit, "start")
        for container, boot in unit.boots.items():
            if unit.ready.get(container) != boot:
                return Hook(
                    f"{container}-pebble-ready",
                    {"JUJU_WORKLOAD_NAME": container},
                    functools.partial(unit.ready.__setitem__, container, boot),
                )
        return self._action_hook(unit) or self._peers_hook(unit) or self._secrets_hook(unit)

    def _last_hook(self, unit: Unit) -> Hook | None:
        if "install" in unit.told:
            for peer in sorted(unit.peers):
                return self._departed(unit, peer, departing=unit.name)
            for name in ("stop", "remove"):
                if name not in unit.told:
                    return self._lifecycle(unit, name)
        return None

    def _action_hook(self, unit: Unit) -> Hook | None:
        if not unit.actions:
            return None
        action = unit.actions[0]
        environment = {
            "JUJU_ACTION_NAME": action.name,
            "JUJU_ACTION_UUID": action.id,
            "JUJU_ACTION_TAG": f"action-{action.id}",
        }
        return Hook(action.name, environment, action=action)

    def _lifecycle(self, unit: Unit, name: str) -> Hook:
        environment = self._peer() if name == "peers-relation-created" else {}
        return Hook(name, environment, functools.partial(unit.told.add, name))

    def _saw_charm(self, unit: Unit) -> None:
        # Juju has config-changed follow upgrade-charm.
        unit.charm, unit.config = self.charm_version, 0

    def _peer(self, unit: str = "", departing: str = "") -> dict[str, str]:
        return {
            "JUJU_RELATION": "peers",
            "JUJU_RELATION_ID": RELATION,
            "JUJU_REMOTE_APP": self.app,
            "JUJU_REMOTE_UNIT": unit,
            "JUJU_DEPARTING_UNIT": departing,
        }

    def _departed(self, unit: Unit, peer: str, *, departing: str) -> Hook:
        seen = functools.partial(unit.peers.discard, peer)
        return Hook("peers-relation-departed", self._peer(peer, departing), seen)

    def _peers_hook(self, unit: Unit) -> Hook | None:
        there = {peer.name for peer in self.units.values() if self.is_in_relation(peer)}
        for peer in sorted(unit.peers - there):
            return self._departed(unit, peer, departing=peer)
        for peer in sorted(there - unit.peers - {unit.name}):
            joined = functools.partial(unit.peers.add, peer)
            return Hook("peers-relation-joined", self._peer(peer), joined)
        if unit.app_databag != (version := self.databag_version):
            # To all units but the writer, with the application for a remote unit.
            return Hook(
                "peers-relation-changed",
                self._peer(),
                lambda: setattr(unit, "app_databag", version),
            )
        return None

    def is_in_relation(self, unit: Unit) -> bool:
        """Whether the unit's peers see it."""
        return "peers-relation-created" in unit.told and not unit.dying

    def _secrets_hook(self, unit: Unit) -> Hook | None:
        for secret in self.secrets.values():
            latest, tracked = secret.latest, secret.tracked.get(unit.name)
            environment = {
                "JUJU_SECRET_ID": f"secret:{secret.id}",
                "JUJU_SECRET_LABEL": secret.label,
            }
            changed = (secret.id, "changed")
            # To those that have read it and don't own it, which a leader does.
            if (
                tracked not in (None, latest)
                and not self.is_leader(unit)
                and unit.secrets.get(changed, 0) < latest
            ):
                seen = functools.partial(unit.secrets.__setitem__, changed, latest)
                return Hook("secret-changed", environment, seen)
            obsolete = set(secret.revisions) - {latest, *secret.tracked.values()}
            for revision in sorted(obsolete if self.is_leader(unit) else ()):
                removed = (secret.id, f"remove {revision}")
                if removed not in unit.secrets:
                    return Hook(
                        "secret-remove",
                        environment | {"JUJU_SECRET_REVISION": str(revision)},
                        functools.partial(unit.secrets.__setitem__, removed, revision),
                    )
        return None


def new_id() -> str:
    """Return 20 characters such as Juju gives to secrets."""
    return "".join(secrets.choice("0123456789abcdefghijklmnopqrstuv") for _ in range(20))

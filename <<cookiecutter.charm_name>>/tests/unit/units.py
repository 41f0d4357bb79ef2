# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Units of the application for the unit tests, each with a workload of its own.

What Juju keeps for the application (who leads, the peer databag, the secret) is in the state that
a test hands to a unit; what the unit keeps (its configuration file and service) is here.
"""

import dataclasses
import json
import pathlib

<% if cookiecutter.substrate == "kubernetes" %>
import ops
<% endif %>
import pytest
import yaml
from ops import testing

<% if cookiecutter.substrate == "machine" %>
import workload
<% endif %>
from charm import << cookiecutter.__class_name >> as Charm

APP = "<< cookiecutter.charm_name >>"
CHARMCRAFT = pathlib.Path(__file__).parents[2] / "charmcraft.yaml"
# What Juju reads of charmcraft.yaml. Scenario would load the whole file for each unit, and write
# and read it for each event, which takes a third of the tests' time.
METADATA = {
    key: value
    for key, value in yaml.safe_load(CHARMCRAFT.read_text()).items()
    if key not in ("description", "links", "parts", "platforms")
}
CONTENT = {"username": "admin", "password": "first-password"}
OTHER_SECRET = testing.Secret({"key": "value"}, owner=None)

# Every event that the charm observes, by what it ends in.
RECONCILING = [
    "start",
    "config_changed",
    "update_status",
    "upgrade_charm",
    "leader_elected",
    "peers_created",
    "peers_changed",
    "peers_departed",
    "secret_changed",
    "secret_rotate",
    "secret_expired",
<% if cookiecutter.substrate == "kubernetes" %>
    "pebble_ready",
<% endif %>
]
OTHERS = [
    "secret_remove",
    "rotate-credentials",
    "show-leadership",
<% if cookiecutter.substrate == "machine" %>
    "install",
    "stop",
    "remove",
<% endif %>
]
<% if cookiecutter.substrate == "machine" %>


class FakeSystemd:
    """The part of charmlibs.systemd that the workload uses."""

    def __init__(self, unit_file: pathlib.Path):
        self.loaded = False  # Whether it knows the unit file.
        self._unit_file = unit_file
        self.enabled: set[str] = set()
        self.running: set[str] = set()
        self.interruptions = 0

    def daemon_reload(self):
        self.loaded = self._unit_file.exists()

    def service_enable(self, service: str):
        self.enabled.add(service)

    def service_disable(self, service: str):
        self.enabled.discard(service)

    def service_running(self, service: str):
        return service in self.running

    def service_start(self, service: str):
        self.running.add(service)

    def service_stop(self, service: str):
        self.running.discard(service)
        self.interruptions += 1
<% endif %>


class Unit:
    """A unit of the application, as Scenario plays it."""

    def __init__(self, number: int, root: pathlib.Path):
        self.name = f"{APP}/{number}"
        self.context = testing.Context(Charm, METADATA, app_name=APP, unit_id=number)
        self.etc = root / str(number) / "etc"
        self.etc.mkdir(parents=True)
        self.config_file = self.etc / f"{APP}-workload.json"
<% if cookiecutter.substrate == "machine" %>
        self.unit_file = self.etc / f"{APP}-workload.service"
        self.systemd = FakeSystemd(self.unit_file)
<% else %>
        self.interruptions = 0
<% endif %>

    def state(
        self,
        *,
        leader: bool,
        databag: dict[str, str] | None = None,
        secret: testing.Secret | None = None,
        peers: bool = True,
        available: bool = True,
        log_level: str = "info",
    ) -> testing.State:
        """Describe what Juju shows to this unit.

        Args:
            leader: Whether this unit leads.
            databag: What the leader has published, if anything.
            secret: The application's secret, if there is one.
            peers: Whether the peer relation exists.
            available: Whether the workload can be configured.
            log_level: The charm's log-level option.
        """
        relation = testing.PeerRelation("peers", local_app_data=dict(databag or {}))
<% if cookiecutter.substrate == "machine" %>
        if available:
            self.unit_file.touch()
<% else %>
        container = testing.Container(
            "workload",
            can_connect=available,
            mounts={"etc": testing.Mount(location="/etc", source=self.etc)},
        )
<% endif %>
        return testing.State(
            leader=leader,
            relations={relation} if peers else set(),
            secrets={secret} if secret else set(),
<% if cookiecutter.substrate == "kubernetes" %>
            containers={container},
<% endif %>
            config={"log-level": log_level},
        )

    def run(
        self, event: str, state: testing.State, *, revision: int = 1, departing: int = 9
    ) -> testing.State:
        """Run the charm for an event and return what it leaves behind.

        Args:
            event: A name from RECONCILING or OTHERS.
            state: What Juju shows to the unit.
            revision: The revision that secret-expired or secret-remove is about.
            departing: The number of the unit that peers-relation-departed is about.
        """
        with pytest.MonkeyPatch.context() as patch:
<% if cookiecutter.substrate == "machine" %>
            patch.setattr(workload, "CONFIG_FILE", str(self.config_file))
            patch.setattr(workload, "UNIT_FILE", str(self.unit_file))
            patch.setattr(workload, "systemd", self.systemd)
<% else %>
            stop = ops.Container.stop

            def count_stop(container: ops.Container, *services: str):
                self.interruptions += 1
                stop(container, *services)

            patch.setattr(ops.Container, "stop", count_stop)
<% endif %>
            if event == "secret_changed":
                state = _with_unowned_secret(state)
            return self.context.run(self._event(event, state, revision, departing), state)

<% if cookiecutter.substrate == "machine" %>
    @property
    def interruptions(self) -> int:
        """How often the charm has stopped or restarted the workload."""
        return self.systemd.interruptions

<% endif %>
    @property
    def configuration(self) -> dict[str, str] | None:
        """What the workload's configuration file says, if there is one."""
        return json.loads(self.config_file.read_text()) if self.config_file.exists() else None

    def _event(self, event: str, state: testing.State, revision: int, departing: int):
        on = self.context.on
        match event:
            case "peers_created":
                return on.relation_created(get_peers(state))
            case "peers_changed":
                return on.relation_changed(get_peers(state), remote_unit=9)
            case "peers_departed":
                peers = get_peers(state)
                return on.relation_departed(peers, remote_unit=9, departing_unit=departing)
            case "secret_changed":
                return on.secret_changed(OTHER_SECRET if state.leader else get_secret(state))
            case "secret_rotate":
                return on.secret_rotate(get_secret(state))
            case "secret_expired":
                return on.secret_expired(get_secret(state), revision=revision)
            case "secret_remove":
                return on.secret_remove(get_secret(state), revision=revision)
            case "rotate-credentials" | "show-leadership":
                return on.action(event)
<% if cookiecutter.substrate == "kubernetes" %>
            case "pebble_ready":
                return on.pebble_ready(state.get_container("workload"))
<% endif %>
            case _:
                return getattr(on, event)()


def get_peers(state: testing.State) -> testing.PeerRelation:
    """Return the peer relation."""
    (relation,) = state.get_relations("peers")
    assert isinstance(relation, testing.PeerRelation)
    return relation


def get_databag(state: testing.State) -> dict[str, str]:
    """Return what the leader has published."""
    return dict(get_peers(state).local_app_data)


def get_secret(state: testing.State) -> testing.Secret:
    """Return the application's secret, failing if there isn't exactly one."""
    (secret,) = state.secrets - {OTHER_SECRET}
    return secret


def make_secret(
    content: dict[str, str] = CONTENT, *, latest: dict[str, str] | None = None
) -> testing.Secret:
    """Make the application's secret.

    Args:
        content: The content that the unit tracks.
        latest: The newest content, if the unit tracks an older revision.
    """
    return testing.Secret(
        content,
        latest_content=latest,
        id="secret:9m4e2mr0ui3e8a215n4g",
        owner="app",
        label="credentials",
    )


def _with_unowned_secret(state: testing.State) -> testing.State:
    """Let Scenario send secret-changed, which it does for secrets that the unit doesn't own.

    To Scenario every unit owns the application's secret. On Juju a follower gets secret-changed
    for it, and so, on Juju 3.6, may a leader; here a leader gets one for another secret.
    """
    if state.leader:
        return dataclasses.replace(state, secrets={*state.secrets, OTHER_SECRET})
    unowned = dataclasses.replace(get_secret(state), owner=None)
    return dataclasses.replace(state, secrets={unowned})

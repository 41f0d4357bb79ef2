# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""What Juju shows to a unit that it has just set up, with all that charmcraft.yaml declares."""

import dataclasses
import itertools
import pathlib
from collections.abc import Mapping
from typing import Any

import fakes
import ops
import yaml
from ops import testing

from charm import << cookiecutter.__class_name >> as Charm
from leadership import PEER_RELATION

# Most of what charmcraft.yaml says, which Scenario would write again for each run to no avail.
UNUSED = ("assumes", "base", "description", "links", "parts", "platforms", "summary", "title")
# Scenario would read the file for each context.
CHARMCRAFT = {
    key: value
    for key, value in yaml.safe_load(
        pathlib.Path(__file__).parents[2].joinpath("charmcraft.yaml").read_text()
    ).items()
    if key not in UNUSED
}
for declared in (CHARMCRAFT.get("actions", {}), CHARMCRAFT.get("config", {}).get("options", {})):
    for each in declared.values():
        each.pop("description", None)
APP = CHARMCRAFT["name"]
ERROR = ops.ModelError("ERROR connection is shut down")
# What the other application has written in its databag, by the charm's endpoint: without it, what
# the charm does with a request isn't run here.
REQUESTS: dict[str, dict[str, str]] = {}
GUARD_HINT = (
    "only the leader may do that; call self.leadership.require_leader() first, which raises "
    "NotLeaderError, or branch on self.unit.is_leader()"
)
# An option whose change restarts the workload: a value that it takes, and one that it refuses.
OPTION, VALID, INVALID = "log-level", "debug", "loud"
DEFAULT = CHARMCRAFT["config"]["options"][OPTION]["default"]


def context(unit: int, app: str = APP) -> testing.Context:
    """Make the context of one unit of an application of this charm."""
    return testing.Context(Charm, CHARMCRAFT, app_name=app, unit_id=unit)


def address(unit: int) -> dict[str, str]:
    """Return what Juju keeps in a unit's databag of each relation."""
<% if cookiecutter.substrate == "machine" %>
    return {"ingress-address": f"10.0.0.{unit + 1}", "egress-subnets": f"10.0.0.{unit + 1}/32"}
<% else %>
    # Of each unit the address of the application's service.
    return {"ingress-address": "10.152.183.7", "egress-subnets": "10.152.183.7/32"}
<% endif %>


def fresh(
    unit: int,
    system: fakes.System,
    *,
    units: int = 3,
    requests: Mapping[str, dict[str, str]] = REQUESTS,
) -> testing.State:
    """Make the state of a unit whose application has published nothing yet.

    Args:
        unit: The unit's number.
        system: What the unit's workload runs on.
        units: The number of units of the application.
        requests: What other applications have written, by endpoint.
    """
    ids = itertools.count(1)  # The same on every unit.
    peers = {
        testing.PeerRelation(
            endpoint,
            id=next(ids),
            local_unit_data=address(unit),
            peers_data={other: address(other) for other in range(units) if other != unit},
        )
        for endpoint in CHARMCRAFT.get("peers", {})
    }
    kinds = {"container": testing.SubordinateRelation}
    others = {
        kinds.get(declared.get("scope"), testing.Relation)(
            endpoint,
            id=next(ids),
            local_unit_data=address(unit),
            remote_app_data=requests.get(endpoint, {}),
        )
        for role in ("provides", "requires")
        for endpoint, declared in CHARMCRAFT.get(role, {}).items()
    }
    return testing.State(
        planned_units=units,
        relations=peers | others,
<% if cookiecutter.substrate == "kubernetes" %>
        containers={system.container(name) for name in CHARMCRAFT["containers"]},
<% endif %>
        storages={testing.Storage(name) for name in CHARMCRAFT.get("storage", {})},
    )


def peers(state: testing.State) -> testing.PeerRelation:
    """Return the peer relation."""
    found = (each for each in state.relations if isinstance(each, testing.PeerRelation))
    (relation,) = (each for each in found if each.endpoint == PEER_RELATION)
    return relation


def with_peers(state: testing.State, **changes: Any) -> testing.State:
    """Return the state with some fields of the peer relation changed."""
    changed = dataclasses.replace(peers(state), **changes)
    return dataclasses.replace(state, relations={*state.relations - {peers(state)}, changed})


<% if cookiecutter.substrate == "kubernetes" %>
def with_container(state: testing.State, container: testing.Container) -> testing.State:
    """Return the state with the container of this name replaced."""
    others = {each for each in state.containers if each.name != container.name}
    return dataclasses.replace(state, containers={*others, container})


<% endif %>
def application(state: testing.State) -> tuple[Any, ...]:
    """Return what only the leader may change."""
    return (
        {relation.id: dict(relation.local_app_data) for relation in state.relations},
        {each.id: (each.label, each.rotate, each.latest_content) for each in state.secrets},
        state.app_status,
    )


def secret(state: testing.State) -> testing.Secret:
    """Return the secret of the credentials, failing if there isn't exactly one."""
    (secret,) = (each for each in state.secrets if each.label == "credentials")
    return secret


def credentials(state: testing.State) -> dict[str, str]:
    """Return the newest content of the secret of the credentials; nothing without one."""
    found = (each.latest_content or {} for each in state.secrets if each.label == "credentials")
    return dict(next(found, {}))


def rotate(state: testing.State, key: str = "password") -> testing.State:
    """Return the state once another unit has changed one of the credentials."""
    latest = {**credentials(state), key: f"new-{key}"}
    secrets = {
        dataclasses.replace(each, latest_content=latest) if each.label == "credentials" else each
        for each in state.secrets
    }
    return dataclasses.replace(state, secrets=secrets)


def fail(*args: Any, **options: Any) -> None:
    """Stand in for a method of ops for which Juju has no answer."""
    raise ERROR

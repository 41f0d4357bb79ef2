# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""What Juju shows to a unit that it has just set up, with all that charmcraft.yaml declares."""

import dataclasses
import itertools
import pathlib
from typing import Any

import fakes
import ops
import yaml
from ops import testing

from charm import << cookiecutter.__class_name >> as Charm

# Scenario would read the whole file for each context; what Juju doesn't need takes most of it.
CHARMCRAFT = {
    key: value
    for key, value in yaml.safe_load(
        pathlib.Path(__file__).parents[2].joinpath("charmcraft.yaml").read_text()
    ).items()
    if key not in ("description", "links", "parts", "platforms")
}
APP = CHARMCRAFT["name"]
ERROR = ops.ModelError("ERROR connection is shut down")


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


def fresh(unit: int, system: fakes.System, *, units: int = 3) -> testing.State:
    """Make the state of a unit whose application has published nothing yet.

    Args:
        unit: The unit's number.
        system: What the unit's workload runs on.
        units: The number of units of the application.
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
    others = {
        testing.Relation(endpoint, id=next(ids), local_unit_data=address(unit))
        for role in ("provides", "requires")
        for endpoint in CHARMCRAFT.get(role, {})
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
    (relation,) = (r for r in state.relations if isinstance(r, testing.PeerRelation))
    return relation


def with_peers(state: testing.State, **changes: Any) -> testing.State:
    """Return the state with some fields of the peer relation changed."""
    changed = dataclasses.replace(peers(state), **changes)
    return dataclasses.replace(state, relations={*state.relations - {peers(state)}, changed})


def secret(state: testing.State) -> testing.Secret:
    """Return the secret of the credentials, failing if there isn't exactly one."""
    (secret,) = (each for each in state.secrets if each.label == "credentials")
    return secret


def credentials(state: testing.State) -> dict[str, str]:
    """Return the newest content of the application's secrets."""
    owned = (secret for secret in state.secrets if secret.owner == "app")
    return {key: value for secret in owned for key, value in (secret.latest_content or {}).items()}


def rotate(state: testing.State, key: str = "password") -> testing.State:
    """Return the state once another unit has changed one of the credentials."""
    latest = {**credentials(state), key: f"new-{key}"}
    secrets = {dataclasses.replace(each, latest_content=latest) for each in state.secrets}
    return dataclasses.replace(state, secrets=secrets)


def fail(*args: Any, **options: Any) -> None:
    """Stand in for a method of ops for which Juju has no answer."""
    raise ERROR

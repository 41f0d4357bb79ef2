# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Every event that the charm observes, found by asking it, so that no event goes untested."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

<% if cookiecutter.substrate == "kubernetes" %>
import fakes
<% endif %>
import ops
import pytest
import states
from ops import testing
<% if cookiecutter.substrate == "kubernetes" %>

from workload import CONTAINER
<% endif %>

_CONTEXT = states.context(0)


def _observed() -> list[str]:
    """Return the kind of each event that the charm observes, such as ``secret_changed``."""
    kinds: list[str] = []

    def observe(framework: ops.Framework, bound_event: ops.BoundEvent, observer: Any) -> None:
        # Juju's own, which the charm has and not a library.
        is_jujus = issubclass(bound_event.event_type, (ops.HookEvent, ops.ActionEvent))
        if is_jujus and bound_event.emitter.handle.path.count("/") == 1:
            kinds.append(bound_event.event_kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops.Framework, "observe", observe)  # So the event itself reaches nobody.
        _CONTEXT.run(_CONTEXT.on.update_status(), testing.State())
    return list(dict.fromkeys(kinds))


# What an action gets for each parameter that it requires, by the parameter's type.
VALUES = {"string": "text", "integer": 1, "number": 0.5, "boolean": True, "array": []}
OTHER_SECRET = testing.Secret({"key": "value"}, id="secret:d41jbs2mp25c76r8o1k0", owner=None)
OBSERVED = _observed()
ACTIONS = [kind for kind in OBSERVED if kind.endswith("_action")]
EVENTS = [kind for kind in OBSERVED if kind not in ACTIONS]


def seen_by(kind: str, state: testing.State) -> testing.State:
    """Return the state as Juju, or Scenario, shows it during a kind of event.

    - In install, Juju 4 lists no peer relation, and Juju 3.6 refuses to read one.
    - In relation-created, the other application has written nothing yet.
    - To Scenario every unit owns the application's secret, and secret-changed is about a secret
      that the unit doesn't own. On Juju a follower gets it for the application's. So does, on
      some versions, a leader; here it gets one for another secret.
    """
    if kind == "install":
        peers = {r for r in state.relations if isinstance(r, testing.PeerRelation)}
        return dataclasses.replace(state, relations=state.relations - peers)
    others = {r for r in state.relations if not isinstance(r, testing.PeerRelation)}
    if new := {r for r in others if f"{r.endpoint.replace('-', '_')}_relation_created" == kind}:
        silent = {dataclasses.replace(relation, remote_app_data={}) for relation in new}
        return dataclasses.replace(state, relations=state.relations - new | silent)
    if kind == "secret_changed":
        secrets = {dataclasses.replace(secret, owner=None) for secret in state.secrets}
        if state.leader:
            secrets = {*state.secrets, OTHER_SECRET}
        return dataclasses.replace(state, secrets=secrets)
<% if cookiecutter.substrate == "kubernetes" %>
    if "_pebble_check_" in kind:
        return states.with_container(state, fakes.planned(state.get_container(CONTAINER)))
<% endif %>
    return state


def variants(ctx: testing.Context, kind: str, state: testing.State) -> list[Any]:
    """Make an event for each thing in the state that it can be about.

    Args:
        ctx: The unit's context.
        kind: A kind of event from OBSERVED.
        state: What Juju shows to the unit.
    """
    found = list(_variants(ctx.on, kind, state))
    assert found, f"the state in states.py has nothing that {kind} could be about"
    return found


def _variants(on: Any, kind: str, state: testing.State) -> Iterator[Any]:
    if kind in ACTIONS:
        names = {name.replace("-", "_"): name for name in states.CHARMCRAFT["actions"]}
        name = names[kind.removesuffix("_action")]
        yield on.action(name, _parameters(states.CHARMCRAFT["actions"][name]))
    elif kind.startswith("secret_"):
        revision = {"revision": 1} if kind in ("secret_expired", "secret_remove") else {}
        owners = (None,) if kind == "secret_changed" else ("app", "unit")
        for secret in sorted(state.secrets, key=lambda each: each.label != "credentials"):
            if secret.owner in owners:
                yield getattr(on, kind)(secret, **revision)
<% if cookiecutter.substrate == "machine" %>
    elif match := re.fullmatch(r"(\w+)_(relation|storage)_(\w+)", kind):
        name, what, event = match.groups()
        for thing in getattr(state, f"{what}s"):
<% else %>
    elif match := re.fullmatch(r"(\w+)_(relation|pebble|storage)_(\w+)", kind):
        name, what, event = match.groups()
        for thing in getattr(state, {"pebble": "containers"}.get(what, f"{what}s")):
<% endif %>
            if getattr(thing, "endpoint", getattr(thing, "name", "")).replace("-", "_") == name:
                for details in _details(event, thing):
                    yield getattr(on, f"{what}_{event}")(thing, **details)
    else:
        yield getattr(on, kind)()


def _parameters(action: dict[str, Any]) -> dict[str, Any]:
    """Return what an action requires: of each parameter a value that it takes."""
    schemas = {name: action["params"][name] for name in action.get("required", ())}
    return {
        name: schema.get("enum", [VALUES[schema.get("type", "string")]])[0]
        for name, schema in schemas.items()
    }


def _details(event: str, thing: Any) -> list[dict[str, Any]]:
    """Return what else Juju says of an event, for each form that it can have."""
    if event in ("joined", "changed", "departed"):
        others = getattr(thing, "peers_data", None) or getattr(thing, "remote_units_data", {})
        return [{"remote_unit": min(others, default=99)}]  # Never the unit itself.
    if event.startswith("check_"):
        return [{"info": check} for check in thing.check_infos]
<% if cookiecutter.substrate == "kubernetes" %>
    if event == "custom_notice":
        return [{"notice": notice} for notice in thing.notices]
<% endif %>
    return [{}]

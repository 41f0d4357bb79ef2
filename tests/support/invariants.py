"""What holds of a unit after an event that went well, whatever happened before."""

from __future__ import annotations

import json
from typing import Any

from ops import testing

from tests.support import loading

SECRET_LABEL = "credentials"
LOG_LEVELS = ("debug", "info", "warning", "error")
# These end before the workload is in line with what the unit sees.
LEAVING = ("stop", "remove")
READING = ("show_leadership_action",)


def usable_peers(state: testing.State) -> testing.PeerRelation | None:
    """Return the peer relation that counts: the newest whose data Juju shows to the unit."""
    peers = [r for r in state.relations if isinstance(r, testing.PeerRelation)]
    peers = [relation for relation in peers if relation.local_unit_data]
    return max(peers, key=lambda relation: relation.id, default=None)


def find_secret(state: testing.State) -> testing.Secret | None:
    """Return the application's secret, if there is one."""
    return next((secret for secret in state.secrets if secret.label == SECRET_LABEL), None)


def expected(
    charm: loading.Charm, number: int, system: Any, state: testing.State
) -> dict[str, Any] | None:
    """Return the settings that a unit's workload should have, or None if the unit has to wait."""
    app = charm.states.APP
    peers, secret = usable_peers(state), find_secret(state)
    published = peers.local_app_data if peers else {}
    leader = published.get("leader")
    if not peers or not leader or not secret or "credentials-id" not in published:
        return None
    if leader == f"{app}/{number}" and not state.leader:
        return None  # It has the name of another unit, or was deposed.
    address: str | None = f"{leader.replace('/', '-')}.{app}-endpoints"
    if not state.containers:
        units = {number: peers.local_unit_data, **peers.peers_data}
        address = units.get(int(leader.partition("/")[2]), {}).get("ingress-address")
    level = state.config.get("log-level", "info")
    if level not in LOG_LEVELS:
        level = last_good_level(system)
    if address is None or level is None:
        return None
    if not all(container.can_connect for container in state.containers):
        return None
    latest = secret.latest_content or {}
    return {
        "unit": f"{app}/{number}",
        "leader": leader,
        "leader_address": address,
        "planned_units": state.planned_units,
        "username": latest["username"],
        "password": latest["password"],
        "log_level": level,
    }


def last_good_level(system: Any) -> str | None:
    """Return the level that a unit with a bad one goes on with, if there was a good one."""
    for path, text in system.files.items():
        if path.endswith("/applied.json") and (known := json.loads(text)):
            return known[-1].get("log_level")
    return None


def read_by_the_workload(system: Any) -> dict[str, Any] | None:
    """Return the settings that a running workload has read last, which may be on their way."""
    texts = [
        text
        for files in system.running.values()
        for path, text in files.items()
        if path.endswith("/workload.json")
    ]
    return json.loads(texts[0]) if texts else None


def check_converged(
    charm: loading.Charm, number: int, system: Any, state: testing.State, where: str = ""
) -> bool:
    """Check a unit after an event that reconciles, and the application if the unit leads.

    Returns:
        Whether the workload has its settings; if not, the unit says that it waits.
    """
    peers, secret = usable_peers(state), find_secret(state)
    if state.leader and peers:
        assert secret is not None, where
        assert peers.local_app_data == {
            "leader": f"{charm.states.APP}/{number}",
            "credentials-id": secret.id.removeprefix("secret:"),
        }, where
        assert state.app_status == testing.ActiveStatus(), where
    settings = expected(charm, number, system, state)
    if settings is None:
        assert state.unit_status.name in ("waiting", "blocked"), where
        return False
    assert (system.settings or {}).items() >= settings.items(), where
    assert (read_by_the_workload(system) or {}).items() >= settings.items(), where
    assert secret and secret.tracked_content == secret.latest_content, where
    bad = state.config.get("log-level", "info") not in LOG_LEVELS
    assert state.unit_status.name == ("blocked" if bad else "active"), where
    return True

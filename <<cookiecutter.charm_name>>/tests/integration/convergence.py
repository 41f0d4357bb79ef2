# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""What the units say of their leader, and whether they agree: no Juju in here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping


@dataclasses.dataclass(frozen=True)
class View:
    """What one unit answered to show-leadership."""

    unit: str
    leader: str
    is_leader: bool
    fingerprint: str
    configured: bool

    @classmethod
    def parse(cls, unit: str, results: Mapping[str, object]) -> View:
        """Parse the action's results.

        Raises:
            KeyError: if a result is missing.
        """
        return cls(
            unit=unit,
            leader=str(results["leader"]),
            is_leader=str(results["is-leader"]) == "true",
            fingerprint=str(results["credentials-fingerprint"]),
            configured=str(results["workload-configured"]) == "true",
        )


def only_leader(leads: Mapping[str, bool]) -> str | None:
    """Return the unit that leads, or None while there is none or more than one."""
    leaders = [unit for unit, is_leader in leads.items() if is_leader]
    return leaders[0] if len(leaders) == 1 else None


def problems(views: Iterable[View], leader: str) -> list[str]:
    """Say, a line each, how the units are not yet in line with their leader.

    Args:
        views: What every unit of the application answered.
        leader: The unit that Juju says leads.

    Returns:
        No lines if every unit names the leader, only the leader takes itself for it, and every
        workload is configured with the leader and the same credentials.
    """
    views = list(views)
    found = [] if views else ["no unit answered"]
    for view in views:
        if view.leader != leader:
            found.append(f"{view.unit} names {view.leader or 'nobody'}, not {leader}")
        if view.is_leader != (view.unit == leader):
            verb = "takes" if view.is_leader else "doesn't take"
            found.append(f"{view.unit} {verb} itself for the leader")
        if not view.fingerprint:
            found.append(f"{view.unit} has no credentials")
        if not view.configured:
            found.append(f"{view.unit} has not configured its workload")
    if len({view.fingerprint for view in views}) > 1:
        held = ", ".join(f"{view.unit}: {view.fingerprint}" for view in views)
        found.append(f"the units hold different credentials ({held})")
    return found

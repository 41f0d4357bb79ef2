# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""What Juju and the units say, and whether it is what it should be: no Juju in here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping


@dataclasses.dataclass(frozen=True)
class Unit:
    """What juju status says of a unit."""

    name: str
    leads: bool
    status: str
    message: str
    agent: str


@dataclasses.dataclass(frozen=True)
class View:
    """What a unit answered to show-leadership."""

    unit: str
    leader: str
    address: str
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
            address=str(results["leader-address"]),
            is_leader=str(results["is-leader"]) == "true",
            fingerprint=str(results["credentials-fingerprint"]),
            configured=str(results["workload-configured"]) == "true",
        )


class LastingErrors:
    """Tells a unit that stays in error from one that recovers.

    A unit recovers when Juju repeats its hook, or Kubernetes restarts its container after a while.

    Args:
        patience: For how many seconds a unit may be in error.
    """

    def __init__(self, patience: float):
        self._patience = patience
        self._since: dict[str, float] = {}

    def find(self, units: Iterable[Unit], now: float) -> list[str]:
        """Say, a line each, which units have been in error for too long."""
        broken = {unit.name: unit for unit in units if unit.status == "error"}
        self._since = {name: self._since.get(name, now) for name in broken}
        return [
            f"{name} has been in error for {now - since:.0f} s: {broken[name].message}"
            for name, since in self._since.items()
            if now - since > self._patience
        ]


def only_leader(units: Iterable[Unit]) -> str | None:
    """Return the unit that leads, or None while there is none or more than one."""
    leaders = [unit.name for unit in units if unit.leads]
    return leaders[0] if len(leaders) == 1 else None


def not_settled(units: Iterable[Unit]) -> list[str]:
    """Say, a line each, which units aren't active with nothing left to do."""
    return [
        f"{unit.name} is {unit.status}, {unit.agent}: {unit.message}"
        for unit in units
        if (unit.status, unit.agent) != ("active", "idle")
    ]


def not_converged(views: Iterable[View], leader: str) -> list[str]:
    """Say, a line each, how the units have not yet converged on their leader.

    Args:
        views: What every unit of the application answered.
        leader: The unit that Juju says leads.

    Returns:
        No lines if every unit names the leader and one address of it, only the leader claims
        leadership, and every workload is configured with the same credentials.
    """
    views = list(views)
    found = [] if views else ["no unit answered"]
    for view in views:
        if view.leader != leader:
            found.append(f"{view.unit} names {view.leader or 'nobody'}, not {leader}")
        if view.is_leader != (view.unit == leader):
            verb = "claims" if view.is_leader else "doesn't claim"
            found.append(f"{view.unit} {verb} leadership")
        if not view.address:
            found.append(f"{view.unit} has no address of the leader")
        if not view.fingerprint:
            found.append(f"{view.unit} has no credentials")
        if not view.configured:
            found.append(f"{view.unit} has not configured its workload")
    for what in ("address", "fingerprint"):
        held = {view.unit: getattr(view, what) for view in views}
        if len(set(held.values())) > 1:
            found.append(f"the units differ in {what}: {held}")
    return found

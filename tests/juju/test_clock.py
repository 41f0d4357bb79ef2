"""Does the simulation's time pass when it should, and stand still when it should?"""

from __future__ import annotations

import threading
import time

import pytest

from tests.simulation import model

LONG = 3600.0  # Seconds that no test could wait for real.


@pytest.fixture
def juju() -> model.Model:
    """Return a model of a unit whose agent is idle."""
    juju = model.Model("app")
    unit = juju.add_unit()
    unit.ran |= {"install", "peers-relation-created", "start"}
    unit.configs = 0
    unit.leads = True
    juju.agent_found(unit)
    unit.waiting = True
    return juju


def test_it_jumps_to_what_is_due_while_somebody_waits(juju: model.Model):
    seen = []
    juju.clock.at(LONG, lambda: seen.append(juju.clock.now))
    juju.clock.at(2 * LONG, lambda: seen.append(juju.clock.now))

    with juju.changed:
        waited = juju.clock.wait(3 * LONG, lambda: bool(seen))

    assert waited
    assert seen == [LONG] == [juju.clock.now]


def test_a_wait_ends_in_time(juju: model.Model):
    with juju.changed:
        assert not juju.clock.wait(LONG)

    assert juju.clock.now == LONG


@pytest.mark.parametrize("busy", ["a hook is due", "an agent starts", "a pod is replaced"])
def test_it_stands_still_while_somebody_has_work_to_do(juju: model.Model, busy: str):
    """Until the work is done, which takes real time."""
    (unit,) = juju.units.values()
    held = juju.clock.held()
    with juju.changed:
        if busy == "a hook is due":
            unit.configs = 1
        elif busy == "an agent starts":
            unit.starting = True
        else:
            held.__enter__()

    def work() -> None:
        time.sleep(0.3)
        with juju.changed:
            times.append(juju.clock.now)
            if busy == "a pod is replaced":
                held.__exit__(None, None, None)
            unit.configs, unit.starting = 0, False

    times: list[float] = []
    worker = threading.Thread(target=work)
    worker.start()
    with juju.changed:
        juju.clock.wait(LONG)
    worker.join()

    assert times == [0]
    assert juju.clock.now == LONG


def test_a_client_sees_each_quiet_state_before_time_jumps(juju: model.Model):
    """It sleeps a second between two looks."""
    times = []
    for due in (60, 200):
        juju.clock.at(due)
    with juju.changed:
        for _ in range(7):
            juju.clock.sleep(1)
            times.append(juju.clock.now)

    # What happens is looked at once more before the next jump, and when nothing is due any more,
    # time goes on in steps.
    assert times == [1, 60, 61, 200, 201, 206, 211]


def test_a_lost_agents_lease_ends_after_a_minute(juju: model.Model):
    (unit,) = juju.units.values()
    juju.agent_lost(unit)
    leaders = []
    for seconds in (59, 1):
        juju.clock.advance(seconds)
        leaders.append(juju.leader)

    assert leaders == [unit.name, None]

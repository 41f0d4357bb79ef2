"""Is the packed charm right after what only a model can play: lost events, late commits?

The cases share a deployment of each substrate, since each dispatch takes its time. Each of them
begins and ends with units that are all in line with one leader.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.simulation import controller, hosts, model
from tests.support import baking, packing
from tools import matrix

APP = baking.CHARM_NAME
# The cases of a substrate are run by one process, which deploys for all of them.
SUBSTRATES = {
    substrate: pytest.param(substrate, marks=pytest.mark.xdist_group(f"rare cases {substrate}"))
    for substrate in matrix.CHOICES["substrate"]
}


@pytest.fixture(scope="module", params=SUBSTRATES.values())
def running(
    request: pytest.FixtureRequest,
    packer: packing.Packer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[controller.Controller]:
    """Return two units of a substrate, which are in line with their leader."""
    hosts.skip_without_pebble(request.param)
    variant = next(v for v in matrix.functional() if v["substrate"] == request.param)
    folder = tmp_path_factory.mktemp(request.param)
    python = packing.python(variant["base"])
    with controller.Controller(folder, packer.pack(variant), python, model.Model(APP)) as deployed:
        for _ in range(2):
            add(deployed)
        deployed.dispatch_all()
        yield deployed


@pytest.fixture
def juju(running: controller.Controller) -> Iterator[model.Model]:
    """Return the model, and check before and after a case that all is well."""
    check(running)
    (secret,) = running.juju.secrets
    timing = running.juju.timing
    yield running.juju
    running.before_commit = lambda: None
    running.juju.timing, running.juju.departs, running.juju.breaks_peers = timing, True, None
    while len(running.juju.units) < 2:
        add(running)
    running.dispatch_all()
    check(running)
    assert set(running.juju.secrets) == {secret}


def add(running: controller.Controller) -> model.Unit:
    """Add a unit, and start what it runs on but for its agent."""
    unit = running.add_unit()
    running.start_without_agent(unit)
    running.juju.claim(unit)
    return unit


def leader(juju: model.Model) -> model.Unit:
    """Return the unit that leads."""
    return juju.units[str(juju.leader)]


def follower(juju: model.Model) -> model.Unit:
    """Return the unit that doesn't lead."""
    return next(unit for unit in juju.units.values() if not juju.is_leader(unit))


def check(running: controller.Controller) -> None:
    """Check that one leader is followed by all, with the newest credentials."""
    juju = running.juju
    (secret,) = juju.secrets.values()
    content = secret.revisions[secret.latest]
    assert juju.databag["leader"] == juju.leader
    assert secret.id in juju.databag["credentials-id"]
    assert juju.status == ("active", "")
    assert set(secret.revisions) == {secret.latest}
    for unit in juju.units.values():
        written = running.settings(unit)
        assert unit.status == ("active", ""), unit.name
        assert written["leader"] == juju.leader, unit.name
        assert written["leads"] == juju.is_leader(unit), unit.name
        assert {key: written[key] for key in content} == content, unit.name


def depose(running: controller.Controller) -> None:
    """Let the leader's lease end while its agent is away, and another unit lead."""
    juju = running.juju
    old, new = leader(juju), follower(juju)
    juju.agent_lost(old)
    juju.clock.advance(juju.timing.lease)
    juju.claim(new)
    before, running.before_commit = running.before_commit, lambda: None
    running.dispatch_all()
    running.before_commit = before


def let_last_lead(running: controller.Controller) -> model.Unit:
    """Let the unit lead that Kubernetes removes first, and return it."""
    juju = running.juju
    last = max(juju.units.values(), key=lambda unit: unit.number)
    if not juju.is_leader(last):
        old = leader(juju)
        depose(running)
        bring_back(juju, old)
        running.dispatch_all()
    return last


def bring_back(juju: model.Model, unit: model.Unit) -> None:
    """Let a unit's agent be there again; no process stands for it, so it is never busy."""
    juju.agent_found(unit)
    unit.waiting = True


def dispatch_all_of(running: controller.Controller, unit: model.Unit) -> None:
    """Dispatch until a unit has nothing left to run."""
    while (hook := running.juju.next_hook(unit)) is not None:
        succeeded, output = running.dispatch(unit, hook)
        assert succeeded, (hook.name, output, running.juju.log)


@pytest.mark.parametrize("events", ["all", "few"])
def test_the_leader_is_removed(running: controller.Controller, juju: model.Model, events: str):
    """It leads in its last hooks, and leaves the application's status alone.

    peers-relation-broken may be skipped, and the others may get no peers-relation-departed, so
    that they go on listing it: https://github.com/juju/juju/issues/23326
    """
    juju.breaks_peers = juju.departs = events == "all"
    old = let_last_lead(running)
    new = follower(juju)
    statuses, databag, began = set(), dict(juju.databag), len(juju.history)

    juju.remove(old)
    while (hook := juju.next_hook(old)) is not None:
        assert running.dispatch(old, hook)[0], juju.log
        statuses.add(juju.status)
    juju.remove_unit(old)
    kept = dict(juju.databag)
    juju.claim(new)
    running.dispatch_all()

    ran = [hook for unit, hook in juju.history[began:] if unit == old.name]
    assert ("peers-relation-broken" in ran) == (events == "all")
    assert ran[-2:] == ["stop", "remove"]
    assert (old.name in new.peers) == (events == "few")
    assert statuses == {("active", "")}
    assert kept == databag
    check(running)


def test_secret_changed_comes_late(running: controller.Controller, juju: model.Model):
    """Until then the follower goes on with what it has."""
    juju.timing = model.Timing(secret_changed=8)
    (secret,) = juju.secrets.values()
    old = secret.revisions[secret.latest]["password"]

    rotated = running.act(leader(juju), "rotate-credentials")
    running.dispatch_all()
    meanwhile = running.settings(follower(juju))["password"]
    statuses = {unit.status for unit in juju.units.values()}
    juju.clock.advance(8)
    running.dispatch_all()

    assert rotated.status == "completed"
    assert meanwhile == old
    assert statuses == {("active", "")}
    check(running)


def test_an_agent_freezes_in_a_hook_until_another_unit_leads(
    running: controller.Controller, juju: model.Model
):
    """Nothing of what the hook wrote is committed, and the unit follows."""
    old = leader(juju)
    (secret,) = juju.secrets.values()
    revisions, began = dict(secret.revisions), juju.clock.now

    running.before_commit = lambda: depose(running)
    succeeded, _ = running.dispatch(old, secret.rotate_hook())
    running.before_commit = lambda: None
    taken = juju.clock.now - began
    bring_back(juju, old)
    juju.clock.advance(juju.timing.retry)
    running.dispatch_all()

    assert not succeeded
    assert secret.revisions == revisions
    if running.is_kubernetes:
        # Kubernetes goes on refusing the content for minutes.
        assert "is forbidden" in juju.log[-1]
        assert taken >= juju.timing.lease + juju.timing.late_commit
    else:
        assert "is not allowed to manage this secret" in juju.log[-1]
    assert juju.leader != old.name
    check(running)


def test_a_rotation_is_refused_at_its_commit(running: controller.Controller, juju: model.Model):
    """Though the action returned 0, the password that its workload took is stored nowhere."""
    old = leader(juju)
    (secret,) = juju.secrets.values()
    revisions = dict(secret.revisions)

    running.before_commit = lambda: depose(running)
    action = running.act(old, "rotate-credentials")
    running.before_commit = lambda: None
    bring_back(juju, old)
    running.dispatch_all()

    assert (action.status, action.results["return-code"]) == ("failed", 0)
    assert action.message == "committing requested changes failed"
    assert secret.revisions == revisions
    check(running)


def test_a_lost_unit_comes_back_after_a_rotation(
    running: controller.Controller, juju: model.Model
):
    """Its revision is kept for as long as it is away."""
    lost = follower(juju)
    (secret,) = juju.secrets.values()
    before = secret.latest
    juju.agent_lost(lost)

    running.act(leader(juju), "rotate-credentials")
    running.dispatch_all()
    meanwhile = set(secret.revisions)
    bring_back(juju, lost)
    running.dispatch_all()

    assert meanwhile == {before, before + 1}
    check(running)


def test_install_is_skipped(running: controller.Controller, juju: model.Model):
    """As after ``juju resolved --no-retry``: what comes next makes up for it."""
    juju.remove(let_last_lead(running))
    running.dispatch_all()
    juju.claim(next(iter(juju.units.values())))
    running.dispatch_all()
    unit = add(running)
    unit.failed = juju.next_hook(unit)
    assert unit.failed is not None and unit.failed.name == "install"

    juju.skip(unit)
    running.dispatch_all()

    check(running)


def test_leader_elected_is_skipped(running: controller.Controller, juju: model.Model):
    """The next event makes up for it."""
    old, new = leader(juju), follower(juju)
    juju.agent_lost(old)
    juju.clock.advance(juju.timing.lease)
    juju.claim(new)
    hook = juju.next_hook(new)
    assert hook is not None and hook.name == "leader-elected"
    new.failed = hook

    juju.skip(new)
    running.dispatch_all()
    assert juju.databag["leader"] != new.name
    assert running.dispatch(new, model.Hook("update-status"))[0]
    bring_back(juju, old)
    running.dispatch_all()

    check(running)


KUBERNETES = pytest.mark.parametrize("running", [SUBSTRATES["kubernetes"]], indirect=True)


@KUBERNETES
def test_the_removal_of_a_revision_fails_again_and_again(
    running: controller.Controller, juju: model.Model
):
    """Its content is gone from Kubernetes; what the charm asked for is right nonetheless.

    The unit's other hooks wait until the operator passes over this one.
    """
    unit = leader(juju)
    (secret,) = juju.secrets.values()
    secret.lost.add(secret.latest)
    running.act(unit, "rotate-credentials")
    dispatch_all_of(running, follower(juju))

    failures = []
    for _ in range(3):
        hook = juju.due_hook(unit)
        assert hook is not None
        succeeded, _ = running.dispatch(unit, hook)
        failures.append((hook.name, succeeded, juju.log[-1].partition("ERROR ")[2][:20]))
        juju.clock.advance(juju.timing.retry)
    juju.skip(unit)
    running.dispatch_all()

    assert failures == [("secret-remove", False, "cannot delete secret")] * 3
    secret.revisions.pop(secret.latest - 1)
    check(running)


# Beside what the charm asks of the workload, its check asks for a file of this test.
CHECK = """checks:
  workload:
    override: merge
    period: 100ms
    threshold: 1
    exec: {command: sh -c "test -s %s && test -e /tmp/fine"}
"""


@KUBERNETES
def test_the_workload_s_check_fails_and_recovers(
    running: controller.Controller, juju: model.Model
):
    """The unit waits meanwhile; of the file that is missing, the charm makes another."""
    unit = follower(juju)
    pod = running.hosts[unit.name]
    assert isinstance(pod, hosts.Pod)
    file = running.settings_file
    script = f"""
        touch /tmp/fine
        cat > /tmp/check.yaml <<'END'
{CHECK % file}END
        /charm/bin/pebble add check /tmp/check.yaml && /charm/bin/pebble replan
    """
    run_in_workload(pod, script)

    statuses = []
    for command, up in ((f"rm {file} /tmp/fine", False), ("touch /tmp/fine", True)):
        run_in_workload(pod, command)
        wait_for_check(pod, "up" if up else "down")
        unit.checks = {("workload", "workload"): up}
        began = len(juju.history)
        running.dispatch_all()
        statuses.append((*juju.history[began:], *unit.status))

    waiting = "waiting for the workload's check to succeed"
    assert statuses == [
        ((unit.name, "workload-pebble-check-failed"), "waiting", waiting),
        ((unit.name, "workload-pebble-check-recovered"), "active", ""),
    ]
    check(running)


def run_in_workload(pod: hosts.Pod, script: str) -> str:
    """Run a script in the workload's container, and return what it prints."""
    result = pod.run("sh", "-c", script, container="workload")
    assert result.returncode == 0, result.stdout
    return result.stdout


def wait_for_check(pod: hosts.Pod, status: str) -> None:
    """Wait until Pebble says so of the workload's check."""
    deadline = time.monotonic() + 60
    while f" {status} " not in run_in_workload(pod, "/charm/bin/pebble checks workload"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@KUBERNETES
def test_a_new_unit_has_the_name_of_the_former_leader(
    running: controller.Controller, juju: model.Model
):
    """It reads its own name as the leader's, isn't it, and waits for another one's."""
    highest = let_last_lead(running)
    juju.remove(highest)
    dispatch_all_of(running, highest)
    juju.remove_unit(highest)
    juju.claim(next(iter(juju.units.values())))
    unit = add(running)

    dispatch_all_of(running, unit)
    waiting, meanwhile = unit.status, running.settings(unit)
    running.dispatch_all()

    assert unit.name == highest.name
    assert waiting == ("waiting", "waiting for the new leader to publish itself")
    assert meanwhile == {}
    check(running)

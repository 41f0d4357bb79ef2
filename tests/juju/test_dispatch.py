"""Does the packed charm do its work when dispatched, and does Juju refuse what is wrong?"""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Iterator

import pytest

from tests.simulation import controller, hosts, model
from tests.support import baking, packing, skips
from tools import matrix

# The harness of the integration tests makes no difference to the packed charm.
CHARMS = pytest.mark.parametrize(
    "variant",
    [variant for variant in matrix.functional() if variant["integration_tests"] == "jubilant"],
    ids=matrix.name,
)
# What is asked of Juju and systemd, on the first machine charm.
ANY = pytest.mark.parametrize("variant", matrix.functional()[:1], ids=matrix.name)
LEADER, FOLLOWER = f"{baking.CHARM_NAME}/0", f"{baking.CHARM_NAME}/1"
SERVICE = f"{baking.CHARM_NAME}-workload"
# A charm that doesn't ask before it writes, for each thing that only the leader may write.
GUARDLESS = """
import ops

class Charm(ops.CharmBase):
    def __init__(self, framework):
        super().__init__(framework)
        framework.observe(self.on.update_status, self._on_update_status)

    def _on_update_status(self, event):
        run = ops.hookcmds
        WRITE

ops.main(Charm)
"""
# By what is written: how, and what Juju says to it, at once or at the commit.
REFUSALS = {
    "databag": ("run.relation_set({'leader': 'me'}, 0, app=True)", "cannot write relation"),
    "new secret": ("run.secret_add({'password': 'mine'}, label='other')", "is not the leader"),
    "secret's content": ("run.secret_set(ID, content={'password': 'mine'})", "is not allowed"),
    "secret's revision": ("run.secret_remove(ID, revision=1)", "is not allowed"),
    "secret's metadata": ("run.secret_info_get(label='credentials')", "not found"),
    "status": ("run.status_set('active', app=True)", "is not the leader"),
}


@pytest.fixture
def deployed(
    variant: matrix.Variant, packer: packing.Packer, tmp_path: pathlib.Path
) -> Iterator[controller.Controller]:
    """Return two units, of which the first leads, without agents and with nothing dispatched."""
    hosts.skip_without_pebble(variant["substrate"])
    juju = model.Model(baking.CHARM_NAME)
    python = packing.python(variant["base"])
    with controller.Controller(tmp_path, packer.pack(variant), python, juju) as running:
        juju.claim(running.add_unit())
        running.add_unit()
        yield running


def start(running: controller.Controller) -> tuple[model.Unit, model.Unit]:
    """Run all hooks of a deployment, and return the leader and the follower."""
    leader, follower = running.juju.units.values()
    for unit in (leader, follower):
        running.start_without_agent(unit)
    running.dispatch_all()
    return leader, follower


def workload_runs(host: hosts.Host) -> bool:
    """Whether the workload's service is started, now and whenever the host starts."""
    if isinstance(host, hosts.Machine):
        service = host.service(SERVICE)
        return (service["UnitFileState"], service["ActiveState"]) == ("enabled", "active")
    assert isinstance(host, hosts.Pod)
    return "workload enabled active" in host.workload_services()


def edit(running: controller.Controller, unit: model.Unit, write: str) -> None:
    """Put a charm that writes without asking in the place of the unit's."""
    source = running.hosts[unit.name].charm / "src" / "charm.py"
    source.write_text(GUARDLESS.replace("WRITE", write))


@CHARMS
def test_leader_and_follower_agree_and_rotate(deployed: controller.Controller):
    """The life of two units, told in one piece, since each dispatch takes its time."""
    # A deployment: the follower reads what the leader wrote.
    leader, follower = start(deployed)
    ((id_, secret),) = deployed.juju.secrets.items()
    first = secret.revisions[1]
    assert deployed.juju.databag == {"leader": LEADER, "credentials-id": id_}
    # Written once, at the election: each unit gets an event for that and one for its peer.
    assert deployed.juju.databag_version == 1
    for unit in (LEADER, FOLLOWER):
        assert deployed.juju.history.count((unit, "peers-relation-changed")) == 2
    assert {unit.status for unit in (leader, follower)} == {("active", "")}
    assert deployed.juju.status == ("active", "")
    name = f"{baking.CHARM_NAME}-0.{baking.CHARM_NAME}-endpoints"
    expected = {
        "leader": LEADER,
        "leader_address": name if deployed.is_kubernetes else leader.address,
        "planned_units": 2,
        "log_level": "info",
        **first,
    }
    for unit in (leader, follower):
        own = {"unit": unit.name, "leads": unit is leader}
        assert deployed.settings(unit) == expected | own
        assert deployed.hosts[unit.name].mode(deployed.settings_file) == 0o600
        assert workload_runs(deployed.hosts[unit.name])

    # The action: refused on the follower, and applied by both once the leader has run it.
    refused = deployed.act(follower, "rotate-credentials")
    before = deployed.act(follower, "show-leadership").results
    rotated = deployed.act(leader, "rotate-credentials")
    deployed.dispatch_all()
    after = deployed.act(follower, "show-leadership").results
    assert refused.status == "failed"
    assert f"juju run {baking.CHARM_NAME}/leader rotate-credentials" in refused.message
    assert rotated.status == "completed"
    assert before["credentials-fingerprint"] != after["credentials-fingerprint"]
    assert rotated.results == after | {"is-leader": "true"}
    assert after["workload-configured"] == "true"
    # No unit tracks the first revision any more, and the leader has removed it.
    assert set(secret.revisions) == {2}
    second = secret.revisions[2]
    for unit in (leader, follower):
        assert deployed.settings(unit)["password"] == second["password"]

    # secret-rotate: a stale one on the follower does nothing.
    assert deployed.dispatch(follower, secret.rotate_hook())[0]
    assert secret.latest == 2
    assert deployed.dispatch(leader, secret.rotate_hook())[0]
    assert secret.latest == 3

    # No password is anywhere but in the secret and in the workload's configuration.
    said = [deployed.log.read_text(), *deployed.juju.log, str(deployed.juju.databag)]
    said += [str(item) for item in (before, after, rotated, leader.status, follower.status)]
    passwords = [content["password"] for content in (first, second, secret.revisions[3])]
    assert [password for password in passwords if password in "".join(said)] == []


@ANY
def test_a_follower_that_writes_unasked_fails(deployed: controller.Controller):
    """What the leader may write, Juju refuses to a follower, and nothing is left of it."""
    leader, follower = start(deployed)
    ((id_, secret),) = deployed.juju.secrets.items()
    before = (dict(deployed.juju.databag), dict(secret.revisions), deployed.juju.status)

    for written, (write, reason) in REFUSALS.items():
        edit(deployed, follower, write.replace("ID", repr(f"secret:{id_}")))

        deployed.juju.log.clear()
        succeeded, _ = deployed.dispatch(follower, model.Hook("update-status"))

        assert not succeeded, written
        assert reason in deployed.juju.log[0], (written, deployed.juju.log)
        assert before == (deployed.juju.databag, secret.revisions, deployed.juju.status), written
        assert set(deployed.juju.secrets) == {id_}, written


@ANY
def test_writes_are_committed_only_when_the_hook_succeeds(deployed: controller.Controller):
    leader, _ = start(deployed)
    before = dict(deployed.juju.databag)
    write = "run.relation_set({'a': 'b'}, 0, app=True)"

    edit(deployed, leader, f"{write}; raise SystemExit(1)")
    failed, _ = deployed.dispatch(leader, model.Hook("update-status"))
    after_failure = dict(deployed.juju.databag)
    edit(deployed, leader, write)
    succeeded, _ = deployed.dispatch(leader, model.Hook("update-status"))

    assert (failed, succeeded) == (False, True)
    assert after_failure == before
    assert deployed.juju.databag == before | {"a": "b"}


@ANY
def test_a_refused_commit_fails_the_hook_and_its_repetition_succeeds(
    deployed: controller.Controller,
):
    """Leadership is gone when the hook has ended; no charm can see that, and Juju repeats it."""
    juju = deployed.juju
    leader = next(iter(juju.units.values()))
    for hook in ("install", "peers-relation-created"):
        juju.lease_runs_out()
        pending = juju.next_hook(leader)
        assert pending is not None and pending.name == hook
        assert deployed.dispatch(leader, pending)[0]
    juju.claim(leader)
    election = juju.next_hook(leader)
    assert election is not None and election.name == "leader-elected"

    deployed.before_commit = juju.lease_runs_out
    succeeded, _ = deployed.dispatch(leader, election)

    assert not succeeded
    assert juju.log[-1].endswith("checking lease token: lease not held")
    assert (juju.databag, juju.secrets) == ({}, {})
    deployed.before_commit = lambda: None
    juju.claim(leader)
    juju.clock.advance(juju.timing.retry)
    deployed.dispatch_all()
    assert juju.databag["leader"] == leader.name
    assert len(juju.secrets) == 1


@ANY
def test_removal_leaves_nothing_on_the_machine(deployed: controller.Controller):
    leader, follower = start(deployed)

    follower.dying = True
    deployed.dispatch_all()

    host = deployed.hosts[follower.name]
    assert isinstance(host, hosts.Machine)
    assert host.run("test", "-e", f"/etc/{SERVICE}").returncode == 1
    assert host.read(f"/etc/systemd/system/{SERVICE}.service") is None
    assert host.service(SERVICE)["ActiveState"] == "inactive"


@ANY
def test_systemd_accepts_the_unit_file(deployed: controller.Controller):
    if not shutil.which("systemd-analyze"):
        pytest.skip(skips.NO_SYSTEMD_ANALYZE)
    leader = next(iter(deployed.juju.units.values()))
    assert deployed.dispatch(leader, model.Hook("install"))[0]
    path = f"/etc/systemd/system/{SERVICE}.service"

    result = deployed.hosts[LEADER].run("systemd-analyze", "verify", "--man=no", path)

    assert (result.returncode, result.stdout) == (0, "")

"""Does a real workload, redis, follow the leader live, and what does its client lose?"""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Callable

import pytest

from tests.redis import cluster, example
from tests.simulation import controller, hosts, model
from tests.support import baking, packing, skips
from tools import matrix

VARIANTS = pytest.mark.parametrize(
    "variant",
    [
        variant
        for variant in matrix.functional()
        if (variant["base"], variant["integration_tests"]) == ("ubuntu@24.04", "jubilant")
    ],
    ids=matrix.name,
)


@VARIANTS
def test_its_client_loses_only_what_redis_was_told_to_risk(
    variant: matrix.Variant,
    tmp_path: pathlib.Path,
    record_property: Callable[[str, object], None],
):
    """One deployment plays all, and each part ends with replicas that are linked to the leader."""
    if not shutil.which("redis-server"):
        pytest.skip(skips.NO_REDIS)
    if problem := packing.problem():
        pytest.skip(problem)
    hosts.skip_without_pebble(variant["substrate"])
    if variant["substrate"] == "machine" and os.geteuid():
        pytest.skip(skips.NOT_ROOT)
    charm = baking.bake(variant, tmp_path / "baked")
    example.put_redis_in(charm, variant)
    packed = packing.pack(charm, tmp_path / "packed" / "project", variant["base"])
    python = packing.python(variant["base"])
    juju = model.Model(baking.CHARM_NAME)
    with controller.Controller(tmp_path / "units", packed, python, juju) as running:
        redis = cluster.Cluster(running, tmp_path)
        redis.add(3)
        rows = [rotation(redis), failover(redis), failover_without_fence(redis)]
        rows.append(one_unit_and_back(redis))
        if variant["substrate"] == "machine":
            rows += [failover(redis, rotates=True), removed_leader(redis)]
        else:
            rows += [one_unit_and_not_told(redis), failover(redis, rotates=True)]
            rows.append(replaced_pod(redis))
    record_property("table", cluster.render(f"redis, {variant['substrate']}", rows))


def rotation(redis: cluster.Cluster) -> cluster.Row:
    """Rotate the credentials."""
    row = cluster.Row("rotation")
    with redis.written(row):
        redis.rotate(redis.leader)
    assert (row.restarts, row.lost) == (0, 0), row
    return row


def failover(redis: cluster.Cluster, *, rotates: bool = False) -> cluster.Row:
    """Keep the leader's agent stopped, whose redis goes on until its replicas have left.

    Args:
        redis: The units.
        rotates: Whether the new leader rotates meanwhile, so that the old one keeps the password.
    """
    name = "rotation during a failover" if rotates else "failover, the old leader's redis runs on"
    row, old = cluster.Row(name), redis.leader
    with redis.written(row) as writes:
        with redis.agent_stopped(old):
            left = redis.wait_for_links(row, old)
            if rotates:
                redis.rotate(redis.leader)
            writes.go_on(by=redis.address(redis.leader))
        row.late = writes.count(by=redis.address(old), since=left)
    assert (row.restarts, row.late) == (0, 0), row
    return row


def failover_without_fence(redis: cluster.Cluster) -> cluster.Row:
    """Show what leadership alone doesn't prevent."""
    row, old = cluster.Row("the same, without the fence"), redis.leader
    with redis.written(row) as writes:
        redis.connect(old)  # A client that leaves it for a moment would find the new leader.
        with redis.agent_stopped(old, without_fence=True):
            left = redis.wait_for_links(row, old)
            writes.go_on(by=redis.address(old))
        redis.settle()
        redis.connect()
        row.late = writes.count(by=redis.address(old), since=left)
    assert row.restarts == 0, row
    assert row.lost >= row.late > 0, row
    return row


def removed_leader(redis: cluster.Cluster) -> cluster.Row:
    """Remove the leader, which stops its redis."""
    row, old = cluster.Row("removed leader"), redis.leader
    with redis.written(row, old):
        redis.remove(old)
    assert (row.restarts, row.lost) == (0, 0), row
    return row


def replaced_pod(redis: cluster.Cluster) -> cluster.Row:
    """Replace the leader's pod, which leads on."""
    row, leader = cluster.Row("replaced pod of the leader"), redis.leader
    with redis.written(row, leader):
        redis.replace_pod(leader)
    assert redis.leader == leader
    assert (row.restarts, row.lost) == (0, 0), row
    return row


def one_unit_and_back(redis: cluster.Cluster) -> cluster.Row:
    """Scale to one unit, which has to write without a replica, and back to three."""
    row = cluster.Row("to one unit and back to three")
    with redis.written(row, *redis.followers) as writes:
        for follower in reversed(redis.followers):  # As Kubernetes does.
            redis.remove(follower)
        redis.settle()
        assert redis.fence(redis.leader) == "0"
        writes.go_on(by=redis.address(redis.leader))
        redis.add(2)
        assert redis.fence(redis.leader) == "1"
    assert (row.restarts, row.lost) == (0, 0), row
    return row


def one_unit_and_not_told(redis: cluster.Cluster) -> cluster.Row:
    """Scale to one unit that gets no peers-relation-departed, until update-status mends it."""
    row = cluster.Row("the same, and update-status alone tells the last unit")
    with redis.written(row, *redis.followers) as writes:
        redis.set_departs(False)
        for follower in reversed(redis.followers):
            redis.remove(follower)
        redis.settle()
        assert redis.fence(redis.leader) == "1"
        redis.update_status(redis.leader)
        assert redis.fence(redis.leader) == "0"
        writes.go_on(by=redis.address(redis.leader))
        redis.set_departs(True)
        redis.settle()
        redis.add(2)
        assert redis.fence(redis.leader) == "1"
    assert (row.restarts, row.lost) == (0, 0), row
    return row

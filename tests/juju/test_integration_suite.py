"""Do the generated integration tests pass, unedited, and what does their failover cost?"""

from __future__ import annotations

import pathlib

import pytest

from tests.simulation import model, releases, suite
from tests.support import baking, matrix, packing

TESTS = {
    "test_deploy",
    "test_every_unit_follows_the_leader",
    "test_rotation_reaches_every_unit",
    "test_rotation_is_refused_on_a_follower",
    "test_refresh_keeps_the_secret",
    "test_failover",
}
MACHINE_TESTS = {"test_failover_by_removal"}
# On each Juju that the harness works with. The base makes no difference to the tests; charms of
# every base are dispatched elsewhere.
RUNS = [
    pytest.param(variant, channel, id=f"{matrix.name(variant)}-juju-{channel.split('/')[0]}")
    for variant in matrix.functional()
    if variant["base"] == matrix.CHOICES["base"][0]
    for channel in matrix.JUJU_CHANNELS[variant["integration_tests"]]
]


@pytest.mark.parametrize("variant,channel", RUNS)
def test_they_pass(
    variant: matrix.Variant,
    channel: str,
    packer: packing.Packer,
    tmp_path: pathlib.Path,
    tox_folder: pathlib.Path,
):
    juju = model.Model(baking.CHARM_NAME, release=releases.BY_CHANNEL[channel])

    result = suite.Suite(variant, packer, tmp_path, tox_folder).run(juju)

    is_machine = variant["substrate"] == "machine"
    tests = TESTS | (MACHINE_TESTS if is_machine else set())
    assert result.tests == dict.fromkeys(tests, "passed"), result.output
    # A failover costs one leader-elected, and a peers-relation-changed for every unit that is
    # there, the new leader included; the old one gets it when it is back.
    elections = [i for i, (_, hook) in enumerate(result.history) if hook == "leader-elected"]
    assert len(elections) == (3 if is_machine else 2)
    hooks = [hook for _, hook in result.history[elections[1] :]]
    assert hooks.count("peers-relation-changed") == (3 + 2 if is_machine else 3)

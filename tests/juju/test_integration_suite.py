"""Do the generated integration tests pass, unedited, and what does their failover cost?"""

from __future__ import annotations

import pathlib

import pytest

from tests.simulation import model, suite
from tests.support import baking, matrix, packing

TESTS = {
    "test_deploy",
    "test_every_unit_follows_the_leader",
    "test_rotation_reaches_every_unit",
    "test_rotation_is_refused_on_a_follower",
    "test_refresh_keeps_leader_and_secret",
    "test_failover",
}
# The base makes no difference to the tests; charms of every base are dispatched elsewhere.
VARIANTS = [
    variant for variant in matrix.functional() if variant["base"] == matrix.CHOICES["base"][0]
]


@pytest.mark.parametrize("variant", VARIANTS, ids=matrix.name)
def test_they_pass(
    variant: matrix.Variant,
    packer: packing.Packer,
    tmp_path: pathlib.Path,
    tox_folder: pathlib.Path,
):
    juju = model.Model(baking.CHARM_NAME)

    result = suite.Suite(variant, packer, tmp_path, tox_folder).run(juju)

    assert result.tests == dict.fromkeys(TESTS, "passed"), result.output
    # The failover costs as many events as there are units: one leader-elected, and
    # peers-relation-changed for every other unit that is left. Nothing else stops a unit.
    stopped = next(i for i, (_, hook) in enumerate(result.history) if hook == "stop")
    hooks = [hook for _, hook in result.history[stopped:]]
    left = 3 if variant["substrate"] == "kubernetes" else 2
    assert hooks.count("leader-elected") == 1
    assert hooks.count("peers-relation-changed") == left - 1

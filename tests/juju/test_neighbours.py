"""Do two applications of one charm on one machine leave each other alone?"""

from __future__ import annotations

import pathlib

import pytest

from tests.simulation import controller, hosts, model
from tests.support import packing
from tools import matrix

APPS = ("some", "other")
ANY = pytest.mark.parametrize("variant", matrix.functional()[:1], ids=matrix.name)


def running(machine: hosts.Host, app: str) -> tuple[str, ...]:
    """Return what differs for each process of an application's service, and its files."""
    assert isinstance(machine, hosts.Machine)
    service = machine.service(f"{app}-workload")
    files = [machine.read(f"/etc/{app}-workload/{name}.json") for name in ("workload", "applied")]
    return service["ActiveState"], service["MainPID"], *map(str, files)


@ANY
def test_they_share_nothing(
    variant: matrix.Variant, packer: packing.Packer, tmp_path: pathlib.Path
):
    packed, python = packer.pack(variant), packing.python(variant["base"])
    some, other = map(model.Model, APPS)
    with (
        controller.Controller(tmp_path / "some", packed, python, some) as first,
        controller.Controller(tmp_path / "other", packed, python, other, beside=first) as second,
    ):
        for deployed in (first, second):
            deployed.juju.claim(deployed.add_unit())
            deployed.dispatch_all()
        machine = first.hosts["some/0"]
        before = running(machine, "some")
        assert before[0] == "active"
        assert running(machine, "other")[0] == "active"

        # Neither an event nor the end of one touches the other.
        for hook in ("update-status", "stop", "remove"):
            assert second.dispatch(other.units["other/0"], model.Hook(hook))[0]
            assert running(machine, "some") == before
        assert first.dispatch(some.units["some/0"], model.Hook("update-status"))[0]

        assert running(machine, "some") == before
        assert running(machine, "other") == ("inactive", "0", "None", "None")

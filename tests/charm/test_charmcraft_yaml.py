"""Does charmcraft itself accept the charmcraft.yaml of every variant?"""

from __future__ import annotations

import pytest
import yaml
from charmcraft.models import project

from tests.support import baking, parameters
from tools import matrix


# charmcraft reads a field of its own that it deprecates.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:charmcraft")
@parameters.FUNCTIONAL
def test_charmcraft_accepts_it(baker: baking.Baker, variant: matrix.Variant):
    text = (baker.bake(variant) / "charmcraft.yaml").read_text()

    charm = project.CharmcraftProject.unmarshal(yaml.safe_load(text))

    assert isinstance(charm, project.PlatformCharm)
    assert charm.base == variant["base"]
    assert set(charm.peers or {}) == {"peers"}
    assert set(charm.actions or {}) == {"rotate-credentials", "show-leadership"}
    kubernetes = variant["substrate"] == "kubernetes"
    assert set(charm.containers or {}) == ({"workload"} if kubernetes else set())
    assert charm.charm_user == ("non-root" if kubernetes else None)
    assert set(charm.resources or {}) == ({"workload-image"} if kubernetes else set())

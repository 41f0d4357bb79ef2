"""What many tests are parametrized over; the ids select a variant's tests, as CI's jobs do."""

from __future__ import annotations

import pytest

from tests.support import matrix

FUNCTIONAL = pytest.mark.parametrize("variant", matrix.functional(), ids=matrix.name)
EVERY = pytest.mark.parametrize("variant", matrix.every(), ids=matrix.name)
SUBSTRATES = pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])

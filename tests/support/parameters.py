"""What many tests are parametrized over; the ids select a variant's tests, as CI's jobs do."""

from __future__ import annotations

import pytest

from tools import matrix

FUNCTIONAL = pytest.mark.parametrize("variant", matrix.functional(), ids=matrix.name)
EVERY = pytest.mark.parametrize("variant", matrix.every(), ids=matrix.name)
SUBSTRATES = pytest.mark.parametrize("substrate", matrix.CHOICES["substrate"])


def join(value: str | list[str]) -> str:
    """Return an id for a parameter that is a name or some names."""
    return value if isinstance(value, str) else ", ".join(value)

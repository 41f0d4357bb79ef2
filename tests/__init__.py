"""The template's own tests: a file per question."""

import pytest

# So that an assertion in a helper says what it compared, as one in a test does.
pytest.register_assert_rewrite("tests.support", "tests.simulation", "tests.redis")

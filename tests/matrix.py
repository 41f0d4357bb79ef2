"""Every variant of the charm, from cookiecutter.json, the one place that lists the choices."""

from __future__ import annotations

import functools
import itertools
import json
import pathlib
import re
from collections.abc import Iterator

TEMPLATE = pathlib.Path(__file__).parents[1]
CONTEXT: dict[str, object] = json.loads((TEMPLATE / "cookiecutter.json").read_text())
CHOICES: dict[str, list[str]] = {
    key: value
    for key, value in CONTEXT.items()
    if isinstance(value, list) and not key.startswith("_")
}
# The Python that each base carries, by base.
PYTHONS = dict(re.findall(r"'(ubuntu@[0-9.]+)': '([0-9.]+)'", str(CONTEXT["__python"])))
# Choices that change what the charm does or how it is tested; each combination runs its own tox.
FUNCTIONAL = ("substrate", "base", "integration_tests")

Variant = dict[str, str]


def product(*questions: str) -> Iterator[Variant]:
    """Combine every choice of these questions."""
    for values in itertools.product(*(CHOICES[question] for question in questions)):
        yield dict(zip(questions, values, strict=True))


def is_refused(variant: Variant) -> bool:
    """Whether the pre_gen hook refuses the combination; tests/test_refusals.py compares them."""
    return variant["integration_tests"] == "pytest-operator" and variant["base"] == "ubuntu@26.04"


def name(variant: Variant) -> str:
    """Name a variant for a person, such as machine-24.04-jubilant."""
    return "-".join(value.removeprefix("ubuntu@") for value in variant.values())


def every() -> list[Variant]:
    """Return every variant that bakes."""
    return [variant for variant in product(*CHOICES) if not is_refused(variant)]


def refused() -> list[Variant]:
    """Return every combination of functional choices that the template refuses."""
    return [variant for variant in product(*FUNCTIONAL) if is_refused(variant)]


@functools.cache
def functional() -> tuple[Variant, ...]:
    """Return every variant that bakes and whose charm differs in more than its licence."""
    return tuple(variant for variant in product(*FUNCTIONAL) if not is_refused(variant))


if __name__ == "__main__":
    # The matrix of a GitHub workflow.
    print(json.dumps([{"name": name(variant), **variant} for variant in functional()]))

"""Every variant of the charm, from cookiecutter.json, the one place that lists the choices."""

from __future__ import annotations

import functools
import itertools
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import cast

import answer_rules

TEMPLATE = pathlib.Path(__file__).parents[1]
CHARM = "<<cookiecutter.charm_name>>"  # The folder of what is baked.
CONTEXT: dict[str, object] = json.loads((TEMPLATE / "cookiecutter.json").read_text())
CHOICES: dict[str, list[str]] = {
    key: value
    for key, value in CONTEXT.items()
    if isinstance(value, list) and not key.startswith("_")
}
# The Python that each base carries.
PYTHONS = cast("dict[str, str]", CONTEXT["_pythons"])
# Juju's snap channels that a harness's integration tests run on.
JUJU_CHANNELS = cast("dict[str, list[str]]", CONTEXT["_juju_channels"])
# By reason, the choices that don't work together.
INCOMPATIBLE = answer_rules.INCOMPATIBLE
# Choices that change what the charm does or how it is tested; each combination runs its own tox.
FUNCTIONAL = ("substrate", "base", "integration_tests")

Variant = dict[str, str]


def product(*questions: str) -> Iterator[Variant]:
    """Combine every choice of these questions."""
    for values in itertools.product(*(CHOICES[question] for question in questions)):
        yield dict(zip(questions, values, strict=True))


def is_incompatible(variant: Variant) -> bool:
    """Whether the choices don't work together."""
    return answer_rules.combination_problem(variant) is not None


def name(variant: Variant) -> str:
    """Name a variant for a person, such as machine-24.04-jubilant."""
    return "-".join(value.removeprefix("ubuntu@") for value in variant.values())


def juju(harness: str) -> str:
    """Name the versions of Juju that a harness works with, such as "3.6 and 4"."""
    tracks = [channel.split("/")[0].removesuffix(".0") for channel in JUJU_CHANNELS[harness]]
    return " and ".join(tracks)


def every() -> list[Variant]:
    """Return every variant that bakes."""
    return [variant for variant in product(*CHOICES) if not is_incompatible(variant)]


def incompatible() -> list[Variant]:
    """Return every combination of functional choices that don't work together."""
    return [variant for variant in product(*FUNCTIONAL) if is_incompatible(variant)]


@functools.cache
def functional() -> tuple[Variant, ...]:
    """Return every variant that bakes and whose charm differs in more than its licence."""
    return tuple(variant for variant in product(*FUNCTIONAL) if not is_incompatible(variant))


def jobs() -> list[dict[str, str]]:
    """Return the matrix of a GitHub workflow: a job per variant, on its base's Python."""
    return [
        {"name": name(variant), "python": PYTHONS[variant["base"]], **variant}
        for variant in functional()
    ]


def juju_jobs() -> list[dict[str, str]]:
    """Return the matrix of a GitHub workflow: a job per variant and channel of Juju."""
    return [
        {**job, "juju": channel}
        for job in jobs()
        for channel in JUJU_CHANNELS[job["integration_tests"]]
    ]


def other_tests() -> str:
    """Return pytest's expression (-k) for the tests that no variant's job selects by its name."""
    return f"not ({' or '.join(map(name, functional()))})"


if __name__ == "__main__":
    outputs = {"jobs": jobs, "juju-jobs": juju_jobs, "other-tests": other_tests}
    output = outputs[sys.argv[1] if sys.argv[1:] else "jobs"]()
    print(output if isinstance(output, str) else json.dumps(output))

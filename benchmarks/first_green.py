"""How long from nothing to passing lint and unit tests, beside `charmcraft init`, caches warm?"""

from __future__ import annotations

import functools
import pathlib
import re

from benchmarks import bake, timing
from tools import matrix


def template(substrate: str, command: str, tests: dict[str, int], folder: pathlib.Path) -> None:
    """Bake a charm and run its lint and unit tests."""
    bake.bake(substrate, folder)
    (charm,) = folder.iterdir()
    tests[f"template, {command}"] = count_passed(timing.run(*command.split(), cwd=charm))


def charmcraft(profile: str, tests: dict[str, int], folder: pathlib.Path) -> None:
    """Do what `charmcraft init` tells its user to do, up to the same point."""
    bake.init(profile, folder)
    timing.run("uv", "lock", cwd=folder)
    tests["charmcraft"] = count_passed(timing.run("tox", "-e", "lint,unit", cwd=folder))


def count_passed(output: str) -> int:
    """Read from pytest's last line how many tests passed."""
    return int(re.findall(r"(\d+) passed", output)[-1])


def main() -> None:
    """Print a table for each substrate, with the number of unit tests that passed."""
    for substrate in matrix.CHOICES["substrate"]:
        tests: dict[str, int] = {}
        contenders = {
            "charmcraft": functools.partial(charmcraft, substrate, tests),
            **{
                f"template, {command}": functools.partial(template, substrate, command, tests)
                for command in ("tox", "tox -p -o")
            },
        }
        seconds = timing.median_seconds(contenders, rounds=2)
        named = {
            f"{name}, {substrate}: {tests[name]} tests": value for name, value in seconds.items()
        }
        print(timing.table("first green", named, base=next(iter(named))), end="\n\n")


if __name__ == "__main__":
    main()

"""How long does a bake take beside `charmcraft init`, and how much of it is cookiecutter?"""

from __future__ import annotations

import functools
import pathlib
import sys

from benchmarks import timing
from tests.support import matrix


def bake(substrate: str, folder: pathlib.Path) -> None:
    """Bake a charm as its user would."""
    timing.run(
        "cookiecutter", "--no-input", str(matrix.TEMPLATE), f"substrate={substrate}", cwd=folder
    )


def init(profile: str, folder: pathlib.Path) -> None:
    """Make the charm that charmcraft starts from."""
    timing.run("charmcraft", "init", "--profile", profile, "--name", "my-app", cwd=folder)


def import_cookiecutter(folder: pathlib.Path) -> None:
    """Do what no template can avoid."""
    timing.run(sys.executable, "-c", "import cookiecutter.main", cwd=folder)


def bake_least(folder: pathlib.Path) -> None:
    """Bake a template of one file, the fastest possible template."""
    inner = folder / "least" / "{{cookiecutter.charm_name}}"
    inner.mkdir(parents=True)
    (inner / "README.md").write_text("{{cookiecutter.charm_name}}\n")
    (folder / "least" / "cookiecutter.json").write_text('{"charm_name": "my-app"}')
    timing.run("cookiecutter", "--no-input", "least", cwd=folder)


def main() -> None:
    """Print a table for each substrate."""
    for substrate in matrix.CHOICES["substrate"]:
        initialise = f"charmcraft init --profile {substrate}"
        seconds = timing.median_seconds(
            {
                initialise: functools.partial(init, substrate),
                f"cookiecutter, {substrate}": functools.partial(bake, substrate),
                "cookiecutter, a template of one file": bake_least,
                "import cookiecutter.main": import_cookiecutter,
            },
            rounds=10,
        )
        print(timing.table("bake", seconds, base=initialise), end="\n\n")


if __name__ == "__main__":
    main()

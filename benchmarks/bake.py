"""How much work is a bake above cookiecutter's own floor, and beside `charmcraft init`?"""

from __future__ import annotations

import functools
import json
import pathlib
import shutil
import tempfile

from benchmarks import timing
from tests.support import baking
from tools import matrix


def bake(substrate: str, folder: pathlib.Path) -> None:
    """Bake a charm as its user would."""
    timing.run(
        "cookiecutter", "--no-input", str(matrix.TEMPLATE), f"substrate={substrate}", cwd=folder
    )


def init(profile: str, folder: pathlib.Path) -> None:
    """Make the charm that charmcraft starts from."""
    timing.run("charmcraft", "init", "--profile", profile, "--name", "my-app", cwd=folder)


def bake_least(folder: pathlib.Path) -> None:
    """Bake a template of one file, the fastest possible template."""
    inner = folder / "least" / "{{cookiecutter.charm_name}}"
    inner.mkdir(parents=True)
    (inner / "README.md").write_text("{{cookiecutter.charm_name}}\n")
    (folder / "least" / "cookiecutter.json").write_text('{"charm_name": "my-app"}')
    timing.run("cookiecutter", "--no-input", "least", cwd=folder)


def bake_unchanged(charm: pathlib.Path, folder: pathlib.Path) -> None:
    """Bake a template that asks nothing and whose files are those of a charm, as they are."""
    shutil.copytree(charm, folder / "unchanged" / matrix.CHARM)
    delimiters = "_jinja2_env_vars"
    questions = json.dumps({"charm_name": "my-app", delimiters: matrix.CONTEXT[delimiters]})
    (folder / "unchanged" / "cookiecutter.json").write_text(questions)
    timing.run("cookiecutter", "--no-input", "unchanged", cwd=folder)


def main() -> None:
    """Print the processor time above the least bake, and a table of seconds for each substrate."""
    substrates = matrix.CHOICES["substrate"]
    least = "cookiecutter, a template of one file"
    bakes = {name: functools.partial(bake, name) for name in substrates}
    with tempfile.TemporaryDirectory() as baked:
        unchanged = {
            f"{name}, nothing to fill in": functools.partial(
                bake_unchanged, baking.bake({"substrate": name}, pathlib.Path(baked, name))
            )
            for name in substrates
        }
        work = timing.median_seconds(
            {least: bake_least, **bakes, **unchanged}, 20, timing.processor_time
        )
    print("| processor time of a bake | milliseconds | above |", "|---|---:|---:|", sep="\n")
    for name, seconds in work.items():
        print(f"| {name} | {1000 * seconds:.0f} | {1000 * (seconds - work[least]):.0f} |")
    print()
    for substrate in substrates:
        initialise = f"charmcraft init --profile {substrate}"
        seconds = timing.median_seconds(
            {
                initialise: functools.partial(init, substrate),
                f"cookiecutter, {substrate}": bakes[substrate],
                least: bake_least,
            },
            rounds=10,
        )
        print(timing.table("bake", seconds, base=initialise), end="\n\n")


if __name__ == "__main__":
    main()

"""Print what to type next, to a person at a terminal; the current folder is the new charm."""

import os
import re
import shlex
import shutil
import sys

# cruft bakes into such folders to compare, and would print the steps for each of them.
CRUFTS_FOLDER = re.compile(r"/tmp[a-z0-9_]{8}/")


def next_steps(folder):
    """Return what to type after a bake into a folder, with the tools that this machine has."""
    hints = [
        f"Hint: the names of charms usually go without {affix!r}."
        for affix in ("charm", "operator")
        if affix in os.path.basename(folder).split("-")
    ]
    if shutil.which("uvx"):
        install, uv, tox = [], "uv", "uvx tox"
    elif shutil.which("pipx"):
        install, uv, tox = [], "pipx run uv", "pipx run tox"
    else:
        install = ["python3 -m venv .venv && .venv/bin/pip install --quiet tox uv"]
        uv, tox = ".venv/bin/uv", ".venv/bin/tox"
    commands = [
        f"cd {shlex.quote(folder)}",
        "git init -b main",
        *install,
        f"{uv} lock",
        "git add --all && git commit -m 'Bake the charm'",
        tox,
    ]
    steps = "\n".join(f"  {command}" for command in commands)
    return "\n".join(
        [*hints, f"Next:\n{steps}", "Then replace the placeholder in src/workload.py."]
    )


if __name__ == "__main__" and sys.stdout.isatty() and not CRUFTS_FOLDER.search(os.getcwd()):
    encoding = sys.stdout.encoding or "ascii"
    text = next_steps(os.getcwd())
    print(text.encode(encoding, "backslashreplace").decode(encoding))

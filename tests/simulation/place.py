"""Give processes a place of their own: a mount namespace in which some folders are private.

Charms write to absolute paths such as /etc, and units that share this machine must not share
those. Everything else is this machine's.
"""

from __future__ import annotations

import functools
import os
import pathlib
import shutil
import subprocess
from collections.abc import Mapping

# A tmpfs over /mnt becomes the root folder, so that private folders need not exist outside.
_SCRIPT = """
set -eu
mount -t tmpfs tmpfs /mnt
private=" "
for argument; do
    [ "$argument" = -- ] && break
    private="$private$argument "
done
for folder in /*/; do
    folder="${folder%/}"
    case "$private/mnt " in *" $folder "*) continue;; esac
    if [ -L "$folder" ]; then
        cp -P "$folder" "/mnt$folder"
    else
        mkdir "/mnt$folder"
        mount --rbind "$folder" "/mnt$folder"
    fi
done
while [ "$1" != -- ]; do
    mkdir "/mnt$1"
    mount --bind "$2" "/mnt$1"
    shift 2
done
shift
exec chroot /mnt "$@"
"""
# What programs want of /etc to start at all.
_ETC = ("group", "hosts", "ld.so.cache", "localtime", "nsswitch.conf", "passwd")


def command(
    private: Mapping[str, pathlib.Path], *args: str | pathlib.Path, dies_with_parent: bool = True
) -> list[str]:
    """Return the command that runs a command in a place of its own.

    Args:
        private: The folder that appears at each of these paths.
        args: The command to run.
        dies_with_parent: Whether killing the process kills all that it started, too.
    """
    binds = [str(item) for pair in private.items() for item in pair]
    processes = ["--pid", "--kill-child"] if dies_with_parent else []
    return [*_unshare(), *processes, "sh", "-c", _SCRIPT, "sh", *binds, "--", *map(str, args)]


def make_etc(folder: pathlib.Path) -> pathlib.Path:
    """Fill a folder with what programs want of /etc, and return it."""
    folder.mkdir(parents=True)
    for name in _ETC:
        if os.path.exists(f"/etc/{name}"):
            shutil.copy(f"/etc/{name}", folder / name)
    # Debian's `which`, which dispatch runs, is a link through here.
    if os.path.isdir("/etc/alternatives"):
        shutil.copytree("/etc/alternatives", folder / "alternatives", symlinks=True)
    return folder


@functools.cache
def problem() -> str | None:
    """Say why this machine can't give processes a place of their own, or return None."""
    result = subprocess.run(command({}, "true"), capture_output=True, text=True)
    return f"no private mount namespace: {result.stderr}" if result.returncode else None


def _unshare() -> list[str]:
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *user, "--mount", "--propagation", "private"]

"""Run a command in a root folder of its own: this machine's, with private folders in it.

It needs a mount namespace. Its first argument is JSON: ``private``, the folder or file of this
machine that appears at each path; ``first``, whether the command is to be the first process of a
namespace; ``hostname``; ``user``, the user's id and its groups' ids; and ``ready``, a file
descriptor to which it writes its process id, as this machine counts, once all is prepared.
"""

import contextlib
import ctypes
import json
import os
import socket
import sys

ROOT = "/mnt"  # A tmpfs over it becomes the root folder.
MS_BIND, MS_REC = 4096, 16384
libc = ctypes.CDLL(None, use_errno=True)


def main(settings: dict, command: list[str]) -> None:
    """Prepare the root folder, and become the command."""
    pid = os.readlink("/proc/self")
    os.umask(0o022)
    mount("tmpfs", ROOT, kind="tmpfs")
    os.chmod(ROOT, 0o755)
    private = settings["private"]
    show("/", sorted(private), settings["first"])
    for path in sorted(private):
        make_target(ROOT + path, is_folder=os.path.isdir(private[path]))
        mount(private[path], ROOT + path)
    os.chroot(ROOT)
    os.chdir("/")
    if settings["hostname"]:
        socket.sethostname(settings["hostname"])
    if settings["user"]:
        become(*settings["user"])
    if settings["ready"] is not None:
        os.write(settings["ready"], f"{pid}\n".encode())
        os.close(settings["ready"])
    os.umask(0o022)
    os.execvp(command[0], command)


def show(folder: str, private: list[str], first: bool) -> None:
    """Let this machine's files appear in a folder of the new root, but for what is private."""
    try:
        entries = list(os.scandir(folder))
    except PermissionError:
        return
    for entry in entries:
        path = entry.path
        if path in (ROOT, *private):
            continue
        if entry.is_symlink():
            os.symlink(os.readlink(path), ROOT + path)
        elif entry.is_dir() and any(other.startswith(f"{path}/") for other in private):
            os.mkdir(ROOT + path)
            show(path, private, first)
        elif entry.is_dir() or folder != "/":
            make_target(ROOT + path, is_folder=entry.is_dir())
            if path != "/proc" or not first or not mount("proc", ROOT + path, kind="proc"):
                with contextlib.suppress(FileNotFoundError):  # Removed since it was listed.
                    mount(path, ROOT + path)


def make_target(path: str, *, is_folder: bool) -> None:
    """Ensure that there is something to mount on."""
    if is_folder:
        os.makedirs(path, exist_ok=True)
    elif not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT))


def mount(source: str, target: str, kind: str | None = None) -> bool:
    """Mount a file system of a kind, or bind a folder or file.

    Raises:
        OSError: if it can't; for a /proc, which some containers refuse, return False instead.
    """
    flags = 0 if kind else MS_BIND | MS_REC
    names = (os.fsencode(source), os.fsencode(target), kind.encode() if kind else None)
    failed = libc.mount(*names, ctypes.c_ulong(flags), None)
    if failed and kind != "proc":
        raise OSError(ctypes.get_errno(), f"can't mount {source} on {target}")
    return not failed


def become(user: int, group: int, *others: int) -> None:
    """Become another user, if this is root; what root of a user namespace is can't."""
    with open("/proc/self/uid_map") as mapping:
        users = [tuple(map(int, line.split())) for line in mapping]
    if any(start <= user < start + count for start, _, count in users):
        os.setgroups(others)
        os.setgid(group)
        os.setuid(user)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])

"""Containers of this machine's own making: namespaces, with some folders that are private.

Charms write to absolute paths such as /etc and listen on ports, and units that share this machine
must not share those, nor process ids. Everything else is this machine's.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping

PROGRAMS = pathlib.Path(__file__).parent / "programs"
# The interpreter itself, since a virtual environment's takes longer to start.
PYTHON = pathlib.Path(sys.executable).resolve()
# What programs want of /etc to start at all.
_ETC = ("group", "hosts", "ld.so.cache", "localtime", "nsswitch.conf", "passwd")
User = tuple[int, ...]  # The user's id, its group's, and those of more groups.


class Network:
    """What joins the hosts of one model, and nothing else; all processes of theirs end with it.

    They do so even if this process is killed.
    """

    def __init__(self):
        namespaces = ["--net", "--pid", "--fork", "--kill-child"]
        self._process = subprocess.Popen(
            [*_unshare(), *namespaces, PYTHON, "-IS", PROGRAMS / "network.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        self._pid = _read_pid(self._process.stdout.readline())
        self._hosts: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
        self._numbers = itertools.count(1)
        self.containers: list[Container] = []

    def add_host(self, address: str) -> int:
        """Add the network of a host, with its own loopback interface and an address.

        Returns:
            The id of a process that is in it for as long as this network is there.
        """
        enter = ["nsenter", f"--target={self._pid}", *USER, "--net", "--pid"]
        # As this machine counts processes, which `$$` doesn't.
        script = "read pid rest < /proc/self/stat; echo $pid; exec sleep infinity"
        process = subprocess.Popen(
            [*enter, "unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE
        )
        assert process.stdout
        pid = _read_pid(process.stdout.readline())
        cable = f"host{next(self._numbers)}"
        self._hosts[pid] = cable, process
        # Neighbours that know a former host of this address need not learn another one.
        hardware = ":".join(f"{part:02x}" for part in (2, 0, *map(int, address.split("."))))
        self._configure(
            self._pid,
            f"link add {cable} type veth peer name eth0 address {hardware} netns {pid}",
            f"link set {cable} master hosts up",
        )
        self._configure(
            pid, f"addr add {address}/16 dev eth0", "link set eth0 up", "link set lo up"
        )
        return pid

    def remove_host(self, host: int) -> None:
        """Remove the network of a host, so that another one can have its address."""
        cable, process = self._hosts.pop(host)
        self._configure(self._pid, f"link del {cable}")
        os.kill(host, signal.SIGKILL)
        process.communicate()

    def popen(self, host: int, *args: str | pathlib.Path, **options) -> subprocess.Popen:
        """Start a command in the network of a host, outside of its containers."""
        enter = ["nsenter", f"--target={host}", *USER, "--net", "--pid"]
        return subprocess.Popen([*enter, *args], **options)

    def close(self) -> None:
        """Kill every process in the network, and wait until they have ended."""
        self._process.communicate()
        for container in self.containers:
            container.kill()
        for _, process in self._hosts.values():
            process.communicate()

    def _configure(self, pid: int, *lines: str) -> None:
        """Run `ip` in the network of a process."""
        subprocess.run(
            ["nsenter", f"--target={pid}", *USER, "--net", "ip", "-batch", "-"],
            input="\n".join(lines),
            text=True,
            check=True,
        )


class Container:
    """A process, and whatever else is run beside it, with private folders and process ids.

    Args:
        network: What joins its host to others.
        host: A process in the host's network.
        private: The folder or file that appears at each of these paths.
        args: The command of its first process; the container ends with it.
        environment: The command's environment.
        log: The file that it writes to.
        hostname: The container's name.
        user: Who runs the command, if not root. Where this is not root, this user does.
    """

    def __init__(
        self,
        network: Network,
        host: int,
        private: Mapping[str, str | pathlib.Path],
        *args: str | pathlib.Path,
        environment: Mapping[str, str],
        log: pathlib.Path,
        hostname: str,
        user: User | None = None,
    ):
        read, write = os.pipe()
        enter = ["nsenter", f"--target={host}", *USER, "--net", "--pid"]
        namespaces = ["--mount", "--uts", "--pid", "--fork", "--kill-child"]
        settings = {"first": True, "hostname": hostname, "user": user, "ready": write}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*enter, "unshare", *namespaces, *_confine(private, **settings), *args],
                env={**environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[write],
            )
        network.containers.append(self)
        os.close(write)
        with open(read, "rb") as ready:
            # By now all is mounted, or the log says why not.
            self._pid = _read_pid(ready.readline(), log)
        # Unlike its id, this stays the process's own.
        self._first = os.pidfd_open(self._pid)

    @property
    def root(self) -> pathlib.Path:
        """The container's root folder, as long as it runs."""
        return pathlib.Path(f"/proc/{self._pid}/root")

    def run(
        self,
        *args: str | pathlib.Path,
        environment: Mapping[str, str],
        user: User | None = None,
        stderr: int = subprocess.STDOUT,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the container."""
        namespaces = ["--mount", "--uts", "--net", "--pid", "--root", "--wd"]
        # Into a user namespace comes nobody but its root.
        become = _setpriv(user) if user and not USER else []
        return subprocess.run(
            ["nsenter", f"--target={self._pid}", *USER, *namespaces, *become, *map(str, args)],
            env={**environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    @property
    def has_ended(self) -> bool:
        """Whether its first process has ended, and all others with it."""
        return self._process.poll() is not None

    def terminate(self, grace: float) -> None:
        """Ask the first process to end, and kill all processes if it doesn't in some seconds."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self.kill()

    def kill(self) -> None:
        """Kill all processes, and wait until they have ended."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._first, number)

    def __del__(self):
        if hasattr(self, "_first"):
            os.close(self._first)


def command(private: Mapping[str, str | pathlib.Path], *args: str | pathlib.Path) -> list[str]:
    """Return the command that runs a command with private folders, and ends all that it started.

    Args:
        private: The folder that appears at each of these paths.
        args: The command to run.
    """
    settings = {"first": True, "hostname": None, "user": None, "ready": None}
    namespaces = ["--mount", "--pid", "--kill-child"]
    return [*_unshare(), *namespaces, *_confine(private, **settings), *map(str, args)]


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
    """Say why this machine can't give processes namespaces of their own, or return None."""
    network = ["--net", "ip", "link", "add", "host", "type", "veth"]
    for args in ([*_unshare(), *network], command({}, "true")):
        result = subprocess.run(args, capture_output=True, text=True)
        if result.returncode:
            return f"no private namespaces: {result.stderr}"
    return None


# Root of a user namespace is who started it, so the containers' processes enter that too.
USER = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")


def _unshare() -> list[str]:
    user = ["--user", "--map-root-user"] if USER else []
    return ["unshare", *user, "--propagation", "private"]


def _confine(private: Mapping[str, str | pathlib.Path], **settings: object) -> list[str]:
    settings["private"] = {path: str(source) for path, source in private.items()}
    return [str(PYTHON), "-IS", str(PROGRAMS / "confine.py"), json.dumps(settings)]


def _setpriv(user: User) -> list[str]:
    groups = ",".join(map(str, user[2:]))
    return [
        *("setpriv", f"--reuid={user[0]}", f"--regid={user[1]}"),
        f"--groups={groups}" if groups else "--clear-groups",
    ]


def _read_pid(answer: bytes, log: pathlib.Path | None = None) -> int:
    if not answer:
        raise RuntimeError(f"no private namespaces: {log.read_text() if log else 'see above'}")
    return int(answer)

"""Where a unit runs: a machine, or a pod with a charm container and a workload container."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping

from tests.simulation import hookcommands, place
from tests.support import packing

NO_PEBBLE = "no Pebble: neither `pebble` on PATH nor in Go's bin folder, where .ci/run puts it"
PROGRAMS = pathlib.Path(__file__).parent / "programs"
# The interpreter itself, since a virtual environment's takes longer to start.
PYTHON = pathlib.Path(sys.executable).resolve()
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_pebble() -> str | None:
    """Return the Pebble of this machine: on PATH, or where `go install` puts it."""
    paths = [os.environ.get("PATH", ""), os.environ.get("GOBIN", ""), str(_go_bin())]
    return next((found for path in paths if (found := _pebble_in(path))), None)


def _go_bin() -> pathlib.Path:
    return pathlib.Path(os.environ.get("GOPATH", pathlib.Path.home() / "go")) / "bin"


@functools.cache
def _pebble_in(path: str) -> str | None:
    # Debian has another program of that name.
    found = shutil.which("pebble", path=path)
    if found is None:
        return None
    result = subprocess.run([found, "help", "stop-checks"], capture_output=True)
    return found if result.returncode == 0 else None


def install_programs(folder: pathlib.Path, names: tuple[str, ...], program: str) -> None:
    """Install one program under some names."""
    folder.mkdir(parents=True, exist_ok=True)
    source = (PROGRAMS / program).read_text()
    for name in names:
        (folder / name).write_text(f"#!{PYTHON} -IS\n{source}")
        (folder / name).chmod(0o755)


class Host:
    """A place in which one unit's charm, agent and workload run."""

    def __init__(
        self,
        unit: str,
        folder: pathlib.Path,
        python: pathlib.Path,
        environment: Mapping[str, str],
        heartbeat: float,
    ):
        self.charm = folder / "charm"
        self._unit = unit
        self._folder = folder
        self._heartbeat = heartbeat
        self._bin = folder / "bin"
        self._etc = place.make_etc(folder / "etc")
        self._processes: list[subprocess.Popen[bytes]] = []
        install_programs(self._bin, hookcommands.COMMANDS, "client.py")
        shutil.copy(PROGRAMS / "juju-log", self._bin)
        (self._bin / "python3").symlink_to(python)
        self.environment = {**environment, "PATH": f"{self._bin}:{SYSTEM_PATH}"}

    def install_charm(self, packed: pathlib.Path) -> None:
        """Unpack a charm over what is there, as an upgrade does."""
        packing.unpack(packed, self.charm)

    def start(self) -> None:
        """Start the workload's surroundings and the agent."""
        raise NotImplementedError

    def stop(self) -> None:
        """Kill all processes of this unit."""
        for process in self._processes:
            _kill(process)
        self._processes.clear()

    def run(
        self, *args: str | pathlib.Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command where the charm runs."""
        return subprocess.run(
            place.command(self._private, *args, dies_with_parent=False),
            env={**(environment or self.environment)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read(self, path: str) -> str | None:
        """Read a file of the workload's, if it is there."""
        file = self._workload_root / path.lstrip("/")
        return file.read_text() if file.exists() else None

    def mode(self, path: str) -> int:
        """Return the permissions of a file of the workload's."""
        return (self._workload_root / path.lstrip("/")).stat().st_mode & 0o7777

    @property
    def _private(self) -> dict[str, pathlib.Path]:
        return {"/etc": self._etc}

    @property
    def _workload_root(self) -> pathlib.Path:
        return self._folder

    @property
    def _agent(self) -> list[str | pathlib.Path]:
        return [PYTHON, "-S", PROGRAMS / "agent.py", self._unit, str(self._heartbeat)]

    def _spawn(
        self,
        private: Mapping[str, pathlib.Path],
        *args: str | pathlib.Path,
        environment: Mapping[str, str],
        log: str,
    ) -> subprocess.Popen[bytes]:
        with (self._folder / log).open("ab") as output:
            process = subprocess.Popen(
                place.command(private, *args),
                env={**environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)
        return process


class Machine(Host):
    """A machine, whose systemctl is a stand-in."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        (self._etc / "systemd" / "system").mkdir(parents=True)
        install_programs(self._bin, ("systemctl",), "systemctl.py")

    def start(self) -> None:
        """Start the agent."""
        self._spawn(self._private, *self._agent, environment=self.environment, log="agent.log")

    def services(self) -> dict[str, dict[str, object]]:
        """Return what systemctl noted of each service."""
        notes = json.loads(self.read("/etc/systemd/system/systemctl.json") or "{}")
        return {name: state for name, state in notes.items() if name != "known"}


class Pod(Host):
    """A pod, whose containers run a real Pebble each, and what the kubelet does about it."""

    def __init__(self, *args, pebble: str, kubelet_period: float, **kwargs):
        super().__init__(*args, **kwargs)
        self._pebble = pebble
        self._period = kubelet_period
        # Of both containers, like the volumes that Juju mounts into them.
        self._shared = self._folder / "shared"
        self._workload_etc = place.make_etc(self._folder / "workload" / "etc")
        # Where the charm container's Pebble is; on Juju that is its default, in /var/lib.
        self.environment["PEBBLE"] = "/charm/container-agent"
        self._charm_container: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start both containers and the kubelet's probe."""
        self.start_workload()
        self._write_agent_layer()
        self._start_charm_container()
        self._stopped = threading.Event()
        threading.Thread(target=self._probe, args=(self._stopped,), daemon=True).start()

    def wait_for_workload(self) -> None:
        """Wait until the workload container's Pebble answers."""
        deadline = time.monotonic() + 30
        while (result := self._ask_workload("services")).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError(result.stdout)
            time.sleep(0.1)

    def workload_services(self) -> str:
        """Return what the workload container's Pebble says of its services, blanks squeezed."""
        return re.sub(r" {2,}", "  ", self._ask_workload("services").stdout)

    def _ask_workload(self, *args: str) -> subprocess.CompletedProcess[str]:
        socket = "/charm/containers/workload/pebble.socket"
        environment = {**self.environment, "PEBBLE_SOCKET": socket}
        return self.run("/charm/bin/pebble", *args, environment=environment)

    def start_workload(self) -> None:
        """Start the workload container."""
        socket = self._shared / "containers" / "workload" / "pebble.socket"
        socket.parent.mkdir(parents=True, exist_ok=True)
        (self._shared / "bin").mkdir(exist_ok=True)
        if not (self._shared / "bin" / "pebble").exists():
            (self._shared / "bin" / "pebble").symlink_to(self._pebble)
        self._spawn(
            {"/etc": self._workload_etc, "/charm": self._shared},
            *("/charm/bin/pebble", "run", "--create-dirs", "--hold"),
            environment={
                "PATH": SYSTEM_PATH,
                "PEBBLE": "/charm/workload-pebble",
                "PEBBLE_SOCKET": "/charm/containers/workload/pebble.socket",
            },
            log="workload.log",
        )

    def stop(self) -> None:
        """Kill all processes of this unit, and the probe."""
        self._stopped.set()
        super().stop()

    def replace(self, packed: pathlib.Path) -> None:
        """Replace the pod as a refresh does: nothing on its disks is kept."""
        self.stop()
        for folder in (self.charm, self._shared, self._workload_etc):
            shutil.rmtree(folder)
        place.make_etc(self._workload_etc)
        self.install_charm(packed)
        self.start()

    @property
    def _private(self) -> dict[str, pathlib.Path]:
        return {"/etc": self._etc, "/charm": self._shared}

    @property
    def _workload_root(self) -> pathlib.Path:
        return self._folder / "workload"

    def _write_agent_layer(self) -> None:
        """Configure the agent as Juju does in a charm container.

        Juju probes it over HTTP; here a process id is enough.
        """
        command = " ".join(str(arg) for arg in self._agent)
        layer = {
            "services": {
                "container-agent": {
                    "override": "replace",
                    "command": command,
                    "startup": "enabled",
                    "on-failure": "restart",
                }
            },
            "checks": {
                "liveness": {
                    "override": "replace",
                    "level": "alive",
                    "period": f"{self._period}s",
                    "timeout": f"{0.9 * self._period}s",
                    "threshold": 3,
                    "exec": {"command": "sh -c 'kill -0 $(cat /charm/agent.pid)'"},
                }
            },
        }
        layers = self._shared / "container-agent" / "layers"
        layers.mkdir(parents=True, exist_ok=True)
        # JSON is YAML.
        (layers / "001-container-agent.yaml").write_text(json.dumps(layer))

    def _start_charm_container(self) -> None:
        self._charm_container = self._spawn(
            self._private,
            *("/charm/bin/pebble", "run", "--create-dirs"),
            environment=self.environment,
            log="charm.log",
        )

    def _probe(self, stopped: threading.Event) -> None:
        """Restart the charm container after two failed probes, as the kubelet does."""
        failures = 0
        while not stopped.wait(self._period):
            result = self.run("/charm/bin/pebble", "health", "--level=alive")
            failures = failures + 1 if "unhealthy" in result.stdout else 0
            if failures == 2 and not stopped.is_set():
                assert self._charm_container is not None
                _kill(self._charm_container)
                self._start_charm_container()
                failures = 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill what runs in a place with all that it started, and wait for it.

    The child of unshare is the first process of its namespace, so all others die with it.
    """
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for child in children.read_text().split():
            os.kill(int(child), signal.SIGKILL)
    process.wait()

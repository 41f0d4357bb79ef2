"""Where a unit runs: a machine, or a pod with a charm container and a workload container."""

from __future__ import annotations

import functools
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Mapping

import pytest

from tests.simulation import containers, hookcommands
from tests.support import command, skips

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
JUJU = "/var/lib/juju"
# The user of charms that ask for `charm-user: non-root`, and the group that owns a pod's volume:
# JujuUserID and JujuFSGroupID of Juju's internal/provider/kubernetes/constants.
CHARM_USER: containers.User = (170, 170)
ROOT: containers.User = (0, 0)
VOLUME_GROUP = 170
# Of the kubelet and of a charm container's checks, in periods of the kubelet's probes, which are
# 5 seconds on Juju.
CHECK_PERIODS = 2
CHECK_THRESHOLD = 3
LIVENESS_FAILURES = 3
GRACE = 30.0  # Seconds that a pod gets to end.


def find_pebble() -> str | None:
    """Return the Pebble of this machine: on PATH, or where `go install` puts it."""
    return next(filter(None, map(_pebble_in, command.program_folders())), None)


def skip_without_pebble(substrate: str) -> None:
    """Skip a test of a substrate that needs Pebble where there is none."""
    if substrate == "kubernetes" and not find_pebble():
        pytest.skip(skips.NO_PEBBLE)


@functools.cache
def _pebble_in(folder: str) -> str | None:
    # Debian has another program of that name.
    found = shutil.which("pebble", path=folder)
    if found is None:
        return None
    result = subprocess.run([found, "help", "stop-checks"], capture_output=True)
    return found if result.returncode == 0 else None


def install_programs(
    folder: pathlib.Path,
    names: tuple[str, ...],
    program: str,
    python: pathlib.Path = containers.PYTHON,
) -> None:
    """Install one program under some names."""
    folder.mkdir(parents=True, exist_ok=True)
    source = (containers.PROGRAMS / program).read_text()
    for name in names:
        (folder / name).write_text(f"#!{python} -IS\n{source}")
        (folder / name).chmod(0o755)


class Site:
    """What all hosts of a model share: a network, names, and a folder with Juju's socket.

    The folder has the same short path on all of them, whatever TMPDIR says: the path of a socket
    is short.
    """

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="juju-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.network = containers.Network()
        self._pods: dict[Pod, None] = {}  # In the order in which they came.

    def close(self) -> None:
        """Kill all processes of the hosts, and forget the rest."""
        self.network.close()
        shutil.rmtree(self.folder)

    def announce(self, pod: Pod) -> None:
        """Let the pod's name resolve in all pods."""
        self._pods[pod] = None
        self._write_hosts()

    def withdraw(self, pod: Pod) -> None:
        """Let the pod's name resolve no more."""
        self._pods.pop(pod, None)
        self._write_hosts()

    def _write_hosts(self) -> None:
        names = "".join(f"{pod.address}\t{' '.join(pod.names)}\n" for pod in self._pods)
        for pod in self._pods:
            own = f"127.0.0.1\tlocalhost\n{pod.address}\t{pod.names[-1]}\t{pod.hostname}\n"
            pod.write_hosts(own + names)


class Host:
    """What one unit's charm, agent and workload run on.

    Args:
        site: What it shares with other hosts.
        unit: The unit.
        address: Its address in the site's network.
        folder: Where its files are.
        python: The interpreter that the charm runs on.
        environment: Variables of agent, hooks and commands.
    """

    def __init__(
        self,
        site: Site,
        unit: str,
        address: str,
        folder: pathlib.Path,
        python: pathlib.Path,
        environment: Mapping[str, str],
    ):
        self.unit = unit
        self.address = address
        self._site = site
        self._folder = folder
        self._python = python
        self._name = f"unit-{unit.replace('/', '-')}"
        self._number = int(unit.rsplit("/", 1)[-1])
        self.environment = {**environment, "PATH": f"{JUJU}/tools/{self._name}:{SYSTEM_PATH}"}

    @property
    def charm(self) -> pathlib.Path:
        """The folder of the charm, on this machine."""
        return self._juju / "agents" / self._name / "charm"

    @property
    def charm_folder(self) -> str:
        """The folder of the charm, on the host."""
        return f"{JUJU}/agents/{self._name}/charm"

    def install_charm(self, packed: pathlib.Path) -> None:
        """Unpack a charm over what is there, as an upgrade does, file modes included."""
        with zipfile.ZipFile(packed) as archive:
            for item in archive.infolist():
                if not item.is_dir():
                    # A process may have the library that is there in its memory.
                    (self.charm / item.filename).unlink(missing_ok=True)
                extracted = archive.extract(item, self.charm)
                if mode := item.external_attr >> 16:
                    os.chmod(extracted, mode & 0o7777)

    def start(self) -> None:
        """Start the host with the unit's agent."""
        raise NotImplementedError

    def stop(self) -> None:
        """Kill all processes of the host."""
        raise NotImplementedError

    def remove(self) -> None:
        """Kill all processes of the host, and remove its files and its network."""
        self.stop()
        shutil.rmtree(self._folder)
        self._site.network.remove_host(self._network)

    def run(
        self,
        *args: str | pathlib.Path,
        environment: Mapping[str, str] | None = None,
        stderr: int = subprocess.STDOUT,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command where the charm runs."""
        raise NotImplementedError

    def runs_agent(self) -> bool:
        """Whether the unit's agent is started, though it may not have reported to Juju yet."""
        raise NotImplementedError

    def start_agent(self) -> None:
        """Start the unit's agent after stop_agent."""
        raise NotImplementedError

    def stop_agent(self) -> None:
        """Stop the unit's agent alone, until start_agent."""
        raise NotImplementedError

    def read(self, path: str) -> str | None:
        """Read a file of the workload's, if it is there."""
        file = self._workload.root / path.lstrip("/")
        return file.read_text() if file.exists() else None

    def mode(self, path: str) -> int:
        """Return the permissions of a file of the workload's."""
        return (self._workload.root / path.lstrip("/")).stat().st_mode & 0o7777

    def _succeed(self, *args: str) -> None:
        """Run a command that has to succeed where the charm runs."""
        result = self.run(*args)
        assert result.returncode == 0, result.stdout

    @functools.cached_property
    def _network(self) -> int:
        return self._site.network.add_host(self.address)

    @property
    def _juju(self) -> pathlib.Path:
        """What is Juju's folder on the host."""
        raise NotImplementedError

    @property
    def _workload(self) -> containers.Container:
        """What the workload runs in."""
        raise NotImplementedError

    def _install_tools(self, *programs: tuple[str, str]) -> None:
        """Install the hook commands, the agent, the charm's Python and more programs."""
        tools = self._juju / "tools" / self._name
        install_programs(tools, hookcommands.COMMANDS, "client.py")
        install_programs(tools, ("agent",), "agent.py", self._python)  # It may run the charm.
        for name, program in programs:
            install_programs(tools, (name,), program)
        shutil.copy(containers.PROGRAMS / "juju-log", tools)
        (tools / "python3").symlink_to(self._python)

    def _private(self, folder: pathlib.Path) -> dict[str, pathlib.Path]:
        """Return what is private on every host: where charms and services write."""
        if not (folder / "etc").exists():
            containers.make_etc(folder / "etc")
        for name in ("run", "tmp"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "tmp").chmod(0o1777)
        private = {f"/{name}": folder / name for name in ("etc", "run", "tmp")}
        # Any user of the host may run these, wherever this machine has them.
        for python in (self._python, containers.PYTHON):
            if (prefix := python.parents[1]) != pathlib.Path("/usr"):
                private[str(prefix)] = prefix
        return private | {str(self._site.folder): self._site.folder}


class Machine(Host):
    """A machine, whose systemd is a stand-in that runs real services.

    Args:
        beside: The machine that this is in truth, with a unit of another application on it.
    """

    def __init__(self, *args, beside: Machine | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self._beside = beside
        self._container: containers.Container | None = None
        self._install_tools(("systemctl", "systemctl.py"), ("systemd", "systemd.py"))
        sudo = self._juju / "tools" / self._name / "sudo"
        sudo.write_text('#!/bin/sh\nexec "$@"\n')
        sudo.chmod(0o755)

    def start(self) -> None:
        """Start the machine and the agent, which is a service as on Juju's machines."""
        variables = "".join(f'Environment="{k}={v}"\n' for k, v in self.environment.items())
        unit = self._boot().root / "etc/systemd/system" / f"{self._agent_service}.service"
        unit.write_text(
            f"[Service]\nExecStart={JUJU}/tools/{self._name}/agent {self.unit}\n{variables}"
            "[Install]\nWantedBy=multi-user.target\n"
        )
        self._succeed("systemctl", "enable", "--now", self._agent_service)

    def stop(self) -> None:
        """Kill all processes of the machine."""
        if self._container:
            self._container.kill()
            self._container = None

    def run(
        self,
        *args: str | pathlib.Path,
        environment: Mapping[str, str] | None = None,
        stderr: int = subprocess.STDOUT,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the machine, which is started without the agent if it isn't yet."""
        environment = environment or self.environment
        return self._boot().run(*args, environment=environment, stderr=stderr)

    def runs_agent(self) -> bool:
        """Whether the agent's service is started."""
        return self.service(self._agent_service)["ActiveState"] == "active"

    def start_agent(self) -> None:
        """Start the agent's service."""
        self._succeed("systemctl", "start", self._agent_service)

    def stop_agent(self) -> None:
        """Stop the agent's service."""
        self._succeed("systemctl", "stop", self._agent_service)

    def service(self, name: str) -> dict[str, str]:
        """Return the properties of a service that systemctl shows."""
        lines = self.run("systemctl", "show", name).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def _agent_service(self) -> str:
        return f"jujud-{self._name}" if self._beside else f"jujud-machine-{self._number}"

    @property
    def _juju(self) -> pathlib.Path:
        return self._beside._juju if self._beside else self._folder / "juju"

    @property
    def _workload(self) -> containers.Container:
        return self._boot()

    def _boot(self) -> containers.Container:
        if self._beside:
            return self._beside._boot()
        if self._container is None:
            private = self._private(self._folder) | {JUJU: self._juju}
            (self._folder / "etc" / "systemd" / "system").mkdir(parents=True, exist_ok=True)
            self._container = containers.Container(
                self._site.network,
                self._network,
                private,
                f"{JUJU}/tools/{self._name}/systemd",
                environment={"PATH": SYSTEM_PATH},
                log=self._folder / "machine.log",
                hostname=f"juju-{self._number}",
            )
            assert self.run("systemctl", "is-system-running").returncode == 0
        return self._container


class Pod(Host):
    """A pod, whose containers run a real Pebble each, and what the kubelet does about it.

    Args:
        model: The model's name.
        metadata: The charm's.
        pebble: Pebble's file.
        period: How often the kubelet probes, in real seconds.
    """

    def __init__(
        self,
        *args,
        model: str,
        metadata: Mapping[str, object],
        pebble: str,
        period: float,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        app = self.unit.split("/")[0]
        self.hostname = f"{app}-{self._number}"
        name = f"{self.hostname}.{app}-endpoints"
        domains = ("", f".{model}", f".{model}.svc", f".{model}.svc.cluster.local")
        # By which the headless service APP-endpoints knows it, whether it is ready or not.
        self.names = [f"{name}{domain}" for domain in domains]
        containers = metadata["containers"]
        assert isinstance(containers, dict)
        workload = containers["workload"]
        self._pebble = pathlib.Path(pebble).resolve()
        self._period = period
        self._users = {
            "charm": CHARM_USER if metadata.get("charm-user") == "non-root" else ROOT,
            "workload": (workload.get("uid", 0), workload.get("gid", 0)),
        }
        # Where the workload has its storages, which outlive the pod.
        self._storages = {
            mount["location"]: self._folder.with_name(f"{self.hostname}-{mount['storage']}")
            for mount in workload.get("mounts", [])
        }
        for folder in self._storages.values():
            self._make_shared(folder)
        self._containers: dict[str, containers.Container] = {}
        self._healths: dict[str, bool] = {}
        self._kubelet: list[threading.Thread] = []
        self._stopped = threading.Event()
        self._prepare()

    def start(self) -> None:
        """Start both containers with the agent, and the kubelet."""
        self._write_agent_layer()
        self._stopped = threading.Event()
        self._site.announce(self)
        for name in ("workload", "charm"):
            self._start_container(name)
            thread = threading.Thread(target=self._keep, args=(name, self._stopped), daemon=True)
            self._kubelet.append(thread)
            thread.start()

    def stop(self) -> None:
        """Kill all processes of the pod."""
        self._stop_kubelet()
        for container in self._containers.values():
            container.kill()
        self._containers.clear()
        self._site.withdraw(self)

    def replace(self, packed: pathlib.Path) -> None:
        """Replace the pod as a refresh does, and wait until the new one is ready.

        The workload is gone before the charm has its stop hook; nothing on the disks is kept.
        """
        self._stop_kubelet()
        for name in ("workload", "charm"):
            if name in self._containers:
                self._containers.pop(name).terminate(GRACE)
        shutil.rmtree(self._folder)
        self._prepare()
        self.install_charm(packed)
        self.start()
        while not (self.is_ready or self._stopped.wait(0.05)):
            pass

    def kill(self, container: str) -> None:
        """Kill a container, as if it had crashed."""
        self._containers[container].kill()

    @property
    def is_ready(self) -> bool:
        """Whether the containers' probes say that the pod is ready."""
        return self._healths == {"charm": True, "workload": True}

    @property
    def starts_agents(self) -> bool:
        """Whether the kubelet brings back an agent that ends, as it does but for the recipe.

        It takes up to 40 s on Juju, less than a lease.
        """
        container = self._containers.get("charm")
        if container is None:
            return True  # The pod is being replaced.
        command = ("/charm/bin/pebble", "checks", "liveness")
        checks = container.run(*command, environment=self.environment, user=self._users["charm"])
        return "inactive" not in checks.stdout

    def run(
        self,
        *args: str | pathlib.Path,
        environment: Mapping[str, str] | None = None,
        stderr: int = subprocess.STDOUT,
        container: str = "charm",
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a container, which is started without the agent if it isn't yet."""
        environment = environment or self._environment(container)
        user = self._users[container]
        return self._container(container).run(
            *args, environment=environment, user=user, stderr=stderr
        )

    def runs_agent(self) -> bool:
        """Whether the charm container's Pebble has started the agent."""
        services = self.run("/charm/bin/pebble", "services", "container-agent").stdout
        return bool(re.search("enabled +active", services))

    def start_agent(self) -> None:
        """Start the agent, and have the kubelet look after it."""
        self._succeed("/charm/bin/pebble", "start", "container-agent")
        self._succeed("/charm/bin/pebble", "start-checks", "liveness")

    def stop_agent(self) -> None:
        """Stop the agent, once the kubelet doesn't look after it."""
        self._succeed("/charm/bin/pebble", "stop-checks", "liveness")
        self._succeed("/charm/bin/pebble", "stop", "container-agent")

    def install_charm(self, packed: pathlib.Path) -> None:
        """Unpack a charm over what is there; it is its user's."""
        super().install_charm(packed)
        if os.geteuid() == 0:
            for path in (self.charm, *self.charm.rglob("*")):
                os.chown(path, *self._users["charm"], follow_symlinks=False)

    def start_workload(self) -> None:
        """Start the workload container alone."""
        self._start_container("workload")

    def wait_for_workload(self) -> None:
        """Wait until the workload container's Pebble answers."""
        deadline = time.monotonic() + 60
        while not self._ask_pebble("workload", "/v1/system-info"):
            if time.monotonic() > deadline:
                raise TimeoutError("the workload's Pebble doesn't answer")
            time.sleep(0.02)

    def workload_services(self) -> str:
        """Return what the workload's Pebble says of its services, with one blank in between."""
        result = self.run("/charm/bin/pebble", "services", "--abs-time", container="workload")
        return re.sub(" +", " ", result.stdout)

    def write_hosts(self, text: str) -> None:
        """Write /etc/hosts in both containers."""
        for name in ("charm", "workload"):
            new = self._folder / name / "etc" / "hosts.new"
            new.write_text(text)
            new.replace(new.with_name("hosts"))

    @property
    def _juju(self) -> pathlib.Path:
        return self._volume / "juju"

    @property
    def _volume(self) -> pathlib.Path:
        """What both containers share, in parts, and what survives their restarts."""
        return self._folder / "volume"

    @property
    def _workload(self) -> containers.Container:
        return self._container("workload")

    def _prepare(self) -> None:
        for folder in ("juju", "pebble", "containers/workload"):
            self._make_shared(self._volume / folder)
        for name in ("charm", "workload"):
            containers.make_etc(self._folder / name / "etc")
        # So that the charm's user may tell the workload's Pebble what to do, who may be another.
        identity = {"access": "admin", "local": {"user-id": self._users["charm"][0]}}
        identities = {"identities": {"juju": identity}}
        # JSON is YAML.
        (self._volume / "identities.yaml").write_text(json.dumps(identities))
        self._install_tools()

    def _make_shared(self, folder: pathlib.Path) -> None:
        """Make a folder that all users of the pod may write."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o2777)
        if os.geteuid() == 0:
            os.chown(folder, 0, VOLUME_GROUP)

    def _container(self, name: str) -> containers.Container:
        if name not in self._containers:
            self._start_container(name)
        return self._containers[name]

    def _environment(self, container: str) -> dict[str, str]:
        if container == "charm":
            return self.environment
        # As in Juju's internal/provider/kubernetes/application.
        return {
            "PATH": SYSTEM_PATH,
            "JUJU_CONTAINER_NAME": container,
            "PEBBLE": "/charm/container/pebble",
            "PEBBLE_COPY_ONCE": "/var/lib/pebble/default",
            "PEBBLE_SOCKET": "/charm/container/pebble.socket",
        }

    def _start_container(self, name: str) -> None:
        volume, args = self._volume, ("/charm/bin/pebble", "run")
        if name == "charm":
            private = {
                "/charm/containers": volume / "containers",
                "/var/lib/pebble/default": volume / "pebble",
                JUJU: self._juju,
            }
        else:
            private = {
                "/charm/container": volume / "containers" / name,
                "/charm/etc/pebble/identities.yaml": volume / "identities.yaml",
                **self._storages,
            }
            args = (*args, "--create-dirs", "--hold", "--identities", list(private)[1])
        self._containers[name] = containers.Container(
            self._site.network,
            self._network,
            {**self._private(self._folder / name), "/charm/bin/pebble": self._pebble, **private},
            *args,
            environment=self._environment(name),
            # Not in the folder, so that a replaced pod's is kept.
            log=self._folder.with_name(f"{self.hostname}-{name}.log"),
            hostname=self.hostname,
            user=(*self._users[name], VOLUME_GROUP),
        )

    def _write_agent_layer(self) -> None:
        """Configure the agent as `containeragent init` does, but for the checks' periods."""
        url = "http://localhost:65301"
        check = {
            "override": "replace",
            "period": f"{CHECK_PERIODS * self._period}s",
            "timeout": f"{0.9 * CHECK_PERIODS * self._period}s",
            "threshold": CHECK_THRESHOLD,
        }
        layer = {
            "services": {
                "container-agent": {
                    "override": "replace",
                    "command": f"{JUJU}/tools/{self._name}/agent {self.unit}",
                    "startup": "enabled",
                    "on-success": "ignore",
                    "on-failure": "shutdown",
                    "kill-delay": "30m",
                    "environment": {"HTTP_PROBE_PORT": "65301"},
                }
            },
            "checks": {
                "liveness": {**check, "level": "alive", "http": {"url": f"{url}/liveness"}},
                "readiness": {**check, "level": "ready", "http": {"url": f"{url}/readiness"}},
            },
        }
        layers = self._volume / "pebble" / "layers"
        layers.mkdir(exist_ok=True)
        (layers / "001-container-agent.yaml").write_text(json.dumps(layer))

    def _stop_kubelet(self) -> None:
        self._stopped.set()
        for thread in self._kubelet:
            thread.join()
        self._kubelet.clear()
        self._healths.clear()

    def _keep(self, name: str, stopped: threading.Event) -> None:
        """Probe a container, and start it anew if it has ended or isn't alive, as kubelet does."""
        failures = 0
        while not stopped.wait(self._period):
            container = self._containers[name]
            if not container.has_ended:
                alive = self._ask_pebble(name, "/v1/health?level=alive")
                self._healths[name] = self._ask_pebble(name, "/v1/health?level=ready")
                failures = 0 if alive else failures + 1
                if failures < LIVENESS_FAILURES:
                    continue
                container.kill()
            self._healths[name], failures = False, 0
            if not stopped.is_set():
                self._start_container(name)

    def _ask_pebble(self, container: str, path: str) -> bool:
        """Ask a container's Pebble something, and return whether it says that all is well."""
        folders = {"charm": "pebble", "workload": "containers/workload"}
        name = {"charm": ".pebble.socket", "workload": "pebble.socket"}[container]
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(10)
        # The path of the socket itself may be too long.
        folder = os.open(self._volume / folders[container], os.O_PATH)
        try:
            connection.sock.connect(f"/proc/self/fd/{folder}/{name}")
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
            os.close(folder)

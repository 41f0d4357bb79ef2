# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

<% if cookiecutter.substrate == "machine" %>
"""A fake of the machine: follow here what you change of the system in src/workload.py."""
<% else %>
"""A fake of the workload's container: follow here what you change in src/workload.py."""
<% endif %>

import contextlib
import copy
<% if cookiecutter.substrate == "machine" %>
import getpass
<% else %>
import dataclasses
<% endif %>
import json
import pathlib
<% if cookiecutter.substrate == "machine" %>
import subprocess
<% endif %>
from collections.abc import Callable, Iterator
from typing import Any
<% if cookiecutter.substrate == "kubernetes" %>
from unittest import mock
<% endif %>

<% if cookiecutter.substrate == "kubernetes" %>
import ops
<% endif %>
import pytest
<% if cookiecutter.substrate == "machine" %>
from charmlibs import pathops, systemd
<% endif %>
from ops import testing

import workload

VERSION = "9.4"
# What each command of the charm prints, by the command's first word.
OUTPUT = {"sleep": f"sleep (GNU coreutils) {VERSION}\nCopyright\n"}
# Settings whose change doesn't restart the workload.
NO_RESTART = {"leader", "leader_address", "planned_units"}
# Files beside the workload's configuration file, which ``parse`` reads.
OTHER_FILES = {"applied.json"}
<% if cookiecutter.substrate == "machine" %>
SERVICE = "-workload"  # How the name of the workload's service ends.
RELOAD = "ExecReload=/bin/kill -HUP $MAINPID"  # What lets the workload read its file again.
RUN = subprocess.run
<% else %>
RELOAD = "SIGHUP"  # What lets the workload read its file again.
# Where a user other than root may write in a stock image.
OPEN_FOLDERS = ("/tmp", "/var/tmp")
STEPS = ("add_layer", "make_dir", "push", "replan", "restart", "send_signal", "stop")
ORIGINALS = {name: getattr(ops.Container, name) for name in (*STEPS, "exec")}


def _check_writable(path: Any) -> None:
    if not str(path).startswith(OPEN_FOLDERS):
        problem = f"open {path}: permission denied: it is not in OPEN_FOLDERS of fakes.py"
        raise ops.pebble.PathError("permission-denied", problem)


def planned(container: testing.Container) -> testing.Container:
    """Return a container whose Pebble has the charm's layer."""
    checks = {
        testing.CheckInfo(name, level=ops.pebble.CheckLevel(check.level))
        for name, check in workload.LAYER.checks.items()
    }
    layers = {workload.SERVICE: workload.LAYER}
    return dataclasses.replace(container, layers=layers, check_infos=checks)


def _as_method(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda container, *args, **options: function(container, *args, **options)
<% endif %>


def parse(text: str) -> dict[str, Any]:
    """Read the workload's file: each setting by its name and of its type, if the file has it."""
    return json.loads(text)


class Killed(BaseException):
    """The hook ends here, as if its process had been killed."""


class System:
<% if cookiecutter.substrate == "machine" %>
    """One unit's machine. It stands in for charmlibs.systemd, too.

    Args:
        root: The folder in whose ``etc`` the workload's files are.
    """

    SystemdError = systemd.SystemdError

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.unit_files = root / "etc/systemd/system"
        self.unit_files.mkdir(parents=True)
        self.loaded: dict[str, str] = {}  # The unit files that systemd knows, by service.
        self.enabled: set[str] = set()
        self.running: dict[str, dict[str, str]] = {}  # What each service has read, by service.
        self.interruptions = 0  # How often a running service was stopped.
        self.commands: list[tuple[list[str], dict[str, Any]]] = []
        self.steps_left = -1  # How many changes of the system come before the error.
        self.error: BaseException = Killed()
        self.rejects = False  # Whether the workload takes no live change.
        self.failing_output = ""  # What commands print before they fail; without it they succeed.

    @contextlib.contextmanager
    def patched(self) -> Iterator[None]:
        """Let the charm run on this machine."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(workload, "systemd", self)
            patch.setattr(workload, "ETC", pathops.LocalPath(self.root / "etc"))
            patch.setattr(workload, "USER", getpass.getuser())
            patch.setattr(subprocess, "run", self._run)
            for name in ("replace", "write_text"):
                step = self._stepwise(getattr(pathops.LocalPath, name))
                patch.setattr(pathops.LocalPath, name, step)
            yield

    def daemon_reload(self) -> None:
        self._step()
        self.loaded = {path.stem: path.read_text() for path in self.unit_files.glob("*.service")}

    def service_enable(self, service: str) -> None:
        self._step()
        assert (self.unit_files / f"{service}.service").exists()
        self.enabled.add(service)

    def service_disable(self, service: str) -> None:
        self._step()
        assert (self.unit_files / f"{service}.service").exists()
        self.enabled.discard(service)

    def service_running(self, service: str) -> bool:
        return service in self.running

    def service_restart(self, service: str) -> None:
        self._step()
        self.interruptions += service in self.running
        self.running[service] = {"": self.loaded[service], **self.files}

    def service_reload(self, service: str) -> bool:
        self._step()
        if self.rejects:
            raise self.SystemdError("reload failed")
        assert RELOAD in self.loaded[service].splitlines()
        self.running[service] |= self.files
        return True

    def service_stop(self, service: str) -> None:
        self._step()
        self.interruptions += service in self.running
        self.running.pop(service, None)

    def _run(self, command: list[str], **options: Any) -> Any:
        if command[:-1] == ["systemctl", "is-enabled", "--quiet"]:
            return subprocess.CompletedProcess(command, int(command[-1] not in self.enabled))
        if command[0] not in OUTPUT:
            return RUN(command, **options)  # Which a unit test may not.
        self.commands.append((command, options))
        if text := self.failing_output:
            raise subprocess.CalledProcessError(1, command, text, text)
        is_captured = options.get("capture_output") and options.get("text")
        text = OUTPUT[command[0]] if is_captured else None
        return subprocess.CompletedProcess(command, 0, stdout=text)
<% else %>
    """One unit's container of the workload.

    Args:
        root: The folder in which the container's files are.
    """

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.running: dict[str, dict[str, str]] = {}  # What each service has read, by service.
        self.interruptions = 0  # How often a running service was stopped.
        self.commands: list[list[str]] = []
        self.timeouts: list[float | None] = []  # Of each command, in seconds.
        self.steps_left = -1  # How many changes of the system come before the error.
        self.error: BaseException = Killed()
        self.rejects = False  # Whether the workload takes no live change.
        self.failing_output = ""  # What commands print before they fail; without it they succeed.
        for folder in OPEN_FOLDERS:
            (root / folder[1:]).mkdir(parents=True)

    def container(
        self, name: str = workload.CONTAINER, *, can_connect: bool = True
    ) -> testing.Container:
        """Describe the container for Scenario."""
        container = testing.Container(
            name,
            can_connect=can_connect,
            service_statuses=dict.fromkeys(self.running, ops.pebble.ServiceStatus.ACTIVE),
            execs={testing.Exec([word], stdout=text) for word, text in OUTPUT.items()},
            mounts={
                folder: testing.Mount(location=folder, source=self.root / folder[1:])
                for folder in OPEN_FOLDERS
            },
        )
        is_planned = self.running and name == workload.CONTAINER
        return planned(container) if is_planned else container

    @contextlib.contextmanager
    def patched(self) -> Iterator[None]:
        """Watch what the charm does to the container, and refuse what a real one refuses."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ORIGINALS:
                function = getattr(self, f"_{name}")
                step = self._stepwise(function) if name in STEPS else function
                patch.setattr(ops.Container, name, _as_method(step))
            yield

    def _add_layer(self, container: ops.Container, label: str, layer: Any, **options: Any) -> None:
        added = layer if isinstance(layer, ops.pebble.Layer) else ops.pebble.Layer(layer)
        for service in added.services.values():
            assert service.override and service.command
        for check in added.checks.values():
            assert check.override and any((check.exec, check.http, check.tcp))
        ORIGINALS["add_layer"](container, label, layer, **options)

    def _exec(self, container: ops.Container, command: list[str], **options: Any) -> Any:
        if command[0] not in OUTPUT:
            pytest.fail(f"a unit test would run {command}; fake it in tests/unit/fakes.py")
        if not container.can_connect():
            raise ops.pebble.ConnectionError("no Pebble answers")
        self.commands.append(command)
        self.timeouts.append(options.get("timeout"))
        if text := self.failing_output:
            process = mock.Mock()
            process.wait_output.side_effect = ops.pebble.ExecError(command, 1, text, text)
            return process
        return ORIGINALS["exec"](container, command, **options)

    def _make_dir(self, container: ops.Container, path: Any, **options: Any) -> None:
        _check_writable(path)
        ORIGINALS["make_dir"](container, path, **options)

    def _push(self, container: ops.Container, path: Any, *args: Any, **options: Any) -> None:
        _check_writable(path)
        ORIGINALS["push"](container, path, *args, **options)

    def _replan(self, container: ops.Container) -> None:
        for name, service in container.get_services().items():
            command = container.get_plan().services[name].command
            if not service.is_running() or self.running.get(name, {}).get("") != command:
                self.interruptions += service.is_running()
                self._start(container, name)
        ORIGINALS["replan"](container)

    def _restart(self, container: ops.Container, *services: str) -> None:
        self.interruptions += any(container.get_service(each).is_running() for each in services)
        for service in services:
            self._start(container, service)
        ORIGINALS["restart"](container, *services)

    def _send_signal(self, container: ops.Container, signal: str, *services: str) -> None:
        if self.rejects:
            raise ops.pebble.APIError({}, 400, "Bad Request", "cannot send signal")
        assert signal == RELOAD
        ORIGINALS["send_signal"](container, signal, *services)
        for service in services:
            self.running[service] |= self.files

    def _stop(self, container: ops.Container, *services: str) -> None:
        self.interruptions += any(container.get_service(each).is_running() for each in services)
        for service in services:
            self.running.pop(service, None)
        ORIGINALS["stop"](container, *services)

    def _start(self, container: ops.Container, service: str) -> None:
        command = container.get_plan().services[service].command
        self.running[service] = {"": command, **self.files}
<% endif %>

    @contextlib.contextmanager
    def rewound(self) -> Iterator[None]:
        """Undo afterwards all that happens to the system meanwhile, but for new folders."""
        before = copy.deepcopy(vars(self))
        kept = [(path, path.stat().st_mode, path.read_bytes()) for path in self.paths]
        yield
        for path in self.paths:
            path.unlink()
        for path, mode, content in kept:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode)
        vars(self).update(before)

    def crash(self) -> None:
        """Let what runs end, and start again by itself with the files that it finds."""
        for read in self.running.values():
            read |= self.files

    def _step(self) -> None:
        """Count a change of the system, and let it fail if it is time."""
        self.steps_left -= 1
        if self.steps_left == -1:
            raise self.error

    def _stepwise(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            self._step()
            return function(*args, **options)

        return step

    def shown(self, state: testing.State) -> list[Any]:
        """Return what other users of the system can see: definitions and commands' arguments."""
<% if cookiecutter.substrate == "machine" %>
        return [self.loaded, [command for command, _ in self.commands]]
<% else %>
        return [[container.layers for container in state.containers], self.commands]
<% endif %>

    @property
    def paths(self) -> list[pathlib.Path]:
        """The path of each file."""
        return [path for path in sorted(self.root.rglob("*")) if path.is_file()]

    @property
    def files(self) -> dict[str, str]:
        """The text of each file, by its path from the root."""
        return {
            path.relative_to(self.root).as_posix(): path.read_text(errors="replace")
            for path in self.paths
        }

    @property
    def written(self) -> dict[str, int]:
        """When each file was last written, in nanoseconds since the epoch."""
        return {str(path): path.stat().st_mtime_ns for path in self.paths}

    @property
    def read(self) -> dict[str, str] | None:
        """What the workload's service has read: its definition as "", and files by their paths."""
<% if cookiecutter.substrate == "machine" %>
        return next((r for name, r in self.running.items() if name.endswith(SERVICE)), None)
<% else %>
        return self.running.get(workload.SERVICE)
<% endif %>

    @property
    def settings(self) -> dict[str, Any] | None:
        """What the running workload has applied; None if it doesn't run or isn't done."""
        if (read := self.read) is None:
            return None
        (record,) = (path for path in self.files if path.endswith("/applied.json"))
        applied = json.loads(self.files[record])
        if len(applied) > 1 or any(read[p] != t for p, t in self.files.items() if p != record):
            return None
        return {**applied[0], **parse(self.config.read_text())} if applied else None

    @property
    def config(self) -> pathlib.Path:
        """The workload's file, which is beside the record of what the workload has applied."""
        (record,) = self.root.rglob("applied.json")
        found = [path for path in record.parent.iterdir() if path.name not in OTHER_FILES]
        assert len(found) == 1, f"OTHER_FILES in fakes.py is to name all but one of {found}"
        return found[0]

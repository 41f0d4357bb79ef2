# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The workload: its settings, its files and its service, with no charm concerns.

A placeholder stands in for the workload, so that the charm deploys as it is: a shell that reads
its file again at each SIGHUP. Replace what is above "Common to all workloads":
<% if cookiecutter.substrate == "machine" %>
the user, the commands, the settings and their file's format, how the workload is installed (for
example with charmlibs-apt or charmlibs-snap), and how it takes a change while it runs.
<% else %>
the commands, the check, the settings and their file's format, and how the workload takes a change
while it runs.
<% endif %>

Leadership doesn't fence the workload: one whose unit's agent is gone goes on with its last
settings, perhaps as the leader. Only its own quorum, minimum of replicas, lease or term keeps two
from leading at once. ``Settings.planned_units`` can size that; units differ in it as it changes.
"""

import dataclasses
import json
import logging
<% if cookiecutter.substrate == "machine" %>
import os
import shutil
import subprocess
<% endif %>
from collections.abc import Mapping, Sequence
from typing import Any

<% if cookiecutter.substrate == "machine" %>
from charmlibs import pathops, systemd
<% else %>
import ops
from charmlibs import pathops
<% endif %>

logger = logging.getLogger(__name__)

<% if cookiecutter.substrate == "machine" %>
USER = "root"  # Runs the service, and alone reads its files.
ETC = pathops.LocalPath("/etc")
UNIT = """\
[Unit]
Description=Workload of the Juju application {app}
After=network.target
# A machine that starts before the charm has configured the workload doesn't start it.
ConditionPathExists={config}

[Service]
Type=exec
User={user}
ExecStart=/bin/sh -c 'trap "wc -c {config}" HUP; while :; do sleep 60 & wait; done'
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
# systemd gives up on a service that starts 5 times within 10 seconds.
RestartSec=5

[Install]
WantedBy=multi-user.target
"""
<% else %>
CONTAINER = "workload"  # Its name in charmcraft.yaml.
# The container's user, which charmcraft.yaml sets, must be able to write it.
FOLDER = "/tmp/<< cookiecutter.charm_name >>-workload"
SERVICE = CHECK = "workload"
COMMAND = f'trap "wc -c {FOLDER}/workload.json" HUP; while :; do sleep 60 & wait; done'
LAYER = ops.pebble.Layer(
    {
        "services": {
            SERVICE: {
                "override": "replace",
                "summary": "workload of the << cookiecutter.charm_name >> charm",
                "command": f"/bin/sh -c '{COMMAND}'",
                "startup": "enabled",
            }
        },
        "checks": {
            CHECK: {
                "override": "replace",
                # It stands in for a check of the workload. Ready, not alive: a pod that fails gets
                # no requests, and isn't restarted over and over. Juju's status doesn't show that,
                # so the unit's status does.
                "level": "ready",
                "exec": {"command": f"test -s {FOLDER}/workload.json"},
            }
        },
    }
)
<% endif %>
VERSION_COMMAND = ("sleep", "--version")
# What may go wrong with the workload. It blocks the unit, which tries again with each event.
<% if cookiecutter.substrate == "machine" %>
FAILURES = (OSError, subprocess.SubprocessError, systemd.SystemdError)
<% else %>
FAILURES = (OSError, ops.pebble.Error)
<% endif %>

# How a change of a setting reaches a running workload.
LIVE = {"change": "live"}  # Workload.apply hands it over.
RESTART = {"change": "restart"}  # The workload restarts, as it does for a setting without a mark.
WRITTEN = {"change": "written"}  # The file has it for the next start.


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the workload receives: texts, numbers and booleans, since JSON keeps a record of it."""

    unit: str = dataclasses.field(metadata=WRITTEN)
    leader: str = dataclasses.field(metadata=LIVE)
    leader_address: str = dataclasses.field(metadata=LIVE)
    planned_units: int = dataclasses.field(metadata=LIVE)
    username: str = dataclasses.field(metadata=RESTART, repr=False)
    password: str = dataclasses.field(metadata=RESTART, repr=False)
    log_level: str = dataclasses.field(metadata=RESTART)

    @property
    def leads(self) -> bool:
        """Whether this unit's workload is the one that leads."""
        return self.leader == self.unit

    def render(self) -> str:
        """Render the workload's configuration file."""
        return json.dumps({**vars(self), "leads": self.leads}, indent=2) + "\n"


class Workload:
<% if cookiecutter.substrate == "machine" %>
    """The systemd service that runs the workload on this machine.

    Args:
        app: The application's name. Another application of this charm on the same machine has
            another one, so everything is named after it; two units of one application have not.
    """

    def __init__(self, app: str):
        self._app = app
        self._service = f"{app}-workload"
        self._unit_file = ETC / "systemd/system" / f"{self._service}.service"
        self._folder = ETC / self._service
        self._config = self._folder / "workload.json"
        self._applied = self._folder / "applied.json"

    def install(self) -> None:
        """Ensure that the machine has the workload's software and its service's unit file."""
        # Install a package first: USER may come with it, and the files are written as USER.
        unit = UNIT.format(app=self._app, user=USER, config=self._config)
        if not self._unit_file.exists() or self._unit_file.read_bytes() != unit.encode():
            self._forget()  # So that the service restarts, though a hook may be cut short here.
            self._unit_file.write_text(unit)
        if not self._is_enabled():
            systemd.service_enable(self._service)
<% else %>
    """The Pebble service that runs the workload in its container."""

    def __init__(self, container: ops.Container):
        self._container = container
        self._config = pathops.ContainerPath(FOLDER, "workload.json", container=container)
        self._applied = self._config.with_name("applied.json")
<% endif %>

    def version(self) -> str:
        """Return the last word of the first line that VERSION_COMMAND prints."""
        return self.run(VERSION_COMMAND).partition("\n")[0].rpartition(" ")[2]

    def apply(self, earlier: Sequence[Settings], settings: Settings) -> bool:
        """Hand changed live settings to the running workload, whose file has them already.

<% if cookiecutter.substrate == "machine" %>
        The placeholder gets a signal, which ExecReload sends; another workload may take a command.
<% else %>
        The placeholder gets a signal; another workload may take a command.
<% endif %>
        A command that needs a secret gets it from ``run``, by stdin or environment. After a hook
        that was cut short, or a restart of its own, the workload may have the settings already.

        Args:
            earlier: What the workload may have, the newest last: more than one after a hook that
                was cut short, or a change that it hasn't applied. All that differs is to be handed
                over.
            settings: What it is to have.

        Returns:
            Whether the workload took them. If not, the next event tries again.
        """
        logger.info("apply live settings: %s", ", ".join(_changes(earlier, settings, LIVE)))
        try:
<% if cookiecutter.substrate == "machine" %>
            systemd.service_reload(self._service)
        except systemd.SystemdError:
            return False
<% else %>
            self._container.send_signal("SIGHUP", SERVICE)
        except ops.pebble.APIError:
            return False
<% endif %>
        return True

    # Common to all workloads:

    def reconfigure(self, settings: Settings) -> None:
        """Ensure that the workload runs with these settings, and restart it only if it must.

        What the running workload may have applied is recorded before its file changes, the newest
        last, so that wherever a hook is cut short, the next one knows what is left to do. The
        units don't wait for each other; where their restarts must not coincide,
        charmlibs-rollingops lets them take turns.

        Raises:
            FAILURES: if a file can't be written, or the service can't be started.
        """
<% if cookiecutter.substrate == "kubernetes" %>
        self._container.add_layer(SERVICE, LAYER, combine=True)
<% endif %>
        if earlier := self._recorded():
            self._record(*(each for each in earlier if each != settings), settings)
        self._write(self._config, settings.render())
        applied = True
        is_running = self.is_running()
        if earlier and not is_running:
            logger.warning("the workload has stopped by itself; start it")
        if _changes(earlier, settings, RESTART) or not earlier or not is_running:
            logger.info("restart the workload")
<% if cookiecutter.substrate == "machine" %>
            systemd.daemon_reload()
            systemd.service_restart(self._service)
<% else %>
            self._container.restart(SERVICE)
<% endif %>
        elif _changes(earlier, settings, LIVE):
            applied = self.apply(earlier, settings)
<% if cookiecutter.substrate == "kubernetes" %>
        self._container.replan()  # Restarts the service if its layer has changed.
<% endif %>
        if applied:
            self._record(settings)

    def is_configured(self, settings: Settings) -> bool:
        """Whether the workload runs with just these settings, and would start with them."""
        try:
            return (
                self.is_running()
                and self._recorded() == [settings]
                and self._is_written(self._config, settings.render())
            )
        except FAILURES:
            return False

    def last_settings(self, known: Mapping[str, Any]) -> Settings | None:
        """Return what the workload was last told to take, but for what is known by now.

        Another release may have recorded it; None if nothing did, or if a setting is missing.
        """
        try:
            settings = {**self._read_record()[-1], **known}
            return Settings(**{f.name: settings[f.name] for f in dataclasses.fields(Settings)})
        except (IndexError, KeyError, TypeError, *FAILURES):
            return None

    def is_running(self) -> bool:
        """Whether the service runs."""
<% if cookiecutter.substrate == "machine" %>
        return systemd.service_running(self._service)

    def run(
        self, command: Sequence[str], stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> str:
        """Run a command on the machine and return what it prints.

        Raises:
            subprocess.SubprocessError: if it fails, or takes longer than 60 seconds.
        """
        env = {**os.environ, **(environment or {})}
        return subprocess.run(
            command, input=stdin, env=env, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    def stop(self) -> None:
        """Ensure that the service doesn't run."""
        if self._unit_file.exists():
            systemd.service_stop(self._service)

    def remove(self) -> None:
        """Ensure that neither the service nor a file of the workload is left."""
        if self._unit_file.exists():
            self.stop()
            systemd.service_disable(self._service)
            self._unit_file.unlink()
            systemd.daemon_reload()
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def _is_enabled(self) -> bool:
        command = ["systemctl", "is-enabled", "--quiet", self._service]
        return subprocess.run(command).returncode == 0

    def _write(self, path: pathops.LocalPath, text: str) -> None:
        """Ensure that a file holds this text for its user alone, however a hook is cut short."""
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)  # A hook that was cut short may have left a password in it.
        if self._is_written(path, text):
            return
        path.parent.mkdir(exist_ok=True)
        new.touch(mode=0o600)
        new.write_text(text, user=USER)
        new.replace(path)

    def _is_written(self, path: pathops.LocalPath, text: str) -> bool:
        if not path.exists() or path.stat().st_mode & 0o077:
            return False
        try:
            return (path.owner(), path.read_bytes()) == (USER, text.encode())
        except KeyError:
            return False  # Its owner was a user that is gone.
<% else %>
        service = self._container.get_services(SERVICE).get(SERVICE)
        return service is not None and service.is_running()

    def is_available(self) -> bool:
        """Whether Pebble answers."""
        return self._container.can_connect()

    def is_healthy(self) -> bool:
        """Whether the workload's check succeeds, as far as Pebble knows."""
        check = self._container.get_checks(CHECK).get(CHECK)
        return check is None or check.status != ops.pebble.CheckStatus.DOWN

    def run(
        self, command: Sequence[str], stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> str:
        """Run a command in the workload's container and return what it prints.

        Raises:
            ops.pebble.Error: if it fails, or takes longer than 60 seconds.
        """
        process = self._container.exec(
            list(command), stdin=stdin, environment=dict(environment or {}), timeout=60
        )
        try:
            return process.wait_output()[0]
        except ops.pebble.ExecError as e:
            # It would show what the command printed, perhaps a secret, in Juju's log.
            raise ops.pebble.ExecError(e.command, e.exit_code, None, None) from None

    def _write(self, path: pathops.ContainerPath, text: str) -> None:
        """Ensure that a file holds this text for its user alone; Pebble writes it atomically."""
        pathops.ensure_contents(path, text, mode=0o600)

    def _is_written(self, path: pathops.ContainerPath, text: str) -> bool:
        return path.exists() and path.read_bytes() == text.encode()
<% endif %>

    def _record(self, *settings: Settings) -> None:
        """Record which settings the running workload may have applied, the newest last."""
        self._write(self._applied, json.dumps([vars(each) for each in settings]))

<% if cookiecutter.substrate == "machine" %>
    def _forget(self) -> None:
        """Record that nobody knows what the running workload has applied: it has to restart.

        Without a record it restarts anyway, and USER may not be there yet.
        """
        if record := self._read_record():
            self._write(self._applied, json.dumps([{}, *record]))

<% endif %>
    def _recorded(self) -> list[Settings]:
        try:
            return [Settings(**each) for each in self._read_record()]
        except TypeError:
            return []  # It is of another release, or was forgotten.

    def _read_record(self) -> list[dict[str, Any]]:
        try:
            record = json.loads(self._applied.read_text())
        except (FileNotFoundError, ValueError):
            return []  # It is missing or broken.
        return record if isinstance(record, list) else []


def _changes(
    earlier: Sequence[Settings], settings: Settings, change: Mapping[str, str]
) -> list[str]:
    """Name what differs from any earlier settings, and reaches the workload in this way."""
    return [
        field.name
        for field in dataclasses.fields(Settings)
        if {**RESTART, **field.metadata}["change"] == change["change"]
        and any(getattr(each, field.name) != getattr(settings, field.name) for each in earlier)
    ]

# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""The workload: its configuration file and its service, with no charm concerns.

A placeholder that sleeps stands in for the workload, so that the charm deploys as it is.
<% if cookiecutter.substrate == "machine" %>
Replace ``COMMAND``, extend ``install`` (with charmlibs-apt or charmlibs-snap, say), and let
``Settings.render`` write what your workload reads.
<% else %>
Replace ``COMMAND`` and the image in charmcraft.yaml, and let ``Settings.render`` write what your
workload reads.
<% endif %>
"""

import dataclasses
import json

<% if cookiecutter.substrate == "machine" %>
from charmlibs import pathops, systemd
<% else %>
import ops
from charmlibs import pathops
<% endif %>

COMMAND = "/bin/sleep infinity"
CONFIG_FILE = "/etc/<< cookiecutter.charm_name >>-workload.json"
<% if cookiecutter.substrate == "machine" %>
SERVICE = "<< cookiecutter.charm_name >>-workload"
UNIT_FILE = f"/etc/systemd/system/{SERVICE}.service"
UNIT = f"""\
[Unit]
Description=Workload of the << cookiecutter.charm_name >> charm
After=network.target

[Service]
ExecStart={COMMAND}
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""
<% else %>
SERVICE = "workload"
LAYER = ops.pebble.Layer(
    {
        "services": {
            SERVICE: {
                "override": "replace",
                "summary": "workload of the << cookiecutter.charm_name >> charm",
                "command": COMMAND,
                "startup": "enabled",
            }
        }
    }
)
<% endif %>


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the workload is told."""

    leader: str
    username: str = dataclasses.field(repr=False)
    password: str = dataclasses.field(repr=False)
    log_level: str

    def render(self) -> str:
        """Render the workload's configuration file."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


class Workload:
<% if cookiecutter.substrate == "machine" %>
    """The systemd service that runs the workload on this machine."""

    def __init__(self):
        self._config = pathops.LocalPath(CONFIG_FILE)
        self._new_config = pathops.LocalPath(f"{CONFIG_FILE}.new")
        self._unit = pathops.LocalPath(UNIT_FILE)

    def install(self) -> None:
        """Ensure that systemd knows this version of the service and starts it at boot."""
        running = self.is_running()
        if not self._unit.exists() or self._unit.read_text() != UNIT:
            self.stop()  # For the reason that reconfigure gives.
            self._unit.write_text(UNIT)
        systemd.daemon_reload()
        systemd.service_enable(SERVICE)
        if running:
            systemd.service_start(SERVICE)

    def stop(self) -> None:
        """Ensure that the service doesn't run."""
        if self.is_running():
            systemd.service_stop(SERVICE)

    def remove(self) -> None:
        """Ensure that neither the service nor its configuration file is left."""
        self.stop()
        if self._unit.exists():
            systemd.service_disable(SERVICE)
            self._unit.unlink()
            systemd.daemon_reload()
        self._config.unlink(missing_ok=True)
        self._new_config.unlink(missing_ok=True)

    def is_available(self) -> bool:
        """Whether the service is installed."""
        return self._unit.exists()

    def is_running(self) -> bool:
        """Whether the service runs."""
        return systemd.service_running(SERVICE)
<% else %>
    """The Pebble service that runs the workload in its container."""

    def __init__(self, container: ops.Container):
        self._container = container
        self._config = pathops.ContainerPath(CONFIG_FILE, container=container)

    def is_available(self) -> bool:
        """Whether Pebble answers."""
        return self._container.can_connect()

    def stop(self) -> None:
        """Ensure that the service doesn't run."""
        if self._is_active():
            self._container.stop(SERVICE)

    def is_running(self) -> bool:
        """Whether the service runs and Pebble answers."""
        try:
            return self._is_active()
        except ops.pebble.ConnectionError:
            # Pebble may go away after is_available, and a status must not fail for that.
            return False
<% endif %>

    def is_configured(self, settings: Settings) -> bool:
        """Whether the workload's configuration file says just this."""
        return (
            self.is_available()
            and self._config.exists()
            and self._config.read_text() == settings.render()
        )

    def reconfigure(self, settings: Settings) -> None:
        """Ensure that the service runs with these settings, restarting it only if they changed.

<% if cookiecutter.substrate == "machine" %>
        The file appears whole or not at all, and is never open to other users.

        Raises:
            systemd.SystemdError: if the service can't be started.
<% else %>
        Pebble writes files atomically.

        Raises:
            ops.pebble.ChangeError: if the service can't be started.
            ops.pebble.ConnectionError: if Pebble goes away meanwhile.
<% endif %>
        """
        if not self.is_configured(settings):
            # Stopped before its file changes, the service can't be left running with old settings
            # by a hook that is cut short: the next one finds it stopped, and starts it.
            self.stop()
<% if cookiecutter.substrate == "machine" %>
            self._new_config.unlink(missing_ok=True)
            self._new_config.touch(mode=0o600)
            self._new_config.write_text(settings.render())
            self._new_config.replace(self._config)
        if not self.is_running():
            systemd.service_start(SERVICE)
<% else %>
            pathops.ensure_contents(self._config, settings.render(), mode=0o600)
        self._container.add_layer(SERVICE, LAYER, combine=True)
        self._container.replan()

    def _is_active(self) -> bool:
        service = self._container.get_services(SERVICE).get(SERVICE)
        return service is not None and service.is_running()
<% endif %>

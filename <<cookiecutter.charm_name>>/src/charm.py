#!/usr/bin/env python3
# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Charm the workload, with a leader that every unit knows."""

import dataclasses
import logging

import ops

import leadership
import workload

logger = logging.getLogger(__name__)

LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclasses.dataclass(frozen=True)
class Config:
    """The charm's configuration options.

    Raises:
        ValueError: if an option has a value that the workload can't take.
    """

    log_level: str

    def __post_init__(self):
        if self.log_level not in LOG_LEVELS:
            raise ValueError(f"log-level must be one of: {', '.join(LOG_LEVELS)}")


class << cookiecutter.__class_name >>(ops.CharmBase):
    """Keep the workload of every unit in line with the leader and the credentials."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.leadership = leadership.Leadership(self)
<% if cookiecutter.substrate == "machine" %>
        self.workload = workload.Workload()
<% else %>
        self.workload = workload.Workload(self.unit.get_container("workload"))
<% endif %>

        # The life of a unit:
<% if cookiecutter.substrate == "machine" %>
        framework.observe(self.on.install, self._on_install)
<% endif %>
        framework.observe(self.on.start, self._on_change)
<% if cookiecutter.substrate == "kubernetes" %>
        framework.observe(self.on["workload"].pebble_ready, self._on_change)
<% endif %>
        framework.observe(self.on.config_changed, self._on_change)
        framework.observe(self.on.update_status, self._on_change)
<% if cookiecutter.substrate == "machine" %>
        framework.observe(self.on.upgrade_charm, self._on_upgrade_charm)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_remove)
<% else %>
        framework.observe(self.on.upgrade_charm, self._on_change)
<% endif %>

        # Who leads: the new leader publishes itself, and every other unit gets relation-changed.
        framework.observe(self.on.leader_elected, self._on_change)
        framework.observe(self.on[leadership.PEERS].relation_created, self._on_change)
        framework.observe(self.on[leadership.PEERS].relation_changed, self._on_change)
        framework.observe(self.on[leadership.PEERS].relation_departed, self._on_peers_departed)

        # The application's secret: the leader writes it, and every other unit gets secret-changed.
        framework.observe(self.on.secret_changed, self._on_change)
        framework.observe(self.on.secret_rotate, self._on_secret_rotate)
        framework.observe(self.on.secret_expired, self._on_secret_expired)
        framework.observe(self.on.secret_remove, self._on_secret_remove)

        framework.observe(self.on.rotate_credentials_action, self._on_rotate_credentials_action)
        framework.observe(self.on.show_leadership_action, self._on_show_leadership_action)

        framework.observe(self.on.collect_app_status, self._on_collect_app_status)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_change(self, event: ops.EventBase) -> None:
        """Handle every event that says no more than that something may have changed."""
        self._reconcile()
<% if cookiecutter.substrate == "machine" %>

    def _on_install(self, event: ops.InstallEvent) -> None:
        """Install the workload; it starts once there are credentials to configure it with."""
        self.workload.install()

    def _on_upgrade_charm(self, event: ops.UpgradeCharmEvent) -> None:
        """Install what the new revision of the charm brings."""
        self.workload.install()
        self._reconcile()

    def _on_stop(self, event: ops.StopEvent) -> None:
        """Stop the workload before the unit goes."""
        self.workload.stop()

    def _on_remove(self, event: ops.RemoveEvent) -> None:
        """Leave nothing of the workload on the machine."""
        self.workload.remove()
<% endif %>

    def _on_peers_departed(self, event: ops.RelationDepartedEvent) -> None:
        """Reconcile, unless this unit is the one that goes: it has nothing left to follow."""
        if event.departing_unit != self.unit:
            self._reconcile()

    def _on_secret_rotate(self, event: ops.SecretRotateEvent) -> None:
        """Set new credentials when they are due."""
        if event.secret.label == leadership.SECRET_LABEL:
            self._rotate()

    def _on_secret_expired(self, event: ops.SecretExpiredEvent) -> None:
        """Set new credentials when the newest have expired."""
        if event.secret.label == leadership.SECRET_LABEL:
            self._rotate(expired_revision=event.revision)

    def _on_secret_remove(self, event: ops.SecretRemoveEvent) -> None:
        """Remove a revision that no unit tracks any more."""
        self.leadership.remove_revision(event.secret, event.revision)

    def _on_rotate_credentials_action(self, event: ops.ActionEvent) -> None:
        """Set new credentials, on the leader."""
        try:
            self.leadership.rotate()
        except leadership.NotLeaderError as e:
            event.fail(f"{e}; run: juju run {self.app.name}/leader rotate-credentials")
            return
        except leadership.NoCredentialsError as e:
            event.fail(f"{e}; wait until {self.unit.name} is active")
            return
        self._reconcile()
        event.set_results(self._describe_leadership())

    def _on_show_leadership_action(self, event: ops.ActionEvent) -> None:
        """Show what this unit knows of the leader and the credentials."""
        event.set_results(self._describe_leadership())

    def _on_collect_app_status(self, event: ops.CollectStatusEvent) -> None:
        """Report, on the leader, whether the application has what its units need."""
        event.add_status(self._leadership_status())

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        """Report what this unit waits for, if anything."""
        event.add_status(self._leadership_status())
        try:
            self.load_config(Config)
        except ValueError as e:
            event.add_status(ops.BlockedStatus(str(e)))
        if not self.workload.is_available():
<% if cookiecutter.substrate == "machine" %>
            event.add_status(ops.WaitingStatus("waiting for the workload's installation"))
<% else %>
            event.add_status(ops.WaitingStatus("waiting for Pebble"))
<% endif %>
        elif not self.workload.is_running():
            event.add_status(ops.WaitingStatus("waiting for the workload to run"))

    def _leadership_status(self) -> ops.StatusBase:
        if not self.leadership.has_peers:
            return ops.WaitingStatus("waiting for the peer relation")
        if not self.leadership.is_published:
            return ops.WaitingStatus("waiting for the leader to publish credentials")
        return ops.ActiveStatus()

    def _rotate(self, *, expired_revision: int | None = None) -> None:
        try:
            self.leadership.rotate(expired_revision=expired_revision)
        except leadership.NotLeaderError:
            logger.info("leadership moved on; Juju asks the new leader to rotate")
        self._reconcile()

    def _reconcile(self) -> None:
        """Bring this unit in line with the model; running it twice equals running it once."""
        self.leadership.publish()
        settings = self._settings(refresh=True)
        available = self.workload.is_available()
        logger.info("reconcile with %s, workload available: %s", settings, available)
        # The unit's status says what is missing, and the event that brings it comes here again.
        if settings and available:
            self.workload.reconfigure(settings)

    def _settings(self, *, refresh: bool = False) -> workload.Settings | None:
        """Gather what the workload is to be told, once all of it is there and valid."""
        leader = self.leadership.leader
        credentials = self.leadership.credentials(refresh=refresh)
        if leader is None or credentials is None:
            return None
        try:
            config = self.load_config(Config)
        except ValueError:
            return None
        return workload.Settings(
            leader=leader,
            username=credentials.username,
            password=credentials.password,
            log_level=config.log_level,
        )

    def _describe_leadership(self) -> dict[str, str]:
        credentials = self.leadership.credentials()
        settings = self._settings()
        configured = settings is not None and self.workload.is_configured(settings)
        return {
            "leader": self.leadership.leader or "",
            "is-leader": str(self.unit.is_leader()).lower(),
            "credentials-fingerprint": credentials.fingerprint if credentials else "",
            "workload-configured": str(configured).lower(),
        }


if __name__ == "__main__":  # pragma: no cover
    ops.main(<< cookiecutter.__class_name >>)

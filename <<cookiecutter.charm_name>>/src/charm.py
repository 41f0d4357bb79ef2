#!/usr/bin/env python3
# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Charm a workload that has one leader, which all other units follow."""

import dataclasses
import logging
from typing import Any

import ops

from leadership import PEER_RELATION, Leadership, NotLeaderError
<% if cookiecutter.substrate == "machine" %>
from workload import FAILURES, Settings, Workload
<% else %>
from workload import CONTAINER, FAILURES, Settings, Workload
<% endif %>

logger = logging.getLogger(__name__)

LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclasses.dataclass(frozen=True)
class Config:
    """The charm's configuration options; a ValueError says which value can't be taken."""

    log_level: str

    def __post_init__(self):
        if self.log_level not in LOG_LEVELS:
            raise ValueError(f"log-level must be one of: {', '.join(LOG_LEVELS)}")


class << cookiecutter.__class_name >>(ops.CharmBase):
    """Keep every unit's workload in line with the leader, the credentials and the options."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.leadership = Leadership(self)
<% if cookiecutter.substrate == "machine" %>
        self.workload = Workload(self.app.name)
<% else %>
        self.workload = Workload(self.unit.get_container(CONTAINER))
<% endif %>
        self._workload_status: ops.StatusBase | None = None
        # Each of these means only that something may have changed. Any of them may be lost.
        for event in (
            self.on.install,
            self.on.start,
            self.on.config_changed,
            self.on.update_status,
            self.on.upgrade_charm,
            self.on.leader_elected,
            self.on[PEER_RELATION].relation_created,
            self.on[PEER_RELATION].relation_changed,
            self.on[PEER_RELATION].relation_departed,
            self.on.secret_changed,
<% if cookiecutter.substrate == "kubernetes" %>
            self.on[CONTAINER].pebble_ready,
            self.on[CONTAINER].pebble_check_failed,
            self.on[CONTAINER].pebble_check_recovered,
<% endif %>
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.secret_rotate, self._on_secret_rotate)
        framework.observe(self.on.secret_remove, self._on_secret_remove)
<% if cookiecutter.substrate == "machine" %>
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.remove, self._on_remove)
<% endif %>
        framework.observe(self.on.rotate_credentials_action, self._on_rotate_credentials)
        framework.observe(self.on.show_leadership_action, self._on_show_leadership)
        framework.observe(self.on.collect_app_status, self._on_collect_app_status)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _reconcile(self, event: ops.EventBase) -> None:
        """Bring this unit, and the application if it leads, in line with the model."""
        if self.leadership.is_leaving:
            return
        self.leadership.reconcile()
        try:
            self._workload_status = self._configure_workload(event)
        except FAILURES as e:
            # If the hook failed, Juju would discard what the leader has just published.
            logger.exception("cannot configure the workload")
            message = f"the workload failed with {type(e).__name__}; see juju debug-log"
            self._workload_status = ops.BlockedStatus(message)

    def _configure_workload(self, event: ops.EventBase) -> ops.StatusBase:
        """Bring the workload in line, once all is known that it needs, and return its status."""
<% if cookiecutter.substrate == "machine" %>
        self.workload.install()
<% endif %>
        settings = self._settings()
        logger.debug("configure the workload with %s", settings)
        if missing := self.leadership.missing:
            return ops.WaitingStatus(f"waiting for {missing}")  # Its arrival is another event.
<% if cookiecutter.substrate == "kubernetes" %>
        if not self.workload.is_available():
            return ops.WaitingStatus("waiting for Pebble")
<% endif %>
        if settings is None:
            return ops.ActiveStatus()  # There is no valid option yet, or the application goes.
        was_configured = self.workload.is_configured(settings)
        self.workload.reconfigure(settings)
        if not self.workload.is_configured(settings):
            return ops.WaitingStatus("waiting for the workload to apply its settings")
        if not was_configured or isinstance(event, ops.UpdateStatusEvent):
            self._set_workload_version()
<% if cookiecutter.substrate == "kubernetes" %>
        if not self.workload.is_healthy():
            return ops.WaitingStatus("waiting for the workload's check to succeed")
<% endif %>
        return ops.ActiveStatus()

    def _set_workload_version(self) -> None:
        """Show the workload's version; if it can't be asked now, update-status asks again."""
        try:
            self.unit.set_workload_version(self.workload.version())
        except FAILURES:
            logger.warning("cannot tell the workload's version", exc_info=True)

    def _on_secret_rotate(self, event: ops.SecretRotateEvent) -> None:
        """Rotate the credentials when they are due, unless leadership has moved on since."""
        if self.leadership.manages(event.secret):
            self.leadership.rotate()
        self._reconcile(event)

    def _on_secret_remove(self, event: ops.SecretRemoveEvent) -> None:
        """Remove a revision of the credentials that no unit tracks any more."""
        self.leadership.remove_revision(event)
        self._reconcile(event)
<% if cookiecutter.substrate == "machine" %>

    def _on_stop(self, _: ops.StopEvent) -> None:
        """Stop the workload before the unit goes."""
        self.workload.stop()

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        """Leave nothing of the workload on the machine."""
        self.workload.remove()
<% endif %>

    def _on_rotate_credentials(self, event: ops.ActionEvent) -> None:
        """Rotate the credentials, on the leader.

        If Juju refuses to commit the action, the next event gives the workload the password that
        Juju has kept.
        """
        try:
            self.leadership.rotate()
        except NotLeaderError as e:
            event.fail(str(e))
        except ops.SecretNotFoundError:
            event.fail("there are no credentials to rotate yet")
        else:
            self._reconcile(event)
            event.set_results(self._describe_leadership())

    def _on_show_leadership(self, event: ops.ActionEvent) -> None:
        """Show what this unit knows of the leader and the credentials, and change nothing."""
        event.set_results(self._describe_leadership())

    def _on_collect_app_status(self, event: ops.CollectStatusEvent) -> None:
        """Set the application's status on the leader: active once there are credentials.

        A leader that is leaving sets none, since its status would outlive it.
        """
        if not self.leadership.is_leaving and self.leadership.credentials:
            event.add_status(ops.ActiveStatus())

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        """Set the unit's status to the worst of what is found, if this event has looked at it."""
        if self.leadership.is_leaving:
            event.add_status(ops.MaintenanceStatus("stopping"))
            return
        try:
            self.load_config(Config)
        except ValueError as e:
            event.add_status(ops.BlockedStatus(str(e)))
        if self._workload_status:
            event.add_status(self._workload_status)

    def _settings(self) -> Settings | None:
        """Gather what the workload is to run with, once all of it is known."""
        leader, address = self.leadership.leader, self.leadership.leader_address
        credentials = self.leadership.credentials
        if not (leader and address and credentials):
            return None
        if (planned_units := self.app.planned_units()) == 0:
            return None  # The application is being removed, and its workloads need not know.
        known = dict[str, Any](
            unit=self.unit.name,
            leader=leader,
            leader_address=address,
            planned_units=planned_units,
            username=credentials["username"],
            password=credentials["password"],
        )
        try:
            options = self.load_config(Config)
        except ValueError:
            # The unit is blocked, and follows the leader with the options that it had, if any.
            return self.workload.last_settings(known)
        return Settings(
            **known,
            log_level=options.log_level,
        )

    def _describe_leadership(self) -> dict[str, str]:
        """Describe leadership for a person or a test, without a secret."""
        settings = self._settings()
        configured = settings is not None and self.workload.is_configured(settings)
        return {
            "leader": self.leadership.leader or "",
            "leader-address": self.leadership.leader_address or "",
            "is-leader": str(self.unit.is_leader()).lower(),
            "credentials-fingerprint": self.leadership.fingerprint,
            "workload-configured": str(configured).lower(),
        }


if __name__ == "__main__":  # pragma: no cover
    ops.main(<< cookiecutter.__class_name >>)

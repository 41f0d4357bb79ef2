# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Who leads the application, and the credentials that its leader keeps for every unit.

Every guard asks ``is_leader``, whatever the event, since Juju tells a deposed leader nothing. ops
asks Juju at most once in 30 seconds, for which Juju guarantees leadership; a commit that comes too
late is refused, and Juju retries the hook. Before Juju 4 the secret may have changed by then, so
whatever is written here can be written again.
See https://documentation.ubuntu.com/juju/3.6/reference/unit/#leader-unit
"""

import contextlib
import hashlib
import secrets
from collections.abc import Mapping

import ops

PEER_RELATION = "peers"
# Keys of the application's databag. The ID tells followers that there is a secret, or another one.
LEADER_KEY = "leader"
SECRET_ID_KEY = "credentials-id"

SECRET_LABEL = "credentials"
SECRET_ROTATION = ops.SecretRotate.MONTHLY
# The secret's keys, and how the leader makes them. It adds what is new here to a secret that
# exists; followers wait for it. Juju takes keys of three or more lower-case letters, digits and
# hyphens that begin with a letter.
CREDENTIALS = {
    "username": lambda: "admin",
    "password": lambda: secrets.token_urlsafe(32),
}
ROTATED = ("password",)


class NotLeaderError(Exception):
    """Another unit leads the application, so this unit may not write for it."""


class Leadership:
    """What the leader publishes: every unit reads it, and the leader alone writes it."""

    def __init__(self, charm: ops.CharmBase):
        self._model = charm.model
        self._app = charm.app
        self._unit = charm.unit
        self._secret: ops.Secret | None = None

    def require_leader(self) -> None:
        """Refuse to go on unless this unit leads; the first line of what only the leader may do.

        Raises:
            NotLeaderError: if another unit leads. In an action it names the command to run.
        """
        if not self._unit.is_leader():
            action = ops.JujuContext.from_environ().action_name
            hint = f"; run: juju run {self._app.name}/leader {action}" if action else ""
            raise NotLeaderError(f"{self._unit.name} is not the leader{hint}")

    @property
    def is_leaving(self) -> bool:
        """Whether Juju is removing or stopping this unit, which may lead until the end."""
        juju = ops.JujuContext.from_environ()
        leaving = (f"{PEER_RELATION}-relation-broken", "stop", "remove")
        return juju.relation_departing_unit_name == self._unit.name or juju.hook_name in leaving

    @property
    def leader(self) -> str | None:
        """The unit that published itself as the leader, such as ``app/0``.

        A unit that reads its own name and doesn't lead gets None: it was deposed and no other
        leader has published yet, or Kubernetes gave it the name of a former unit.
        """
        leader = self._published.get(LEADER_KEY)
        return leader if leader != self._unit.name or self._unit.is_leader() else None

    @property
    def leader_address(self) -> str | None:
<% if cookiecutter.substrate == "machine" %>
        """The leader's IP address or host name, which Juju keeps up to date in its databag."""
        peers, leader = self._peers, self.leader
        if peers is None or leader is None:
            return None
        try:
            return peers.data.get(self._model.get_unit(leader), {}).get("ingress-address")
        except ops.ModelError as e:
            # Juju may list a unit that is gone: https://github.com/juju/juju/issues/23326
            if "not found" not in str(e):
                raise
            return None
<% else %>
        """The leader's DNS name in the model's namespace, which outlives the pod behind it.

        It is not ingress-address, which is the service's address and the same for all units.
        """
        leader = self.leader
        return f"{leader.replace('/', '-')}.{self._app.name}-endpoints" if leader else None
<% endif %>

    @property
    def credentials(self) -> dict[str, str] | None:
        """The published credentials that this unit tracks, once they have every key."""
        secret = self._find_secret() if SECRET_ID_KEY in self._published else None
        content = secret.get_content() if secret else {}
        return content if CREDENTIALS.keys() <= content.keys() else None

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits that tell credentials apart, or an empty text without any.

        They hide a generated password; one that a person chose could be guessed from them.
        """
        credentials = self.credentials
        values = str(sorted(credentials.items())) if credentials else ""
        return hashlib.sha256(values.encode()).hexdigest()[:12] if values else ""

    @property
    def missing(self) -> str:
        """What this unit waits for before it can follow or lead, or an empty text."""
        if self._peers is None:
            return "the peer relation"
        if self.credentials is None:
            return "the leader to publish credentials"
        if self.leader is None:
            return "the new leader to publish itself"
<% if cookiecutter.substrate == "machine" %>
        return "" if self.leader_address else "the leader's address"
<% else %>
        return ""
<% endif %>

    def reconcile(self) -> None:
        """Track the newest credentials and, on the leader, publish them and who leads.

        A changed value reaches every unit, the writer included, as peers-relation-changed, which
        replaces the deprecated leader-settings-changed. Followers write nothing, so a failover to
        N units costs one leader-elected and N peers-relation-changed.
        """
        if (peers := self._peers) is None:
            return
        leads = self._unit.is_leader()
        # Juju logs an error for a unit that asks for the secret before there is one.
        secret = self._find_secret() if leads or SECRET_ID_KEY in self._published else None
        content = secret.get_content(refresh=True) if secret else {}
        if not leads:
            return
        made = {key: make() for key, make in CREDENTIALS.items() if key not in content}
        if secret is None:
            info = self._app.add_secret(made, label=SECRET_LABEL, rotate=SECRET_ROTATION)
        else:
            info = secret.get_info()
            if info.rotation != SECRET_ROTATION:
                secret.set_info(rotate=SECRET_ROTATION)
            if made:
                self._set_content(secret, {**content, **made})
        # ops leaves out what is published already, and writes nothing if that is all.
        published = {LEADER_KEY: self._unit.name, SECRET_ID_KEY: _bare_id(info.id)}
        peers.data[self._app].update(published)

    def rotate(self) -> None:
        """Make some of the credentials anew, which reach every follower as secret-changed.

        Raises:
            NotLeaderError: if another unit leads.
            ops.SecretNotFoundError: if no leader has made the credentials yet.
        """
        self.require_leader()
        secret = self._model.get_secret(label=SECRET_LABEL)
        # A new leader may still track an old revision, so start from the newest.
        rotated = {key: CREDENTIALS[key]() for key in ROTATED}
        self._set_content(secret, {**secret.peek_content(), **rotated})

    def remove_revision(self, event: ops.SecretRemoveEvent) -> None:
        """Remove, on the leader, a revision of the credentials that no unit tracks any more.

        Another secret, one that is gone and the newest revision stay: if Juju refuses a removal
        when the hook ends, it repeats the hook (https://github.com/juju/juju/issues/20794).
        """
        if self.manages(event.secret) and event.revision < event.secret.get_info().revision:
            event.remove_revision()

    def manages(self, secret: ops.Secret) -> bool:
        """Whether this unit leads, and a secret is that of the credentials.

        The ID tells, since Juju 3.6 may send secret-remove without a label.
        """
        mine = self._find_secret() if self._unit.is_leader() else None
        return mine is not None and secret.unique_identifier == _bare_id(mine.get_info().id)

    @property
    def _peers(self) -> ops.Relation | None:
        """The peer relation, once Juju lets this unit use it.

        Until the unit has entered the relation, whose databag has its address from then on, Juju
        may list it, refuse its data, and ops show none. Of two relations every unit takes the
        newer. See https://github.com/canonical/operator/issues/1452 and
        https://github.com/juju/juju/issues/19631
        """
        usable = [r for r in self._model.relations[PEER_RELATION] if r.data[self._unit]]
        return max(usable, key=lambda relation: relation.id, default=None)

    @property
    def _published(self) -> Mapping[str, str]:
        """The application's databag, which a follower may read only on a peer relation."""
        return self._peers.data[self._app] if self._peers else {}

    def _find_secret(self) -> ops.Secret | None:
        """Fetch the secret by its label, and keep what was found for the rest of the hook."""
        with contextlib.suppress(ops.SecretNotFoundError):
            self._secret = self._secret or self._model.get_secret(label=SECRET_LABEL)
        return self._secret

    def _set_content(self, secret: ops.Secret, content: dict[str, str]) -> None:
        """Make a new revision of the secret, and track it."""
        secret.set_content(content)
        # The object knows its ID by now, and fetching by ID and label relabels a secret.
        self._secret = self._model.get_secret(label=SECRET_LABEL)
        self._secret.get_content(refresh=True)


def _bare_id(secret_id: str | None) -> str:
    """Return the part of a secret's ID that is the same in every form that Juju gives it."""
    return str(secret_id).rpartition("/")[2].removeprefix("secret:")

# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

"""Who leads the application, and the credentials that its leader keeps for every unit.

Only this module knows the peer relation, the application's secret, and the guards in front of
what Juju lets the leader alone write.

Juju guarantees leadership for 30 seconds after it says so, and tells a deposed leader nothing.
So every guard asks ``is_leader`` right before the write, whatever event is being handled.
See https://documentation.ubuntu.com/juju/3.6/reference/unit/#leader-unit
"""

import dataclasses
import hashlib
import os
import secrets

import ops

PEERS = "peers"
SECRET_LABEL = "credentials"
# Keys of the application's databag on the peer relation.
LEADER_KEY = "leader"
SECRET_ID_KEY = "credentials-id"


class NotLeaderError(Exception):
    """Another unit leads the application, so this unit may not write for it."""


class NoCredentialsError(Exception):
    """No leader has made the application's credentials yet."""


@dataclasses.dataclass(frozen=True)
class Credentials:
    """The user name and password that every unit of the application shares."""

    username: str = dataclasses.field(repr=False)
    password: str = dataclasses.field(repr=False)

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits that tell credentials apart without revealing them."""
        return hashlib.sha256(f"{self.username}:{self.password}".encode()).hexdigest()[:12]


class Leadership:
    """What the leader publishes: every unit reads it, and the leader alone writes it."""

    def __init__(self, charm: ops.CharmBase):
        self._model = charm.model
        self._app = charm.app
        self._unit = charm.unit
        self._secret: ops.Secret | None = None

    @property
    def has_peers(self) -> bool:
        """Whether the peer relation can be used, which it can right after install."""
        return self._peers is not None

    @property
    def leader(self) -> str | None:
        """The name of the unit that published itself as the leader, such as ``app/0``."""
        return self._published.get(LEADER_KEY)

    @property
    def is_published(self) -> bool:
        """Whether a leader has published its name and where the credentials are."""
        return LEADER_KEY in self._published and SECRET_ID_KEY in self._published

    def publish(self) -> None:
        """Ensure, on the leader, that every unit can learn who leads and find the credentials.

        A changed value reaches every other unit as peers-relation-changed, which replaces the
        deprecated leader-settings-changed event. Only the leader writes, so one failover costs N
        events over N units. A unit that does not lead returns without writing.
        """
        peers = self._peers
        if peers is None or not self._unit.is_leader():
            return
        published = {LEADER_KEY: self._unit.name}
        secret = self._find_secret()
        if secret is None:
            secret = self._app.add_secret(_generate(), label=SECRET_LABEL)
            published[SECRET_ID_KEY] = str(secret.id)
        elif SECRET_ID_KEY not in self._published:
            # A secret that is fetched by label doesn't know its id.
            published[SECRET_ID_KEY] = secret.get_info().id
        # ops leaves out what is published already, and writes nothing if that is all.
        peers.data[self._app].update(published)

    def credentials(self, *, refresh: bool = False) -> Credentials | None:
        """Read the credentials, as any unit may.

        Args:
            refresh: Whether to move on to the newest revision first. If not, return those that
                this unit was last refreshed to.

        Returns:
            The credentials, or ``None`` if no leader has published them yet.
        """
        # Units fetch by label alone. The published id announces the secret, and saves an
        # ERROR in Juju's log from a unit that asks before there is one.
        secret = self._find_secret() if self.is_published else None
        if secret is None:
            return None
        content = secret.get_content(refresh=refresh)
        return Credentials(content["username"], content["password"])

    def rotate(self, *, expired_revision: int | None = None) -> None:
        """Set a new password, which reaches every other unit as secret-changed.

        Args:
            expired_revision: Rotate only if the secret has no newer revision than this. Juju
                repeats secret-expired until the revision is removed, which happens when no unit
                tracks it any more.

        Raises:
            NotLeaderError: if another unit leads.
            NoCredentialsError: if there are no credentials to rotate yet.
        """
        secret = self._find_secret()
        # A new leader may still track an old revision, so start from the newest.
        content = secret.peek_content() if secret else {}
        content |= {"password": _generate()["password"]}
        if not self._unit.is_leader():
            raise NotLeaderError(f"{self._unit.name} is not the leader")
        if secret is None:
            raise NoCredentialsError("no leader has made the credentials yet")
        if expired_revision is not None and secret.get_info().revision > expired_revision:
            return
        secret.set_content(content)
        # It has learnt its id, and would be relabelled when it is fetched by id and label.
        self._secret = None

    def remove_revision(self, secret: ops.Secret, revision: int) -> None:
        """Ensure, on the leader, that an obsolete revision of a secret doesn't pile up."""
        if self._unit.is_leader():
            secret.remove_revision(revision)

    @property
    def _peers(self) -> ops.Relation | None:
        # During install, Juju lists the relation already and yet refuses its data; statuses are
        # collected then too. See https://github.com/canonical/operator/issues/1452
        if os.environ.get("JUJU_HOOK_NAME") == "install":
            return None
        return self._model.get_relation(PEERS)

    @property
    def _published(self) -> dict[str, str]:
        """What the leader has published, which followers may read on a peer relation only."""
        return dict(self._peers.data[self._app]) if self._peers else {}

    def _find_secret(self) -> ops.Secret | None:
        """Fetch the secret, once for each event that finds it."""
        if self._secret is None:
            try:
                self._secret = self._model.get_secret(label=SECRET_LABEL)
            except ops.SecretNotFoundError:
                return None
        return self._secret


def _generate() -> dict[str, str]:
    return {"username": "admin", "password": secrets.token_urlsafe(32)}

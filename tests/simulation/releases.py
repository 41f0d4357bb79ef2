"""Where the releases of Juju differ, as far as the charm or its tests can tell.

Juju 4 was seen: each text of it is in a recording in tests/juju/recordings/. Juju 3.6 was read and
not seen: each line names its place in juju's source, branch 3.6, commit 54929dc40e (3.6.26).
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Release:
    """One release.

    The texts are format strings of ``app``, ``id``, ``label`` and ``unit``.

    Attributes:
        version: What units and status call it.
        variables: What only this release sets for a hook, empty.
        lists_peers_in_install: Whether the peer relation is listed in install, where its data
            can't be used.
        shows_upgrading_from: Whether status says which units still run the former charm.
        configs: How often one change of an option makes a unit run config-changed.
        databag: The keys of a unit's databag that hold its address.
        removed_secret: What secret-remove calls the secret.
        unknown_unit: relation-get of a unit that isn't there.
        unknown_label: secret-get of a label that isn't there.
        relabel: secret-get of an id with a new label by a follower, which may be ignored.
        not_leader: The commit of a secret's change by a unit that doesn't lead.
        lease_lost: The commit of what was asked for as leader, by a unit that no longer leads.
        label_exists: The commit of a second secret with the same label.
        lost_content: secret-remove's commit on Kubernetes when the content is gone already, which
            may be tolerated.
    """

    version: str
    variables: tuple[str, ...]
    lists_peers_in_install: bool
    shows_upgrading_from: bool
    configs: int
    databag: tuple[str, ...]
    removed_secret: str
    unknown_unit: str
    unknown_label: str
    relabel: str | None
    not_leader: str
    lease_lost: str
    label_exists: str
    lost_content: str | None


JUJU_4 = Release(
    version="4.0.15",
    variables=(
        "JUJU_CHARM_TRACE_CONFIG_CA_CERT",
        "JUJU_CHARM_TRACE_CONFIG_GRPC",
        "JUJU_CHARM_TRACE_CONFIG_HTTP",
    ),
    lists_peers_in_install=False,
    shows_upgrading_from=False,
    configs=2,
    databag=("ingress-address",),
    removed_secret="{id}",
    unknown_unit="relation unit not found",
    unknown_label='secret URI for consumer label "{label}" not found',
    relabel="lease not held",
    not_leader='"{unit}" is not allowed to manage this secret',
    lease_lost="checking lease token: lease not held",
    label_exists=(
        'executing leadership func: create secrets: creating secret "{id}": '
        'secret with label "{label}" already exists'
    ),
    lost_content=(
        'cannot delete secret "{id}" revision {revision} from backend: '
        'secret "{id}-{revision}" not found'
    ),
)
JUJU_3_6 = Release(
    version="3.6.26",
    # internal/worker/uniter/runner/context/context.go:1515; JUJU_SLA, which nothing here reads,
    # is left out.
    variables=(),
    # Read in https://github.com/canonical/operator/issues/1452, not in Juju's source.
    lists_peers_in_install=True,
    # apiserver/facades/client/client/status.go:1731
    shows_upgrading_from=True,
    # internal/worker/uniter/resolver.go:398, a hash of the options
    configs=1,
    # apiserver/facades/agent/uniter/uniter.go:1236
    databag=("ingress-address", "private-address"),
    # state/secrets.go:2942, the same as in secret-changed
    removed_secret="secret:{id}",
    # state/relationunit.go:632
    unknown_unit=(
        'cannot read settings for unit "{unit}" in relation "{app}:peers": '
        'unit "{unit}": settings not found'
    ),
    # apiserver/facades/agent/secretsmanager/secrets.go:810
    unknown_label='consumer label "{label}" not found',
    # apiserver/facades/agent/secretsmanager/secrets.go:663
    relabel=None,
    # core/leadership/interface.go:46
    not_leader='"{unit}" is not leader of "{app}"',
    # state/leadership.go:29
    lease_lost='checking leadership continuity: "{unit}" is not leader of "{app}"',
    # state/secrets.go:2078
    label_exists=(
        'creating secrets: secret label "{label}" for owner "application-{app}" already exists'
    ),
    # internal/worker/uniter/runner/context/context.go:1801, content that is gone is passed over
    lost_content=None,
)
# By the snap channel that the workflows install it from.
BY_CHANNEL = {"3.6/stable": JUJU_3_6, "4.0/stable": JUJU_4}

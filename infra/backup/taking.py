"""Takes the snapshots of a backup, and checks and counts what is in them."""

from infra.backup.archive import Snapshots
from infra.backup.contents import Counts, count_consul, count_nomad
from infra.cluster_api.client import Retrier
from infra.cluster_api.consul import Consul
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access

SNAPSHOT_TIMEOUT_S = 60
"""Raft refuses a snapshot until it has applied the last change of the servers."""


def take_snapshots(access: Access) -> Snapshots:
    """Return a snapshot of Consul and one of Nomad.

    Raises:
        AgentError: a server returns no snapshot.
    """
    consul, nomad = Consul(access), Nomad(access)
    retrier = Retrier(SNAPSHOT_TIMEOUT_S)
    return Snapshots(
        retrier.run("snapshot of Consul", consul.take_snapshot),
        retrier.run("snapshot of Nomad", nomad.take_snapshot),
    )


def count_objects(snapshots: Snapshots) -> Counts:
    """Return the number of objects in both snapshots.

    Raises:
        SnapshotError: one is incomplete or changed.
    """
    return {**count_nomad(snapshots.nomad), **count_consul(snapshots.consul)}

"""What lives in a cluster belongs to it: its jobs and its Consul entries come and go with the primes that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The machines that hold what Nomad and Consul know, and what must be ready before they are told more."""

    primes: Sequence[pulumi.Resource]
    """The droplets of the primes, the first one first."""
    ready: Sequence[pulumi.Resource] = ()

    def options(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of a resource that lives in the cluster.

        It is not deleted one by one when the first prime goes, and made again when the only prime is replaced; where
        there are several, the others keep it.
        """
        alone = len(self.primes) == 1
        return pulumi.ResourceOptions(
            parent=parent,
            depends_on=list(self.ready),
            deleted_with=self.primes[0],
            replace_with=list(self.primes) if alone else None,
        )

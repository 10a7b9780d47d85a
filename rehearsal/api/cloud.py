"""What the rooms share: the cloud that a request is about, as the account sees it that asks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from rehearsal.api.worker import Worker
from rehearsal.config import CloudConfig
from rehearsal.state.accounts import Account, Accounts
from rehearsal.state.store import Database, Store
from rehearsal.times import Times
from rehearsal.topology.network_reconciler import NetworkReconciler
from rehearsal.topology.protocol import Machines


@dataclass(frozen=True)
class Cloud:
    """One account's: the store is its own, machines and network are everybody's."""

    config: CloudConfig
    owner: str
    """The account's name."""
    accounts: Accounts
    store: Store
    machines: Machines
    network: NetworkReconciler
    worker: Worker

    @property
    def times(self) -> Times:
        """How long changes take that are no actions."""
        return self.config.times

    @property
    def account(self) -> Account:
        """Whose cloud it is, with its limits of this moment."""
        return self.accounts.get(self.owner)


class Clouds:
    """The clouds of all accounts, each made when its account is first seen."""

    def __init__(
        self,
        config: CloudConfig,
        accounts: Accounts,
        database: Database,
        machines: Machines,
        prepare: Callable[[Cloud], None],
    ) -> None:
        self.network = NetworkReconciler(config, database, machines)
        self._config = config
        self._accounts = accounts
        self._database = database
        self._machines = machines
        self._prepare = prepare
        """Done once with each cloud before anything else."""
        self._made: dict[str, Cloud] = {}

    def of(self, owner: str) -> Cloud:
        """The cloud of an account, by the account's name."""
        if owner not in self._made:
            store = self._database.of(owner)
            cloud = Cloud(
                self._config,
                owner,
                self._accounts,
                store,
                self._machines,
                self.network,
                Worker(store, self._config.times),
            )
            self._prepare(cloud)
            self._made[owner] = cloud
        return self._made[owner]

    def __iter__(self) -> Iterator[Cloud]:
        """Those of all accounts that there are now."""
        return iter([self.of(account.name) for account in self._accounts.all()])


async def _of_request(request: Request) -> Cloud:
    clouds, owner = request.app.state.clouds, request.state.account
    assert isinstance(clouds, Clouds)
    return clouds.of(owner)


TheCloud = Annotated[Cloud, Depends(_of_request)]

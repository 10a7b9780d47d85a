"""The cloud as one account sees it; the resources' services work on it."""

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
    """The cloud of one account. Accounts have separate stores and share machines and network."""

    config: CloudConfig
    account_name: str
    accounts: Accounts
    store: Store
    machines: Machines
    network: NetworkReconciler
    worker: Worker

    @property
    def times(self) -> Times:
        """The durations of changes without an action."""
        return self.config.times

    @property
    def account(self) -> Account:
        """The account, with its present limits."""
        return self.accounts.get(self.account_name)


class Clouds:
    """The clouds of all accounts, each created at its first use."""

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
        """Called once for each cloud, before its first use."""
        self._clouds: dict[str, Cloud] = {}

    def for_account(self, account_name: str) -> Cloud:
        """Return the cloud of an account."""
        if account_name not in self._clouds:
            store = self._database.store_for(account_name)
            cloud = Cloud(
                self._config,
                account_name,
                self._accounts,
                store,
                self._machines,
                self.network,
                Worker(store, self._config.times),
            )
            self._prepare(cloud)
            self._clouds[account_name] = cloud
        return self._clouds[account_name]

    def __iter__(self) -> Iterator[Cloud]:
        """Iterate over the clouds of all present accounts."""
        return iter([self.for_account(account.name) for account in self._accounts.all()])


async def _cloud_of_request(request: Request) -> Cloud:
    clouds, account_name = request.app.state.clouds, request.state.account
    assert isinstance(clouds, Clouds)
    return clouds.for_account(account_name)


CurrentCloud = Annotated[Cloud, Depends(_cloud_of_request)]

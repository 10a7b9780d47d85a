"""What the rooms share: the cloud that a request is about."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from rehearsal.config import CloudConfig
from rehearsal.keeper import NetworkKeeper
from rehearsal.machines.protocol import Machines
from rehearsal.store import Store
from rehearsal.worker import Worker


@dataclass(frozen=True)
class Cloud:
    config: CloudConfig
    store: Store
    machines: Machines
    network: NetworkKeeper
    worker: Worker


def _of_request(request: Request) -> Cloud:
    cloud = request.app.state.cloud
    assert isinstance(cloud, Cloud)
    return cloud


TheCloud = Annotated[Cloud, Depends(_of_request)]

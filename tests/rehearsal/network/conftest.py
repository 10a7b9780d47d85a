"""A small cloud with web servers, and load balancers in front of them."""

import asyncio
from collections.abc import Iterator

import pytest

from rehearsal.network.load_balancers import LoadBalancers
from tests.rehearsal.support.balanced import Web
from tests.rehearsal.support.small_cloud import small_cloud


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    state = tmp_path_factory.mktemp("s")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE", str(state))
        with small_cloud(state) as cloud:
            yield Web(cloud, state)


@pytest.fixture
def balancers(web: Web) -> Iterator[LoadBalancers]:
    """The cloud's load balancers; the targets are healthy at first, and HAProxy ends afterwards."""
    for droplet in web.cloud.droplets:
        web.health(droplet.id, 200)
    balancers = LoadBalancers(web.cloud.config)
    yield balancers
    asyncio.run(balancers.stop())
    assert not asyncio.run(balancers.find_serving_targets())

"""The bucket of backups, the Spaces key for it, and the keys that backups need."""

from typing import Any

import pulumi
import pytest

from infra.backup.backups import Backups, BackupsArgs
from infra.cluster.credentials import ClusterCredentials
from infra.settings import load
from tests.infra.support.agents_api import member
from tests.infra.support.cloud import FakeCloud, run, start


class Output:
    """An object with outputs as attributes."""

    def __init__(self, **outputs: Any) -> None:
        self.__dict__.update(outputs)


@pytest.fixture
def cloud() -> FakeCloud:
    cloud = start()
    settings = load("dev", {"admin_cidrs": "203.0.113.0/24"}, {})

    def program() -> Any:
        cluster: Any = Output(
            roster=Output(id="the cluster"),
            primes=pulumi.Output.from_input([member("prime01nyc3", 2)]),
            access=pulumi.Output.secret({}),
        )
        return Backups(
            "backups",
            BackupsArgs(
                prefix="slipway-dev",
                region="nyc3",
                bucket="the-bucket",
                endpoint="https://nyc3.spaces.test",
                period_h=24,
                keep=14,
                days=30,
                credentials=ClusterCredentials.create("slipway-dev", settings, []),
                cluster=cluster,
                host_keys=pulumi.Output.from_input({"prime01nyc3": "key"}),
            ),
        ).urn

    run(program)
    return cloud


def test_the_bucket_is_private_and_replaced_before_it_is_deleted(cloud: FakeCloud) -> None:
    bucket = cloud.created["backups-bucket"]
    assert (bucket["name"], bucket["acl"], bucket["forceDestroy"]) == (
        "the-bucket",
        "private",
        True,
    )
    request = cloud.requests["backups-bucket"]
    assert (list(request.replaceOnChanges), request.deleteBeforeReplace) == (["name"], False)


def test_primes_get_a_key_for_this_bucket_only(cloud: FakeCloud) -> None:
    key = cloud.created["backups-spaces-key"]
    assert key["name"] == "slipway-dev-backups"
    assert key["grants"] == [{"bucket": "the-bucket", "permission": "readwrite"}]


def test_primes_get_the_certificate_and_not_its_private_key(cloud: FakeCloud) -> None:
    config = cloud.created["backups-schedule"]["config"]
    assert config["url"] == "https://nyc3.spaces.test/the-bucket"
    assert "backups-certificate" in config["certificate"]
    assert (config["period_h"], config["keep"], config["days"]) == (24, 14, 30)
    assert "backups-key private" not in str(cloud.created["backups-schedule"])
    assert {"config", "token", "enrol_key", "access"} <= cloud.secret["backups-schedule"]

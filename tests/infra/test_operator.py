"""The operator's own access."""

import re
from typing import Any

import pulumi
import pulumi_consul as consul
import pulumi_nomad as nomad
import pytest

from infra.cluster.providers import ClusterProviders
from infra.mtls import Credentials
from infra.operator import Operator, OperatorArgs
from tests.infra.support.cloud import FakeCloud, is_secret, run, start

SHOWN = Credentials(authority="the authority", certificate="a certificate", key="a key")


@pytest.fixture
def cloud() -> FakeCloud:
    return start()


def operator(*, can_read_consul: bool = True) -> Operator:
    in_nomad, in_consul = (
        pulumi.ResourceOptions(
            providers=[provider], deleted_with=provider, replacement_trigger="the cluster"
        )
        for provider in (nomad.Provider("in-nomad"), consul.Provider("in-consul"))
    )
    shown: pulumi.Output[Credentials] = pulumi.Output.secret(SHOWN)
    return Operator(
        "operator",
        OperatorArgs(
            certificate=shown,
            providers=ClusterProviders(nomad=in_nomad, consul=in_consul),
            can_read_consul=can_read_consul,
        ),
    )


@pytest.mark.usefixtures("cloud")
def test_credentials_are_whole_and_secret() -> None:
    seen: list[Any] = []

    def program() -> pulumi.Output[Any]:
        credentials = operator().credentials
        return pulumi.Output.all(credentials, is_secret(credentials)).apply(seen.extend)

    run(program)
    tokens = {
        "consul_token": "secret of operator-consul-token-accessor",
        "nomad_token": "operator-nomad-token-secret",
    }
    assert seen == [{**SHOWN, **tokens}, True]


@pytest.mark.parametrize("preview", [True, False])
def test_only_a_preview_does_without_consul(preview: bool) -> None:
    start(preview=preview)
    seen: list[Any] = []
    run(lambda: operator(can_read_consul=False).credentials.apply(seen.append))
    assert [credentials["consul_token"] for credentials in seen] == [
        "" if preview else "secret of operator-consul-token-accessor"
    ]


def test_tokens_are_good_for_their_policy_and_nothing_else(cloud: FakeCloud) -> None:
    run(lambda: operator().credentials)
    in_consul, in_nomad = (
        cloud.created["operator-consul-token"],
        cloud.created["operator-nomad-token"],
    )
    assert (in_consul["policies"], in_nomad["policies"], in_nomad["type"]) == (
        ["operator"],
        ["operator"],
        "client",
    )
    assert not {"roles", "nodeIdentities", "serviceIdentities", "templatedPolicies"} & {
        *in_consul,
        *in_nomad,
    }


def test_consul_shows_everything_but_keys_and_lets_nothing_be_changed(cloud: FakeCloud) -> None:
    run(lambda: operator().credentials)
    rules = cloud.created["operator-consul-policy"]["rules"]
    granted = set(re.findall(r'(\w+)(?: "")? (?:\{ policy )?= "(\w+)"', rules))
    assert granted == {
        (what, "read")
        for what in ("agent_prefix", "node_prefix", "query_prefix", "service_prefix", "operator")
    }


def test_nomad_lets_instances_be_repaired_and_nothing_be_run(cloud: FakeCloud) -> None:
    run(lambda: operator().credentials)
    rules = cloud.created["operator-nomad-policy"]["rulesHcl"]
    assert set(re.findall(r'policy +?= "(\w+)"', rules)) == {"read"}
    (capabilities,) = re.findall(r"capabilities = \[(.*)\]", rules)
    assert capabilities == '"read-logs", "read-fs", "alloc-lifecycle"'
    assert "variables" not in rules


def test_policies_and_tokens_are_bound_to_the_cluster(cloud: FakeCloud) -> None:
    run(lambda: operator().credentials)
    for name in (
        "operator-consul-policy",
        "operator-consul-token",
        "operator-nomad-policy",
        "operator-nomad-token",
    ):
        request = cloud.requests[name]
        provider = "in-consul" if "consul" in name else "in-nomad"
        assert (request.provider.split("::")[-2], request.deletedWith.split("::")[-1]) == (
            provider,
            provider,
        )
        assert request.replacement_trigger.string_value == "the cluster"

"""What is random: its forms, and that it stays secret."""

import base64
import uuid
from typing import Any

import pulumi
import pytest

from infra.secrets import NodeSecrets, Secrets
from tests.infra.support.cloud import FakeCloud, is_secret, run, start


@pytest.fixture
def cloud() -> FakeCloud:
    return start()


def made() -> tuple[Secrets, NodeSecrets]:
    secrets = Secrets("secrets")
    return secrets, secrets.create_node_secrets("worker01", {"image": "1"})


def kept(secrets: Secrets, own: NodeSecrets) -> dict[str, pulumi.Output[Any]]:
    """All that nobody may see."""
    return {
        "gossip": secrets.gossip,
        "bootstrap": secrets.bootstrap,
        "dns": secrets.dns,
        "enrol": secrets.enrol.private,
        "tokens": own.tokens,
        "first": own.first_host_key.private,
        "lasting": own.host_key.private,
    }


@pytest.fixture
def resolved_secrets(cloud: FakeCloud) -> dict[str, Any]:
    """Everything that is kept, as it is."""
    found: dict[str, Any] = {}
    run(lambda: pulumi.Output.all(**kept(*made())).apply(found.update))
    return found


@pytest.mark.usefixtures("cloud")
def test_everything_is_secret_but_the_public_halves() -> None:
    hidden: dict[str, bool] = {}
    public: list[bool] = []

    def program() -> pulumi.Output[Any]:
        secrets, own = made()
        first = pulumi.Output.all(
            **{name: is_secret(one) for name, one in kept(secrets, own).items()}
        )
        halves = [pair.public for pair in (secrets.enrol, own.first_host_key, own.host_key)]
        second = pulumi.Output.all(*(is_secret(one) for one in halves))
        return pulumi.Output.all(first.apply(hidden.update), second.apply(public.extend))

    run(program)
    assert hidden and all(hidden.values()), hidden
    assert public == [False, False, False]


def test_tokens_are_uuids_and_gossip_keys_are_32_bytes(resolved_secrets: dict[str, Any]) -> None:
    tokens = [
        resolved_secrets["dns"],
        *resolved_secrets["bootstrap"].values(),
        *resolved_secrets["tokens"].values(),
    ]
    assert all(str(uuid.UUID(token)) == token for token in tokens)
    assert [
        len(base64.b64decode(key, validate=True)) for key in resolved_secrets["gossip"].values()
    ] == [
        32,
        32,
    ]


def test_all_secrets_differ(resolved_secrets: dict[str, Any]) -> None:
    each = [
        part
        for one in resolved_secrets.values()
        for part in (one.values() if isinstance(one, dict) else [one])
    ]
    assert len(each) == len(set(each)) == 10


def test_secrets_have_full_entropy(cloud: FakeCloud) -> None:
    run(lambda: made()[0].dns)
    drawn = cloud.of("RandomPassword")
    assert {name for name, made in drawn.items() if made["length"] == 64} == {
        "secrets-gossip-consul",
        "secrets-gossip-nomad",
        "secrets-snapshot",
    }
    assert {made["length"] for made in drawn.values()} == {32, 64}
    for made_of in drawn.values():
        assert (made_of["numeric"], made_of["special"], made_of["overrideSpecial"]) == (
            True,
            True,
            "abcdef",
        )
        assert (made_of["lower"], made_of["upper"]) == (False, False)


def test_all_secrets_of_a_machine_are_replaced_with_it(cloud: FakeCloud) -> None:
    run(lambda: made()[0].dns)
    bound = {
        name for name, request in cloud.requests.items() if request.HasField("replacement_trigger")
    }
    assert bound == {
        "secrets-worker01-agent",
        "secrets-worker01-nomad",
        "secrets-worker01-host",
        "secrets-worker01-host-first",
    }


def test_public_keys_are_one_line(cloud: FakeCloud) -> None:
    seen: list[str] = []
    run(lambda: made()[0].enrol.public.apply(seen.append))
    assert seen[0].startswith("ssh-ed25519 ") and seen[0] == seen[0].strip()

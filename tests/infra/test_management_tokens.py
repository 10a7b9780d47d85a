"""Management tokens: the ACL bootstrap, and the rotation of the tokens."""

from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pytest

from infra import mtls
from infra.cluster.management_tokens import (
    BootstrapError,
    ManagementTokens,
    ManagementTokensProvider,
)
from infra.cluster_api import client, members
from infra.cluster_api.members import Member, NotReadyError
from infra.mtls import Credentials
from tests.infra.support.agents_api import Agents, member, serving
from tests.infra.support.cloud import run, start

PRIMES = [Member(**{**member("prime01nyc3", 2), "public": "127.0.0.1"})]
SECRETS = {"consul": "consul-manager-1", "nomad": "nomad-manager-1"}


@pytest.fixture
def there() -> Agents:
    return Agents()


@pytest.fixture
def props(
    there: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    monkeypatch.setattr(members, "POLL_INTERVAL_S", 0.01)
    monkeypatch.setattr(client, "POLL_INTERVAL_S", 0.01)
    with serving(there, tmp_path) as access:
        monkeypatch.setattr(mtls, "CONSUL_HTTPS_PORT", urlsplit(access["consul"][0]).port)
        monkeypatch.setattr(mtls, "NOMAD_HTTPS_PORT", urlsplit(access["nomad"][0]).port)
        yield {
            "cluster": "the-cluster",
            "primes": PRIMES,
            "credentials": {part: access[part] for part in ("authority", "certificate", "key")},
            "secrets": SECRETS,
            "timeout": 10,
        }


@pytest.fixture
def made(props: dict[str, Any]) -> dict[str, Any]:
    outs = ManagementTokensProvider().create(props).outs
    assert outs is not None
    return outs


def update(olds: dict[str, Any], **changes: Any) -> dict[str, Any]:
    outs = ManagementTokensProvider().update("the-cluster", olds, {**olds, **changes}).outs
    assert outs is not None
    return outs


def test_id_is_the_identity_of_the_cluster(props: dict[str, Any]) -> None:
    assert ManagementTokensProvider().create(props).id == "the-cluster"


def test_declared_secrets_become_management_tokens(made: dict[str, Any], there: Agents) -> None:
    assert (made["consul_token"], made["nomad_token"]) == ("consul-manager-1", "nomad-manager-1")
    assert there.secrets("nomad") == {"nomad-manager-1"}
    assert there.secrets("consul") == {"consul-manager-1"}
    assert made["retired"] == {"consul": [], "nomad": []}


def test_repeated_creation_keeps_the_tokens(
    props: dict[str, Any], made: dict[str, Any], there: Agents
) -> None:
    assert ManagementTokensProvider().create(props).outs == made
    assert there.secrets("consul") == {"consul-manager-1"}


def test_first_prime_may_be_lost(made: dict[str, Any], there: Agents) -> None:
    lost = {**PRIMES[0], "name": "prime00nyc3", "public": "127.0.0.9"}
    update(made, primes=[lost, *PRIMES], secrets={**SECRETS, "consul": "consul-manager-2"})
    assert "consul-manager-2" in there.secrets("consul")


def test_leaders_are_waited_for(
    props: dict[str, Any], there: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    there.leaders = False
    Timer(0.2, setattr, (there, "leaders", True)).start()
    ManagementTokensProvider().create(props)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("waiting for a Consul leader, a Nomad leader")
    assert lines[-1].endswith("there are leaders")


def test_waiting_for_leaders_ends(props: dict[str, Any], there: Agents) -> None:
    there.leaders = False
    with pytest.raises(NotReadyError, match="lacks a Consul leader, a Nomad leader"):
        ManagementTokensProvider().create({**props, "timeout": 0})
    assert there.tokens == {"consul": {}, "nomad": {}}


def test_an_agent_that_is_not_ready_yet_is_asked_again(
    props: dict[str, Any], there: Agents
) -> None:
    faults = {"consul": [(500, "No cluster leader")] * 2, "nomad": [(500, "not ready")] * 2}
    there.fault = lambda kind, method, path: (
        faults[kind].pop() if "leader" not in path and faults[kind] else None
    )
    ManagementTokensProvider().create(props)
    assert there.secrets("consul") == {"consul-manager-1"}


def test_lost_response_of_the_bootstrap_is_harmless(props: dict[str, Any], there: Agents) -> None:
    """The first manager was made, but nobody heard of it."""
    lost = ["consul", "nomad"]

    def fault(kind: str, method: str, path: str) -> tuple[int, str] | None:
        if path == "/v1/acl/bootstrap" and kind in lost:
            lost.remove(kind)
            there.answer(kind, method, path, "", {"BootstrapSecret": SECRETS[kind]})
            return 502, "gone"
        return None

    there.fault = fault
    ManagementTokensProvider().create(props)
    assert there.secrets("nomad") == {"nomad-manager-1"}


@pytest.mark.parametrize(
    ("kind", "file"),
    [("consul", "/var/lib/consul/acl-bootstrap-reset"), ("nomad", "/server/acl-bootstrap-reset")],
)
def test_foreign_bootstrap_error_names_the_reset_file(
    props: dict[str, Any], made: dict[str, Any], kind: str, file: str
) -> None:
    with pytest.raises(
        BootstrapError, match=f"{kind.title()} at .*(no longer allowed|already done).*{file}"
    ) as error:
        ManagementTokensProvider().create(
            {**props, "secrets": {**SECRETS, kind: "another-manager"}}
        )
    assert "another-manager" not in str(error.value)


def test_new_management_tokens_are_valid_together_with_the_old(
    made: dict[str, Any], there: Agents
) -> None:
    (first,) = there.tokens["nomad"]
    later = update(made, secrets={"consul": "consul-manager-2", "nomad": "nomad-manager-2"})
    assert later["consul_token"] == "consul-manager-2"
    assert later["nomad_token"] in there.secrets("nomad") - {"nomad-manager-1", "nomad-manager-2"}
    assert {"consul-manager-1", "consul-manager-2"} == there.secrets("consul")
    assert later["retired"]["nomad"] == [first]
    assert [there.tokens["consul"][one]["SecretID"] for one in later["retired"]["consul"]] == [
        "consul-manager-1"
    ]


def test_repeated_rotation_finds_the_same_tokens(made: dict[str, Any], there: Agents) -> None:
    secrets = {"consul": "consul-manager-2", "nomad": "nomad-manager-2"}
    assert update(made, secrets=secrets) == update(made, secrets=secrets)
    assert len(there.tokens["nomad"]) == 2


def test_unchanged_management_token_stays(made: dict[str, Any]) -> None:
    second = update(made, secrets={**SECRETS, "nomad": "nomad-manager-2"})
    assert second["consul_token"] == "consul-manager-1"
    third = update(second, secrets={"consul": "consul-manager-2", "nomad": "nomad-manager-2"})
    assert third["nomad_token"] == second["nomad_token"]
    assert third["consul_token"] == "consul-manager-2"


def test_unknown_management_token_is_an_error(made: dict[str, Any], there: Agents) -> None:
    there.tokens["nomad"].clear()
    there.tokens["nomad"]["of-another"] = {"SecretID": "another", "Type": "management"}
    with pytest.raises(
        BootstrapError, match=r"Nomad at .* does not know this stack's management token"
    ):
        update(made, secrets={**SECRETS, "consul": "consul-manager-2"})


def test_existing_retired_tokens_stay_retired(made: dict[str, Any], there: Agents) -> None:
    second = update(made, secrets={**SECRETS, "nomad": "nomad-manager-2"})
    [first] = second["retired"]["nomad"]
    third = update(second, secrets={**SECRETS, "nomad": "nomad-manager-3"})
    assert len(third["retired"]["nomad"]) == 2 and third["retired"]["nomad"][1] == first
    del there.tokens["nomad"][first]
    fourth = update(third, secrets={**SECRETS, "nomad": "nomad-manager-4"})
    assert len(fourth["retired"]["nomad"]) == 2 and first not in fourth["retired"]["nomad"]


UNKNOWN = pulumi.runtime.rpc.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (False, False)),
        ({"timeout": 99}, (False, False)),
        # A preview that replaces servers knows the tokens, and so every resource in the cluster.
        ({"primes": UNKNOWN}, (False, False)),
        ({"credentials": UNKNOWN}, (False, False)),
        ({"secrets": UNKNOWN}, (True, False)),
        ({"cluster": "another-cluster"}, (True, True)),
    ],
)
def test_only_new_secrets_change_the_tokens_and_only_a_new_cluster_replaces_them(
    made: dict[str, Any], changes: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    found = ManagementTokensProvider().diff(
        "the-cluster", {**made, "__provider": "old"}, {**made, "__provider": "new", **changes}
    )
    assert (found.changes, bool(found.replaces)) == expected


def test_secrets_and_tokens_are_declared_secret() -> None:
    cloud = start()

    def program() -> None:
        ManagementTokens(
            "tokens",
            cluster="the-cluster",
            primes=PRIMES,
            credentials=Credentials(authority="", certificate="", key=""),
            secrets=SECRETS,
            timeout=5,
        )

    run(program)
    assert cloud.secret["tokens"] == {"credentials", "secrets"}
    assert set(cloud.requests["tokens"].additionalSecretOutputs) == {"consul_token", "nomad_token"}

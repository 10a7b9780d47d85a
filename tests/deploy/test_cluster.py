"""Consul and Nomad are asked as their operator, and nobody else's certificate is taken for theirs."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from deploy.cluster import Cluster, ClusterError
from infra.mtls import Access
from tests.deploy.support.certificates import CertificateAuthority
from tests.deploy.support.http_server import HttpServer


def but(access: Access, **parts: str) -> Access:
    return cast(Access, {**access, **parts})


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[HttpServer]:
    """Says that it is the stack's, but another authority signed it."""
    serving = HttpServer(CertificateAuthority("the stack").server(tmp_path))
    yield serving
    serving.close()


@pytest.fixture
def elsewhere(authority: CertificateAuthority, tmp_path: Path) -> Iterator[HttpServer]:
    """Of the stack, but under the address of another machine."""
    serving = HttpServer(authority.server(tmp_path, "198.51.100.7"))
    yield serving
    serving.close()


def test_each_is_shown_its_own_token_and_no_other(agents: HttpServer, access: Access) -> None:
    agents.by_path |= {"/v1/agent/members": [], "/v1/nodes": []}
    cluster = Cluster(access)
    assert cluster.members() == [] and cluster.nodes() == []
    assert agents.asked["/v1/agent/members"]["X-Consul-Token"] == "token-of-consul"
    assert agents.asked["/v1/nodes"]["X-Nomad-Token"] == "token-of-nomad"
    assert "token-of-nomad" not in str(agents.asked["/v1/agent/members"])
    assert "token-of-consul" not in str(agents.asked["/v1/nodes"])


@pytest.mark.parametrize("server", ["impostor", "elsewhere"])
def test_a_server_that_is_not_the_stacks_is_told_nothing(
    server: str, access: Access, request: pytest.FixtureRequest
) -> None:
    serving: HttpServer = request.getfixturevalue(server)
    serving.by_path["/v1/agent/members"] = []
    with pytest.raises(ClusterError, match="certificate verify failed"):
        Cluster(but(access, consul=serving.url)).members()
    assert serving.asked == {}


def test_who_shows_another_authoritys_certificate_is_refused(
    agents: HttpServer, access: Access
) -> None:
    own = CertificateAuthority("a stranger").credentials()
    agents.by_path["/v1/agent/members"] = []
    with pytest.raises(ClusterError, match="did not answer as it should"):
        Cluster(Access(**{**access, **own})).members()
    assert agents.asked == {}


def test_a_key_of_another_certificate_is_told_without_it(
    access: Access, authority: CertificateAuthority
) -> None:
    key = authority.credentials()["key"]
    with pytest.raises(
        ClusterError, match="no certificate that can be used: KEY_VALUES_MISMATCH"
    ) as told:
        Cluster(but(access, key=key))
    assert "PRIVATE KEY" not in str(told.value)

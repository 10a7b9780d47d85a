"""Requests to Consul and Nomad use the operator's tokens and verify the server's certificate."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from deploy.cluster import Cluster, ClusterError
from infra.mtls import Access
from tests.deploy.support.certificates import CertificateAuthority
from tests.deploy.support.http_server import HttpServer


def replaced(access: Access, **parts: object) -> Access:
    return cast(Access, {**access, **parts})


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[HttpServer]:
    """A server with a certificate of another authority of the same name."""
    serving = HttpServer(CertificateAuthority("the stack").server(tmp_path))
    yield serving
    serving.close()


@pytest.fixture
def elsewhere(authority: CertificateAuthority, tmp_path: Path) -> Iterator[HttpServer]:
    """A server with the stack's certificate for another address."""
    serving = HttpServer(authority.server(tmp_path, "198.51.100.7"))
    yield serving
    serving.close()


def test_each_server_receives_only_its_own_token(agents: HttpServer, access: Access) -> None:
    agents.by_path |= {"/v1/agent/members": [], "/v1/nodes": []}
    cluster = Cluster(access)
    assert cluster.members() == [] and cluster.nodes() == []
    assert agents.requests["/v1/agent/members"]["X-Consul-Token"] == "token-of-consul"
    assert agents.requests["/v1/nodes"]["X-Nomad-Token"] == "token-of-nomad"
    assert "token-of-nomad" not in str(agents.requests["/v1/agent/members"])
    assert "token-of-consul" not in str(agents.requests["/v1/nodes"])


@pytest.mark.parametrize("server", ["impostor", "elsewhere"])
def test_a_server_without_a_valid_certificate_receives_no_request(
    server: str, access: Access, request: pytest.FixtureRequest
) -> None:
    serving: HttpServer = request.getfixturevalue(server)
    serving.by_path["/v1/agent/members"] = []
    with pytest.raises(ClusterError, match="certificate verify failed"):
        Cluster(replaced(access, consul=[serving.url])).members()
    assert serving.requests == {}


def test_a_client_certificate_of_another_authority_is_refused(
    agents: HttpServer, access: Access
) -> None:
    own = CertificateAuthority("another authority").credentials()
    agents.by_path["/v1/agent/members"] = []
    with pytest.raises(ClusterError, match=r"the request for .* failed"):
        Cluster(Access(**{**access, **own})).members()
    assert agents.requests == {}


def test_the_error_for_a_wrong_key_does_not_contain_the_key(
    access: Access, authority: CertificateAuthority
) -> None:
    key = authority.credentials()["key"]
    with pytest.raises(ClusterError, match="cannot be used: KEY_VALUES_MISMATCH") as raised:
        Cluster(replaced(access, key=key))
    assert "PRIVATE KEY" not in str(raised.value)

"""Entries of Consul that somebody deletes or changes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from infra.drift.consul_entries import ConsulEntriesProvider, Entry, config_entry
from infra.mtls import Access
from tests.deploy.support.certificates import CertificateAuthority
from tests.deploy.support.http_server import HttpServer

INTENTION, CHECKS = "/v1/config/service-intentions/web", "/v1/health/checks/edge"
ENTRIES = {
    "web": config_entry("service-intentions", "web", {"Sources": [{"Name": "front"}]}),
    "edge": Entry(
        path=CHECKS,
        declared={"CheckID": "url"},
        write_path="/v1/catalog/register",
        body={"Node": "edge", "Port": 80.0},
    ),
}
NONE = {"web": 0, "edge": 0}


@pytest.fixture
def agent(authority: CertificateAuthority, tmp_path: Path) -> Iterator[HttpServer]:
    serving = HttpServer(authority.server(tmp_path))
    serving.by_path[INTENTION] = {"Kind": "service-intentions", "Sources": [{"Name": "front"}]}
    serving.by_path[CHECKS] = [{"CheckID": "other"}, {"CheckID": "url", "Status": "passing"}]
    yield serving
    serving.close()


@pytest.fixture
def access(agent: HttpServer, authority: CertificateAuthority) -> Access:
    return Access(
        consul=[agent.url],
        nomad=[],
        **authority.credentials(),
        consul_token="c",
        nomad_token="n",
    )


def props(access: Any, **changes: Any) -> dict[str, Any]:
    return {
        "cluster": "first",
        "entries": ENTRIES,
        "repairs": NONE,
        "access": access,
        **changes,
    }


def check(olds: dict[str, Any], access: Any, **changes: Any) -> Any:
    """Return the counts that an update finds."""
    return ConsulEntriesProvider().check(olds, props(access, **changes)).inputs["repairs"]


def test_a_new_stack_sends_no_request(agent: HttpServer, access: Access) -> None:
    assert check({}, access) == NONE
    outs = ConsulEntriesProvider().create(props(access)).outs
    assert outs == {"cluster": "first", "entries": ENTRIES, "repairs": NONE}
    assert not agent.requests


def test_entries_as_declared_are_left_alone(agent: HttpServer, access: Access) -> None:
    assert check(props(access), access) == NONE
    assert agent.requests[INTENTION]["X-Consul-Token"] == "c"


@pytest.mark.parametrize("sources", [[], [{"Name": "front"}, {"Name": "*"}], [{"Name": "back"}]])
def test_a_changed_entry_is_an_update(
    agent: HttpServer, access: Access, sources: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    agent.by_path[INTENTION] = {"Kind": "service-intentions", "Sources": sources}
    olds = props(access, repairs={"web": 2.0, "edge": 0.0})
    assert check(olds, access) == {"web": 3, "edge": 0}
    assert "web" in capsys.readouterr().out


def test_a_deleted_entry_is_an_update(agent: HttpServer, access: Access) -> None:
    del agent.by_path[INTENTION]
    agent.by_path[CHECKS] = []
    counts = check(props(access), access)
    assert counts == {"web": 1, "edge": 1}
    olds, news = props(access), props(access, repairs=counts)
    assert ConsulEntriesProvider().diff("entries", olds, news).changes


@pytest.mark.parametrize("access", [UNKNOWN, None, {"consul": UNKNOWN}])
def test_without_access_the_counts_stay(access: Any) -> None:
    assert check(props({}, repairs={"web": 2, "edge": 0}), access) == {"web": 2, "edge": 0}


def test_without_an_answer_the_counts_stay(
    agent: HttpServer, access: Access, capsys: pytest.CaptureFixture[str]
) -> None:
    agent.by_path[INTENTION] = 403
    assert check(props(access), access) == NONE
    assert "the entries of Consul are not compared" in capsys.readouterr().out


def test_another_cluster_has_no_entries_yet(agent: HttpServer, access: Access) -> None:
    agent.by_path.clear()
    assert check(props(access), access, cluster="second") == NONE


def test_other_credentials_are_no_change(access: Access) -> None:
    assert not ConsulEntriesProvider().diff("entries", props({}), props(access)).changes


def test_an_update_writes_the_entries_that_differ(agent: HttpServer, access: Access) -> None:
    agent.by_path["/v1/catalog/register"] = {}
    olds, news = props(access), props(access, repairs={"web": 0, "edge": 1})
    outs = ConsulEntriesProvider().update("entries", olds, news).outs
    assert outs is not None and outs["repairs"] == {"web": 0, "edge": 1} and "access" not in outs
    assert agent.requests.keys() == {"/v1/catalog/register"}
    assert json.loads(agent.bodies["/v1/catalog/register"]) == {"Node": "edge", "Port": 80}

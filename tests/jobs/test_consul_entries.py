"""Entries of Consul that somebody deletes or changes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pulumi_consul as consul
import pytest
from pulumi.runtime.rpc import UNKNOWN

from infra.drift.consul_entries import (
    ConsulEntries,
    ConsulEntriesProvider,
    Entry,
    config_entry,
)
from infra.mtls import Access
from tests.deploy.support.certificates import CertificateAuthority
from tests.deploy.support.http_server import HttpServer
from tests.jobs.support.fake_cluster import FakeCluster, run
from tests.jobs.support.planner import Planner

INTENTION, RULES = "/v1/config/service-intentions/web", "/v1/acl/binding-rules"
ENTRIES = {
    "web": config_entry("service-intentions", "web", {"Sources": [{"Name": "front"}]}),
    "rule": Entry(path=RULES, declared={"BindName": "web"}),
}
NONE = {"web": 0, "rule": 0}


@pytest.fixture
def agent(authority: CertificateAuthority, tmp_path: Path) -> Iterator[HttpServer]:
    serving = HttpServer(authority.server(tmp_path))
    serving.by_path[INTENTION] = {"Kind": "service-intentions", "Sources": [{"Name": "front"}]}
    serving.by_path[RULES] = [{"BindName": "other"}, {"BindName": "web", "ID": "1"}]
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
        "replacements": NONE,
        "access": access,
        **changes,
    }


def check(olds: dict[str, Any], access: Any, **changes: Any) -> Any:
    """Return the counts that an update finds."""
    return ConsulEntriesProvider().check(olds, props(access, **changes)).inputs["replacements"]


def test_a_new_stack_asks_nothing(agent: HttpServer, access: Access) -> None:
    assert check({}, access) == NONE
    outs = ConsulEntriesProvider().create(props(access)).outs
    assert outs == {"cluster": "first", "entries": ENTRIES, "replacements": NONE}
    assert not agent.requests


def test_entries_as_declared_are_left_alone(agent: HttpServer, access: Access) -> None:
    assert check(props(access), access) == NONE
    assert agent.requests[INTENTION]["X-Consul-Token"] == "c"


@pytest.mark.parametrize("sources", [[], [{"Name": "front"}, {"Name": "*"}], [{"Name": "back"}]])
def test_a_changed_entry_is_replaced(
    agent: HttpServer, access: Access, sources: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    agent.by_path[INTENTION] = {"Kind": "service-intentions", "Sources": sources}
    olds = props(access, replacements={"web": 2.0, "rule": 0.0})
    assert check(olds, access) == {"web": 3, "rule": 0}
    assert "web" in capsys.readouterr().out


def test_a_deleted_entry_is_replaced(agent: HttpServer, access: Access) -> None:
    del agent.by_path[INTENTION]
    agent.by_path[RULES] = [{"BindName": "other"}]
    counts = check(props(access), access)
    assert counts == {"web": 1, "rule": 1}
    olds, news = props(access), props(access, replacements=counts)
    assert ConsulEntriesProvider().diff("entries", olds, news).changes


@pytest.mark.parametrize("access", [UNKNOWN, None, {"consul": UNKNOWN}])
def test_without_access_the_counts_stay(access: Any) -> None:
    assert check(props({}, replacements={"web": 2, "rule": 0}), access) == {"web": 2, "rule": 0}


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


@pytest.mark.parametrize(("count", "trigger"), [(0, "first"), (2, "first 3")])
def test_the_count_and_the_cluster_are_the_replacement_trigger(
    cluster: FakeCluster,
    options: dict[str, pulumi.ResourceOptions],
    planner: Planner,
    count: int,
    trigger: str,
) -> None:
    found: list[str] = []

    def program() -> pulumi.Output[Any]:
        entries = ConsulEntries(
            "in-consul",
            entries=ENTRIES,
            access=planner.access,
            options=pulumi.ResourceOptions(replacement_trigger="first"),
        )
        counts = {"web": count, "rule": count // 2}
        entries.replacements = pulumi.Output.from_input(counts)
        consul.Keys("web", opts=entries.options("web", "rule"))
        return pulumi.Output.from_input(options["web"].replacement_trigger).apply(found.append)

    run(program)
    assert found == [trigger]

"""prober as a node runs it, with a real Consul agent."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.connect import Agent
from services.prober.catalog import Catalog
from services.prober.check import seconds
from services.prober.prober import CONSUL_TIMEOUT_S, Prober
from tests.services.support.consul_agent import (
    DENY_BY_DEFAULT,
    MANAGEMENT_TOKEN,
    Consul,
    consul_agent,
)
from tests.services.support.http_stub import Stub, serve
from tests.services.support.program import eventually, free_port, serving

EXTERNAL = {"external-node": "true", "external-probe": "true"}


@pytest.fixture(scope="module")
def consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consul]:
    with consul_agent(tmp_path_factory.mktemp("consul"), DENY_BY_DEFAULT) as agent:
        yield agent


@pytest.fixture
def prober(consul: Consul, tmp_path: Path) -> Iterator[None]:
    token = tmp_path / "consul_token"
    token.write_text(MANAGEMENT_TOKEN)
    with serving(
        "prober", tmp_path, CONSUL_HTTP_ADDR=consul.url, CONSUL_HTTP_TOKEN_FILE=str(token)
    ) as program:
        eventually(lambda: program.get("/health").status_code == 200)
        yield


def register(consul: Consul, node: str, port: int, meta: dict[str, str], **definition: str) -> None:
    """Register an external node with one service and one check, as Pulumi's Consul resources do."""
    consul.register({"Node": node, "Address": "127.0.0.1", "NodeMeta": meta})
    check: dict[str, Any] = {
        "CheckID": f"{node}:url",
        "Name": "answers",
        "Node": node,
        "ServiceID": node,
        "Status": "critical",
    }
    check["Definition"] = {
        "Interval": "1s",
        "Timeout": "1s",
        "DeregisterCriticalServiceAfter": "0s",
        **definition,
    }
    service = {"Service": node, "Address": "127.0.0.1", "Port": port}
    consul.register(
        {
            "Node": node,
            "Address": "127.0.0.1",
            "SkipNodeUpdate": True,
            "Service": service,
            "Checks": [check],
        }
    )


def status(consul: Consul, node: str, check: str) -> str | None:
    registered = consul.checks(node).get(check)
    return registered["Status"] if registered else None


@pytest.mark.usefixtures("prober")
def test_the_status_of_an_http_check_follows_the_reply(consul: Consul) -> None:
    with serve(Stub(body={"message": "well"})) as stub:
        register(consul, "http", stub.port, EXTERNAL, HTTP=f"http://127.0.0.1:{stub.port}/")
        eventually(lambda: status(consul, "http", "http:url") == "passing")
        assert "200 OK" in consul.checks("http")["http:url"]["Output"]
        assert consul.checks("http")["http:url"]["Definition"]["Interval"] == "1s", (
            "prober changed the definition"
        )
        written = consul.checks("http")["http:url"]["ModifyIndex"]
        count = len(stub.requests)
        eventually(lambda: len(stub.requests) >= count + 3)
        assert consul.checks("http")["http:url"]["ModifyIndex"] == written, (
            "prober wrote an unchanged status"
        )
        stub.status = 503
        eventually(lambda: status(consul, "http", "http:url") == "critical")
        stub.status = 429
        eventually(lambda: status(consul, "http", "http:url") == "warning")


@pytest.mark.usefixtures("prober")
def test_a_status_that_a_registration_resets_is_written_again(consul: Consul) -> None:
    with serve(Stub()) as stub:
        for _ in range(2):
            register(consul, "again", stub.port, EXTERNAL, HTTP=f"http://127.0.0.1:{stub.port}/")
            eventually(lambda: status(consul, "again", "again:url") == "passing")


@pytest.mark.usefixtures("prober")
def test_only_a_node_with_external_probe_gets_a_node_check(consul: Consul) -> None:
    with serve(Stub()) as stub:
        register(
            consul, "plain", stub.port, {"external-node": "true"}, TCP=f"127.0.0.1:{stub.port}"
        )
        register(consul, "probed", stub.port, EXTERNAL, TCP=f"127.0.0.1:{stub.port}")
        eventually(lambda: status(consul, "probed", "externalNodeHealth") == "passing")
        eventually(lambda: status(consul, "plain", "plain:url") == "passing")
        assert set(consul.checks("plain")) == {"plain:url"}
        assert consul.checks("probed")["externalNodeHealth"]["Name"] == "External Node Status"


@pytest.mark.usefixtures("prober")
def test_a_node_that_is_not_external_is_ignored(consul: Consul) -> None:
    with serve(Stub()) as stub, serve(Stub()) as other:
        register(consul, "inside", stub.port, {}, HTTP=f"http://127.0.0.1:{stub.port}/")
        register(consul, "outside", other.port, EXTERNAL, HTTP=f"http://127.0.0.1:{other.port}/")
        eventually(lambda: status(consul, "outside", "outside:url") == "passing")
        assert (stub.requests, status(consul, "inside", "inside:url")) == ([], "critical")


@pytest.mark.usefixtures("prober")
def test_a_service_critical_for_longer_than_its_check_allows_is_deregistered(
    consul: Consul,
) -> None:
    port = free_port()
    register(
        consul,
        "doomed",
        port,
        EXTERNAL,
        HTTP=f"http://127.0.0.1:{port}/",
        DeregisterCriticalServiceAfter="2s",
    )
    eventually(lambda: consul.services("doomed") == [])


def test_the_token_is_read_for_each_request(consul: Consul, tmp_path: Path) -> None:
    token = tmp_path / "consul_token"
    token.write_text("4f1b5c1e-0000-4000-8000-00000000000f")
    with (
        serve(Stub()) as stub,
        serving(
            "prober", tmp_path, CONSUL_HTTP_ADDR=consul.url, CONSUL_HTTP_TOKEN_FILE=str(token)
        ) as program,
    ):
        register(consul, "late", stub.port, EXTERNAL, HTTP=f"http://127.0.0.1:{stub.port}/")
        program.wait_for_event("catalog not read")
        assert "ACL not found" in program.log()[-1]["error"]
        token.write_text(MANAGEMENT_TOKEN)
        eventually(lambda: status(consul, "late", "late:url") == "passing")


def test_without_consul_it_starts_healthy(tmp_path: Path) -> None:
    with serving("prober", tmp_path, CONSUL_HTTP_ADDR=f"127.0.0.1:{free_port()}") as prober:
        prober.wait_for_event("catalog not read")
        assert prober.get("/health").status_code == 200


def test_it_is_unhealthy_when_consul_has_not_answered_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prober = Prober(Catalog(Agent(f"127.0.0.1:{free_port()}")))
    assert prober.health_problem() is None
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + CONSUL_TIMEOUT_S)
    assert prober.health_problem() == "Consul has not answered for 60 s"


@pytest.mark.parametrize(
    ("text", "value"), [("", 0), ("5s", 5), ("1m30s", 90), ("500ms", 0.5), ("1h0m0s", 3600)]
)
def test_durations_are_read_as_go_writes_them(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


def test_an_invalid_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="soon"):
        seconds("soon")

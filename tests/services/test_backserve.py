"""backserve as a node runs it, with a fake Consul agent."""

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.support.certificates import Authority, Credentials, service_uri, tls
from tests.services.support.fake_agent import FakeAgent, workload_environment
from tests.services.support.program import Program, eventually, serving, start


@pytest.fixture
def environment(agent: FakeAgent, tmp_path: Path) -> dict[str, str]:
    return {**workload_environment(agent, tmp_path), "BACKSERVE_GREETING": "ahoy"}


@pytest.fixture
def backserve(environment: dict[str, str], tmp_path: Path) -> Iterator[Program]:
    with serving("backserve", tmp_path, **environment) as program:
        eventually(lambda: program.health().status_code == 200)
        yield program


def as_service(agent: FakeAgent, service: str = "frontserve") -> ssl.SSLContext:
    return tls(ssl.PROTOCOL_TLS_CLIENT, agent.leaf(service), *agent.roots)


def get(program: Program, context: ssl.SSLContext, path: str = "/") -> httpx.Response:
    with program.client(context) as client:
        return client.get(path)


def test_it_replies_with_its_greeting_and_its_instance(
    agent: FakeAgent, environment: dict[str, str], tmp_path: Path
) -> None:
    env = {
        "NOMAD_ALLOC_ID": "0b8cbc97-f25b-7eef",
        "NODE_NAME": "worker01nyc3",
        "SERVICE_VERSION": "509c",
    }
    with serving("backserve", tmp_path, **environment, **env) as backserve:
        eventually(lambda: backserve.health().status_code == 200)
        assert get(backserve, as_service(agent)).json() == {
            "service": "backserve",
            "version": "509c",
            "instance": "0b8cbc97",
            "node": "worker01nyc3",
            "message": "ahoy",
        }


def test_replies_need_tls_and_health_is_on_loopback_only(
    agent: FakeAgent, backserve: Program
) -> None:
    for path in ("/health", "/live"):
        assert get(backserve, as_service(agent), path).status_code == 404
    assert (
        httpx.get(f"http://127.0.0.1:{backserve.health_port}/", trust_env=False).status_code == 404
    )
    with pytest.raises(httpx.TransportError):
        backserve.get()


def test_it_presents_the_certificate_of_backserve(agent: FakeAgent, backserve: Program) -> None:
    context = as_service(agent)
    with (
        socket.create_connection(("127.0.0.1", backserve.port)) as plain,
        context.wrap_socket(plain) as secure,
    ):
        certificate: Any = secure.getpeercert()
        assert certificate["subjectAltName"] == (("URI", service_uri("backserve")),)
        assert secure.version() == "TLSv1.3"


def test_consul_is_asked_to_authorise_the_peers_uri_and_serial_number(
    agent: FakeAgent, backserve: Program
) -> None:
    assert get(backserve, as_service(agent)).status_code == 200
    number = agent.leaf("frontserve").serial
    serial = number.to_bytes((number.bit_length() + 7) // 8, "big").hex(":")
    assert agent.authorize_requests == [
        {
            "Target": "backserve",
            "ClientCertURI": service_uri("frontserve"),
            "ClientCertSerial": serial,
        }
    ]


def test_an_unauthorised_service_is_refused_and_logged(
    agent: FakeAgent, backserve: Program
) -> None:
    reply = get(backserve, as_service(agent, "prober"))
    assert (reply.status_code, reply.json(), reply.headers["connection"]) == (
        403,
        {"error": "refused"},
        "close",
    )
    (line,) = [line for line in backserve.log() if line["event"] == "peer refused"]
    assert (line["peer"], line["reason"]) == (service_uri("prober"), "Default intention policy")


def test_an_allowed_service_is_not_refused_because_of_the_agents_empty_cache(
    agent: FakeAgent, backserve: Program
) -> None:
    agent.cache_is_empty = True
    assert get(backserve, as_service(agent)).status_code == 200
    assert get(backserve, as_service(agent, "prober")).status_code == 403


FORGERIES: dict[str, Callable[[Authority], Credentials | None]] = {
    "nothing": lambda root: None,
    "another authority's certificate": lambda root: Authority().leaf(service_uri("frontserve")),
    "another trust domain": lambda root: root.leaf(service_uri("frontserve", "0b8cbc97.consul")),
    "another kind": lambda root: root.leaf(service_uri("frontserve").replace("/svc/", "/id/")),
    "another namespace": lambda root: root.leaf(
        service_uri("frontserve").replace("/ns/default/", "/ns/other/")
    ),
    "a name with more behind it": lambda root: root.leaf(service_uri("frontserve/more")),
    "two names": lambda root: root.leaf(service_uri("frontserve"), service_uri("backserve")),
    "no name": lambda root: root.leaf(),
}


def test_a_certificate_of_no_member_of_the_mesh_gets_no_connection(
    agent: FakeAgent, backserve: Program
) -> None:
    for number, (description, forge) in enumerate(FORGERIES.items(), 1):
        context = tls(ssl.PROTOCOL_TLS_CLIENT, forge(agent.roots[0]), *agent.roots)
        with pytest.raises(httpx.TransportError):
            pytest.fail(f"{description} got a reply: {get(backserve, context)}")
        eventually(lambda number=number: backserve.events().count("handshake failed") == number)
    assert (agent.authorize_requests, backserve.events().count("request")) == ([], 1), (
        "only the health check"
    )


def test_an_open_connection_is_authorised_again(agent: FakeAgent, backserve: Program) -> None:
    with backserve.client(as_service(agent)) as client:
        replies = [client.get("/") for _ in range(20)]
        assert {reply.status_code for reply in replies} == {200}
        assert len(agent.authorize_requests) < 20, "every request was authorised again"
        agent.allowed.clear()
        refused = eventually(lambda: (reply := client.get("/")).status_code == 403 and reply)
        assert refused.headers["connection"] == "close"
        agent.allowed.add(("frontserve", "backserve"))
        assert client.get("/").status_code == 200, "the refusal was kept"


def test_a_peer_is_refused_while_the_agent_is_down(agent: FakeAgent, backserve: Program) -> None:
    agent.stop()
    assert get(backserve, as_service(agent)).status_code == 403
    assert "cannot be asked" in backserve.log()[-1]["reason"]
    assert backserve.health().status_code == 200, "unhealthy without its agent"
    agent.start()
    assert get(backserve, as_service(agent)).status_code == 200


def test_without_a_certificate_it_is_unhealthy_until_the_agent_gives_one(
    agent: FakeAgent, environment: dict[str, str], tmp_path: Path
) -> None:
    agent.stop()
    with serving("backserve", tmp_path, **environment) as backserve:
        backserve.wait_for_event("certificates not read")
        health = backserve.health()
        assert health.status_code == 503
        assert (
            "backserve has no certificate yet: GET /v1/agent/connect/ca/" in health.json()["reason"]
        )
        with pytest.raises(httpx.TransportError):
            get(backserve, as_service(agent))
        agent.start()
        eventually(lambda: backserve.health().status_code == 200)
        assert get(backserve, as_service(agent)).json()["message"] == "ahoy"


def test_with_an_expired_certificate_it_is_unhealthy(
    agent: FakeAgent, environment: dict[str, str], tmp_path: Path
) -> None:
    agent.leaves["backserve"] = agent.roots[0].leaf(service_uri("backserve"), lifetime=timedelta(0))
    with serving("backserve", tmp_path, **environment) as backserve:
        eventually(lambda: "expired at" in backserve.health().json()["reason"])


def test_the_token_is_read_for_each_request(
    agent: FakeAgent, environment: dict[str, str], backserve: Program
) -> None:
    assert get(backserve, as_service(agent)).status_code == 200
    old, agent.token = agent.token, "c3b0a1f2-0000-4000-8000-000000000002"
    assert get(backserve, as_service(agent)).status_code == 403
    Path(environment["CONSUL_HTTP_TOKEN_FILE"]).write_text(agent.token)
    assert get(backserve, as_service(agent)).status_code == 200
    assert set(agent.tokens) == {old, agent.token}


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_without_a_token_no_request_is_sent(
    agent: FakeAgent, environment: dict[str, str], tmp_path: Path, content: str | None
) -> None:
    file = Path(environment["CONSUL_HTTP_TOKEN_FILE"])
    file.unlink()
    if content is not None:
        file.write_text(content)
    with serving("backserve", tmp_path, **environment) as backserve:
        backserve.wait_for_event("certificates not read")
        assert "the token cannot be read" in backserve.health().json()["reason"]
    assert agent.tokens == []


def test_no_secret_is_in_a_file_or_in_the_log(
    agent: FakeAgent, environment: dict[str, str], backserve: Program, tmp_path: Path
) -> None:
    assert get(backserve, as_service(agent)).status_code == 200
    secrets = [agent.token, agent.leaf("backserve").key.splitlines()[1]]
    token_file = Path(environment["CONSUL_HTTP_TOKEN_FILE"])
    files = [
        file
        for file in tmp_path.rglob("*")
        if file.is_file() and any(secret in file.read_text() for secret in secrets)
    ]
    assert files == [token_file]
    open_files = [
        str(link.readlink()) for link in Path(f"/proc/{backserve.process.pid}/fd").iterdir()
    ]
    assert not [name for name in open_files if "certificate" in name], (
        "the file with the key is still open"
    )


def test_without_a_greeting_it_is_unhealthy(tmp_path: Path) -> None:
    with serving("backserve", tmp_path) as backserve:
        health = backserve.health()
        assert health.status_code == 503
        assert "BACKSERVE_GREETING" in health.json()["reason"]


def test_the_log_is_json_without_repeated_health_checks(
    agent: FakeAgent, backserve: Program
) -> None:
    for _ in range(3):
        backserve.health()
    get(backserve, as_service(agent))
    # The reply is sent before its line is logged.
    eventually(lambda: "/" in [line.get("path") for line in backserve.log()])
    lines = [
        line for line in backserve.log() if line["event"] == "request" and line["status"] == 200
    ]
    assert [(line["path"], line["level"]) for line in lines] == [("/health", "info"), ("/", "info")]
    assert all(line["ms"] >= 0 and line["time"].endswith("+00:00") for line in lines)


def test_while_draining_it_is_unhealthy_and_still_replies(
    agent: FakeAgent, environment: dict[str, str], tmp_path: Path
) -> None:
    with serving("backserve", tmp_path, **environment, DRAIN_SECONDS="2") as backserve:
        eventually(lambda: backserve.health().status_code == 200)
        with backserve.client(as_service(agent)) as idle:
            assert "connection" not in idle.get("/").headers
            backserve.terminate()
            backserve.wait_for_event("draining")
            health = backserve.health()
            assert (health.status_code, health.json()["reason"], health.headers["connection"]) == (
                503,
                "draining",
                "close",
            )
            reply = get(backserve, as_service(agent))
            assert (reply.json()["message"], reply.headers["connection"]) == ("ahoy", "close")
            assert backserve.wait_for_exit(timeout=10) == 0, "an idle connection delayed the exit"


def test_an_instance_that_was_never_healthy_exits_without_a_drain(tmp_path: Path) -> None:
    with serving("backserve", tmp_path, DRAIN_SECONDS="60") as backserve:
        assert backserve.health().status_code == 503
        backserve.terminate()
        assert backserve.wait_for_exit(timeout=10) == 0


def test_it_waits_for_a_port_that_is_in_use(
    agent: FakeAgent, environment: dict[str, str], tmp_path: Path
) -> None:
    directory = tmp_path / "new"
    directory.mkdir()
    with serving("backserve", tmp_path, **environment, DRAIN_SECONDS="1") as old:
        eventually(lambda: old.health().status_code == 200)
        with start(
            "backserve", directory, old.port, {**environment, "BACKSERVE_GREETING": "new"}
        ) as new:
            new.wait_for_event("waiting for the port")
            old.terminate()
            new.wait_for_event("certificates replaced")
            assert old.wait_for_exit() == 0
            assert get(new, as_service(agent)).json()["message"] == "new"

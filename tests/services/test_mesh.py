"""frontserve and backserve together: rotation of certificates, and a real Consul agent."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.services.support.certificates import Authority, Credentials, tls
from tests.services.support.consul_agent import DENY_BY_DEFAULT, Consul, consul_agent
from tests.services.support.dns_server import Records, consul_dns
from tests.services.support.fake_agent import FakeAgent, fake_agent, workload_environment
from tests.services.support.program import Program, eventually, free_port, serving, start


@dataclass
class Pair:
    """Both services and their agent."""

    agent: FakeAgent
    frontserve: Program
    backserve: Program
    statuses: list[int] = field(default_factory=list)
    """The status of each background request, or 0 for one without a reply."""

    def have_replaced_certificates(self, times: int) -> bool:
        """Return whether both services have replaced their certificates ``times`` times."""
        return all(
            program.events().count("certificates replaced") == times
            for program in (self.frontserve, self.backserve)
        )

    def get_backserve(self, credentials: Credentials, *trusted: Authority) -> int:
        """Send one request to backserve on a new connection; return its status."""
        with self.backserve.client(tls(ssl.PROTOCOL_TLS_CLIENT, credentials, *trusted)) as client:
            return client.get("/").status_code


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        agent = stack.enter_context(fake_agent())
        env = workload_environment(agent, tmp_path)
        backserve = stack.enter_context(
            serving("backserve", tmp_path, **env, BACKSERVE_GREETING="ahoy")
        )
        dns = stack.enter_context(
            consul_dns(Records({"backserve": [("127.0.0.1", backserve.port)]}))
        )
        frontserve = stack.enter_context(serving("frontserve", tmp_path, **env, CONSUL_DNS=dns))
        pair = Pair(agent, frontserve, backserve)
        eventually(lambda: pair.have_replaced_certificates(1))
        yield pair


@pytest.fixture
def background_requests(pair: Pair) -> Iterator[None]:
    """Send requests without a pause, to frontserve on old and to backserve on new connections."""
    stop = threading.Event()

    def repeat(request: Callable[[], int]) -> None:
        while not stop.is_set():
            try:
                pair.statuses.append(request())
            except httpx.TransportError:
                pair.statuses.append(0)

    def get_frontserve() -> int:
        return pair.frontserve.get().status_code

    def get_backserve() -> int:
        return pair.get_backserve(pair.agent.leaf("frontserve"), *pair.agent.roots)

    threads = [
        threading.Thread(target=repeat, args=[request])
        for request in (get_frontserve, get_frontserve, get_backserve)
    ]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("background_requests")
def test_no_request_is_lost_while_certificates_and_roots_rotate(pair: Pair) -> None:
    def assert_no_request_fails() -> None:
        count = len(pair.statuses)
        eventually(lambda: len(pair.statuses) > count + 20)
        assert set(pair.statuses) == {200}

    assert_no_request_fails()
    for times in (2, 3):
        pair.agent.rotate_leaves()
        eventually(lambda times=times: pair.have_replaced_certificates(times))
        assert_no_request_fails()
    old, credentials = pair.agent.roots[0], pair.agent.leaf("frontserve")
    new = pair.agent.rotate_roots()
    eventually(lambda: pair.have_replaced_certificates(5))
    assert_no_request_fails()
    assert pair.get_backserve(credentials, old, new) == 200, "the old root is no longer trusted"
    pair.agent.drop_old_roots()
    eventually(lambda: pair.have_replaced_certificates(6))
    assert_no_request_fails()
    with pytest.raises(httpx.TransportError):
        pair.get_backserve(credentials, old, new)
    assert pair.get_backserve(pair.agent.leaf("frontserve"), new) == 200


def test_an_established_connection_stays_open_during_a_rotation(pair: Pair) -> None:
    context = tls(ssl.PROTOCOL_TLS_CLIENT, pair.agent.leaf("frontserve"), *pair.agent.roots)
    with pair.backserve.client(context) as old:
        assert old.get("/").status_code == 200
        pair.agent.rotate_roots()
        pair.agent.drop_old_roots()
        eventually(
            lambda: (
                pair.backserve.log()[-1].get("roots") == 1
                and pair.backserve.events().count("certificates replaced") > 1
            )
        )
        assert old.get("/").status_code == 200
        with pair.backserve.client(context) as new, pytest.raises(httpx.TransportError):
            new.get("/")


def test_connections_are_reused(pair: Pair) -> None:
    assert {pair.frontserve.get().status_code for _ in range(20)} == {200}
    assert len(pair.agent.authorize_requests) < 20


@pytest.fixture
def consul(tmp_path: Path) -> Iterator[Consul]:
    with consul_agent(tmp_path, DENY_BY_DEFAULT) as agent:
        yield agent


def environment(consul: Consul, token: str, directory: Path) -> dict[str, str]:
    """Return the environment of a service with ``token``."""
    file = directory / token
    file.write_text(token)
    return {
        "CONSUL_HTTP_ADDR": consul.url,
        "CONSUL_HTTP_TOKEN_FILE": str(file),
        "BACKSERVE_GREETING": "ahoy",
    }


def test_consuls_intentions_allow_and_deny(consul: Consul, tmp_path: Path) -> None:
    port = free_port()
    consul.register(
        {
            "Node": "worker01nyc3",
            "Address": "127.0.0.1",
            "Service": {"Service": "backserve", "Port": port},
        }
    )
    with (
        start(
            "backserve", tmp_path, port, environment(consul, consul.token("backserve"), tmp_path)
        ) as backserve,
        serving(
            "frontserve",
            tmp_path,
            **environment(consul, consul.token("frontserve"), tmp_path),
            CONSUL_DNS=consul.dns,
        ) as frontserve,
    ):
        for program in (backserve, frontserve):
            program.wait_for_event("certificates replaced")
        assert "403" in frontserve.get().json()["reason"], "allowed without an intention"
        consul.intention("frontserve", "backserve", "allow")
        eventually(lambda: frontserve.get().status_code == 200)
        assert frontserve.get().json()["backserve"]["message"] == "ahoy"
        consul.intention("frontserve", "backserve", "deny")
        eventually(lambda: frontserve.get().status_code == 503)
        refused = [line for line in backserve.log() if line["event"] == "peer refused"]
    assert {line["peer"].rpartition("/dc/")[2] for line in refused} == {"dc1/svc/frontserve"}
    assert "Default intention policy" in refused[0]["reason"]
    assert "DENY" in refused[-1]["reason"]


def test_the_token_of_another_service_gets_no_certificate(consul: Consul, tmp_path: Path) -> None:
    with serving(
        "backserve", tmp_path, **environment(consul, consul.token("frontserve"), tmp_path)
    ) as backserve:
        eventually(
            lambda: "lacks permission 'service:write'" in backserve.health().json()["reason"]
        )

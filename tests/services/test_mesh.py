"""frontserve and backserve together, while what they trust changes; and with a real Consul agent."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.services.support.certificates import Authority, Credentials, tls
from tests.services.support.consul_agent import CLOSED, Consul, consul_agent
from tests.services.support.dns_server import Records, consul_dns
from tests.services.support.fake_agent import FakeAgent, fake_agent, workload
from tests.services.support.program import Program, eventually, free_port, serving, start


@dataclass
class Pair:
    """Both services, and what agent they have."""

    agent: FakeAgent
    frontserve: Program
    backserve: Program
    answered: list[int] = field(default_factory=list)
    """The statuses of requests that were made all the time; 0 for one without an answer."""

    def took(self, times: int) -> bool:
        """Whether both took into use what was new, so many times by now."""
        return all(
            program.events().count("certificates taken") == times
            for program in (self.frontserve, self.backserve)
        )

    def ask(self, shown: Credentials, *trusted: Authority) -> int:
        """A request to backserve on a connection of its own."""
        with self.backserve.client(tls(ssl.PROTOCOL_TLS_CLIENT, shown, *trusted)) as client:
            return client.get("/").status_code


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        agent = stack.enter_context(fake_agent())
        env = workload(agent, tmp_path)
        backserve = stack.enter_context(
            serving("backserve", tmp_path, **env, BACKSERVE_GREETING="ahoy")
        )
        dns = stack.enter_context(
            consul_dns(Records({"backserve": [("127.0.0.1", backserve.port)]}))
        )
        frontserve = stack.enter_context(serving("frontserve", tmp_path, **env, CONSUL_DNS=dns))
        pair = Pair(agent, frontserve, backserve)
        eventually(lambda: pair.took(1))
        yield pair


@pytest.fixture
def requests(pair: Pair) -> Iterator[None]:
    """Requests without a pause, through frontserve and past it, some at a time: on old connections and on new ones."""
    over = threading.Event()

    def repeat(ask: Callable[[], int]) -> None:
        while not over.is_set():
            try:
                pair.answered.append(ask())
            except httpx.TransportError:
                pair.answered.append(0)

    def through() -> int:
        return pair.frontserve.get().status_code

    def past() -> int:
        return pair.ask(pair.agent.leaf("frontserve"), *pair.agent.roots)

    threads = [threading.Thread(target=repeat, args=[ask]) for ask in (through, through, past)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("requests")
def test_no_request_is_lost_while_certificates_and_roots_rotate(pair: Pair) -> None:
    def go_on() -> None:
        seen = len(pair.answered)
        eventually(lambda: len(pair.answered) > seen + 20)
        assert set(pair.answered) == {200}

    go_on()
    for times in (2, 3):
        pair.agent.rotate_leaves()
        eventually(lambda times=times: pair.took(times))
        go_on()
    old, shown = pair.agent.roots[0], pair.agent.leaf("frontserve")
    new = pair.agent.rotate_roots()
    eventually(lambda: pair.took(5))
    go_on()
    assert pair.ask(shown, old, new) == 200, "the old root is trusted while it is listed"
    pair.agent.drop_old_roots()
    eventually(lambda: pair.took(6))
    go_on()
    with pytest.raises(httpx.TransportError):
        pair.ask(shown, old, new)
    assert pair.ask(pair.agent.leaf("frontserve"), new) == 200


def test_an_established_connection_lives_on(pair: Pair) -> None:
    context = tls(ssl.PROTOCOL_TLS_CLIENT, pair.agent.leaf("frontserve"), *pair.agent.roots)
    with pair.backserve.client(context) as old:
        assert old.get("/").status_code == 200
        pair.agent.rotate_roots()
        pair.agent.drop_old_roots()
        eventually(
            lambda: (
                pair.backserve.log()[-1].get("roots") == 1
                and pair.backserve.events().count("certificates taken") > 1
            )
        )
        assert old.get("/").status_code == 200
        with pair.backserve.client(context) as new, pytest.raises(httpx.TransportError):
            new.get("/")


def test_connections_are_kept(pair: Pair) -> None:
    assert {pair.frontserve.get().status_code for _ in range(20)} == {200}
    assert len(pair.agent.authorised) < 20


@pytest.fixture
def consul(tmp_path: Path) -> Iterator[Consul]:
    with consul_agent(tmp_path, CLOSED) as agent:
        yield agent


def holding(consul: Consul, token: str, directory: Path) -> dict[str, str]:
    """The environment of a service that has ``token``."""
    file = directory / token
    file.write_text(token)
    return {
        "CONSUL_HTTP_ADDR": consul.url,
        "CONSUL_HTTP_TOKEN_FILE": str(file),
        "BACKSERVE_GREETING": "ahoy",
    }


def test_consuls_intentions_decide(consul: Consul, tmp_path: Path) -> None:
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
            "backserve", tmp_path, port, holding(consul, consul.token("backserve"), tmp_path)
        ) as backserve,
        serving(
            "frontserve",
            tmp_path,
            **holding(consul, consul.token("frontserve"), tmp_path),
            CONSUL_DNS=consul.dns,
        ) as frontserve,
    ):
        for program in (backserve, frontserve):
            program.until("certificates taken")
        assert "403" in frontserve.get().json()["reason"], "nothing is allowed by default"
        consul.intention("frontserve", "backserve", "allow")
        eventually(lambda: frontserve.get().status_code == 200)
        assert frontserve.get().json()["backserve"]["message"] == "ahoy"
        consul.intention("frontserve", "backserve", "deny")
        eventually(lambda: frontserve.get().status_code == 503)
        refused = [line for line in backserve.log() if line["event"] == "refused"]
    assert {line["peer"].rpartition("/dc/")[2] for line in refused} == {"dc1/svc/frontserve"}
    assert "Default intention policy" in refused[0]["reason"]
    assert "DENY" in refused[-1]["reason"]


def test_the_token_of_another_service_gets_no_certificate(consul: Consul, tmp_path: Path) -> None:
    with serving(
        "backserve", tmp_path, **holding(consul, consul.token("frontserve"), tmp_path)
    ) as backserve:
        eventually(
            lambda: "lacks permission 'service:write'" in backserve.health().json()["reason"]
        )

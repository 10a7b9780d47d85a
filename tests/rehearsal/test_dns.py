"""The cloud's DNS: first the answers, then over UDP and TCP as dig asks."""

import subprocess
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address

import dns.flags
import dns.message
import dns.rcode
import pytest

from rehearsal import dns as module
from rehearsal.config import CloudConfig

CONFIG = CloudConfig(name="test", index=3, machines="memory", port=1, token="t", spaces_key="k", spaces_secret="s")
LOOPBACK = IPv4Address("127.0.0.1")


def ask(name: str, kind: str = "A") -> dns.message.Message:
    wire = module.respond(CONFIG, dns.message.make_query(name, kind).to_wire())
    assert wire is not None
    return dns.message.from_wire(wire)


@pytest.mark.parametrize("name", ["nyc3.spaces.test.internal", "bucket.nyc3.spaces.test.internal", "A.Dotted.AMS3.Spaces.Test.Internal"])
def test_every_bucket_of_every_region_is_at_spaces(name: str) -> None:
    (answer,) = ask(name).answer
    assert [str(record) for record in answer] == [str(CONFIG.spaces)]


def test_releases_have_their_own_address() -> None:
    (answer,) = ask("releases.test.internal").answer
    assert [str(record) for record in answer] == [str(CONFIG.releases)]


def test_a_name_without_an_address_of_the_kind_asked_has_an_empty_answer() -> None:
    message = ask("releases.test.internal", "AAAA")
    assert (message.rcode(), message.answer) == (dns.rcode.NOERROR, [])


@pytest.mark.parametrize(
    "name",
    [
        "example.com",
        "test.internal",
        "spaces.test.internal",
        "mars1.spaces.test.internal",
        "x.releases.test.internal",
        "nyc3.spaces.other.internal",
    ],
)
def test_all_else_does_not_exist(name: str) -> None:
    message = ask(name)
    assert (message.rcode(), message.answer) == (dns.rcode.NXDOMAIN, [])


def test_what_is_no_query_gets_no_answer() -> None:
    response = dns.message.make_response(dns.message.make_query("releases.test.internal", "A"))
    assert module.respond(CONFIG, b"\0\1") is None
    assert module.respond(CONFIG, response.to_wire()) is None


@pytest.fixture
def port() -> Iterator[int]:
    servers = module.servers(CONFIG, LOOPBACK, 0)
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in servers]
    for thread in threads:
        thread.start()
    yield servers[0].socket.getsockname()[1]
    for server in servers:
        server.shutdown()
        server.server_close()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_dig_gets_its_answer(port: int, transport: str) -> None:
    command = ["dig", "@127.0.0.1", "-p", str(port), transport, "+short", "+tries=1", "+time=2", "b.nyc3.spaces.test.internal"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == [str(CONFIG.spaces)]

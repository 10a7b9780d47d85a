"""The cloud's DNS: first the answers, then over UDP and TCP as dig asks."""

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from rehearsal.config import CloudConfig
from rehearsal.machines.guest_services import GuestServices
from rehearsal.network import dns as module
from rehearsal.subprocesses import CHILD_ENVIRONMENT
from rehearsal.topology import network_state_file
from rehearsal.topology.protocol import NetworkState, Zone, ZoneRecord
from tests.rehearsal.support.client import UNLIMITED, running
from tests.rehearsal.support.machines import WatchedMachines
from tests.rehearsal.support.small_cloud import VPC, run, small_cloud, wait_for

CONFIG = CloudConfig(
    name="test", index=3, machines="memory", port=1, token="t", spaces_key="k", spaces_secret="s"
)
LOOPBACK = IPv4Address("127.0.0.1")
SOA = "ns1.digitalocean.com. hostmaster.example.com. 7 10800 3600 604800 1800"
BIG = " ".join(['"' + "x" * 255 + '"'] * 5)


def zone(name: str, *records: tuple[str, str, str]) -> Zone:
    """Return a zone; each record is owner, type and data."""
    return Zone(
        name=name,
        records=[
            ZoneRecord(name=owner, type=kind, ttl=300, data=data) for owner, kind, data in records
        ],
    )


FABRIC = NetworkState(
    zones=[
        zone(
            "example.com",
            ("example.com", "SOA", SOA),
            *(("example.com", "NS", f"ns{number}.digitalocean.com.") for number in (1, 2, 3)),
            ("example.com", "A", "192.0.2.1"),
            ("example.com", "MX", "10 mail.example.com."),
            ("example.com", "CAA", '0 issue "ca.example.net"'),
            ("WWW.example.com", "A", "192.0.2.2"),
            ("www.example.com", "A", "192.0.2.3"),
            ("www.example.com", "AAAA", "2001:db8::1"),
            ("a.b.example.com", "A", "192.0.2.4"),
            ("*.wild.example.com", "A", "192.0.2.5"),
            ("*.wild.example.com", "TXT", '"any"'),
            ("there.wild.example.com", "TXT", '"here"'),
            ("alias.example.com", "CNAME", "second.example.com."),
            ("second.example.com", "CNAME", "there.example.net."),
            ("away.example.com", "CNAME", "www.example.org."),
            ("files.example.com", "CNAME", "bucket.nyc3.spaces.test.internal."),
            ("round.example.com", "CNAME", "and.example.com."),
            ("and.example.com", "CNAME", "round.example.com."),
            ("*.alias.wild.example.com", "CNAME", "www.example.com."),
            ("_sip._tcp.example.com", "SRV", "1 2 5060 sip.example.com."),
            ("delegated.example.com", "NS", "ns.example.org."),
            ("under.delegated.example.com", "A", "192.0.2.6"),
            ("big.example.com", "TXT", BIG),
            ("broken.example.com", "A", "no address"),
            *(("many.example.com", "TXT", f'"{number}" {BIG}') for number in range(60)),
        ),
        zone("sub.example.com", ("sub.example.com", "A", "192.0.2.7")),
        zone("example.net", ("there.example.net", "A", "192.0.2.8")),
    ]
)
RESPONDER = module.Responder(CONFIG, lambda: FABRIC)


def respond(query: dns.message.Message, is_tcp: bool = False) -> dns.message.Message:
    wire = RESPONDER.respond(query.to_wire(), is_tcp)
    assert wire is not None
    return dns.message.from_wire(wire)


def ask(name: str, kind: str = "A") -> dns.message.Message:
    return respond(dns.message.make_query(name, kind))


def lines(message: dns.message.Message) -> list[str]:
    """Return the answers without their TTLs, sorted within one name and type."""
    record_sets = [sorted(records.to_text().splitlines()) for records in message.answer]
    return [
        " ".join(word for word in line.split() if word != "300")
        for records in record_sets
        for line in records
    ]


@pytest.mark.parametrize(
    "name",
    [
        "nyc3.spaces.test.internal",
        "bucket.nyc3.spaces.test.internal",
        "A.Dotted.AMS3.Spaces.Test.Internal",
    ],
)
def test_buckets_of_every_region_resolve_to_spaces(name: str) -> None:
    (answer,) = ask(name).answer
    assert [str(record) for record in answer] == [str(CONFIG.spaces_address)]


def test_releases_have_their_own_address() -> None:
    (answer,) = ask("releases.test.internal").answer
    assert [str(record) for record in answer] == [str(CONFIG.releases_address)]


def test_an_own_name_without_records_of_the_type_has_an_empty_answer() -> None:
    message = ask("releases.test.internal", "AAAA")
    assert (message.rcode(), message.answer) == (dns.rcode.NOERROR, [])


@pytest.mark.parametrize(
    "name",
    [
        "example.org",
        "com",
        "test.internal",
        "spaces.test.internal",
        "mars1.spaces.test.internal",
        "x.releases.test.internal",
        "nyc3.spaces.other.internal",
    ],
)
def test_other_names_do_not_exist(name: str) -> None:
    message = ask(name)
    assert (message.rcode(), message.answer) == (dns.rcode.NXDOMAIN, [])


def test_a_message_that_is_no_query_gets_no_response() -> None:
    response = dns.message.make_response(dns.message.make_query("releases.test.internal", "A"))
    assert RESPONDER.respond(b"\0\1") is None
    assert RESPONDER.respond(response.to_wire()) is None


def test_random_bytes_cause_no_exception() -> None:
    """Queries with randomly changed bytes get a response or none."""
    chance = random.Random(5)
    query = dns.message.make_query(
        "a.there.wild.example.com", "ANY", use_edns=0, payload=1232, want_dnssec=True
    ).to_wire()
    for _ in range(3000):
        wire = bytearray(query)
        for _ in range(chance.randint(1, 6)):
            wire[chance.randrange(len(wire))] = chance.randrange(256)
        answer = RESPONDER.respond(
            bytes(wire[: chance.randint(1, len(wire))] if chance.random() < 0.2 else wire)
        )
        assert answer is None or answer[:2] == wire[:2]


@pytest.mark.parametrize(
    ("name", "kind", "answer"),
    [
        (
            "www.example.com",
            "A",
            ["www.example.com. IN A 192.0.2.2", "www.example.com. IN A 192.0.2.3"],
        ),
        ("wWw.eXample.COM", "AAAA", ["wWw.eXample.COM. IN AAAA 2001:db8::1"]),
        ("example.com", "MX", ["example.com. IN MX 10 mail.example.com."]),
        ("example.com", "CAA", ['example.com. IN CAA 0 issue "ca.example.net"']),
        ("example.com", "SOA", [f"example.com. IN SOA {SOA}"]),
        (
            "example.com",
            "NS",
            [f"example.com. IN NS ns{number}.digitalocean.com." for number in (1, 2, 3)],
        ),
        (
            "_sip._tcp.example.com",
            "SRV",
            ["_sip._tcp.example.com. IN SRV 1 2 5060 sip.example.com."],
        ),
        ("x.wild.example.com", "A", ["x.wild.example.com. IN A 192.0.2.5"]),
        ("x.y.wild.example.com", "TXT", ['x.y.wild.example.com. IN TXT "any"']),
        ("there.wild.example.com", "TXT", ['there.wild.example.com. IN TXT "here"']),
        ("alias.example.com", "CNAME", ["alias.example.com. IN CNAME second.example.com."]),
        (
            "alias.example.com",
            "A",
            [
                "alias.example.com. IN CNAME second.example.com.",
                "second.example.com. IN CNAME there.example.net.",
                "there.example.net. IN A 192.0.2.8",
            ],
        ),
        (
            "x.alias.wild.example.com",
            "AAAA",
            [
                "x.alias.wild.example.com. IN CNAME www.example.com.",
                "www.example.com. IN AAAA 2001:db8::1",
            ],
        ),
        ("sub.example.com", "A", ["sub.example.com. IN A 192.0.2.7"]),
        ("delegated.example.com", "NS", ["delegated.example.com. IN NS ns.example.org."]),
    ],
)
def test_records_of_zones_are_served(name: str, kind: str, answer: list[str]) -> None:
    message = ask(name, kind)
    assert (message.rcode(), lines(message)) == (dns.rcode.NOERROR, answer)
    assert message.flags & dns.flags.AA
    assert message.flags & dns.flags.RA


def test_an_alias_of_a_bucket_is_resolved() -> None:
    alias, bucket = ask("files.example.com").answer
    assert (str(alias[0]), str(bucket[0])) == (
        "bucket.nyc3.spaces.test.internal.",
        str(CONFIG.spaces_address),
    )


def test_name_servers_resolve_to_the_gateway() -> None:
    (answer,) = ask("ns2.digitalocean.com").answer
    assert [str(record) for record in answer] == [str(CONFIG.gateway)]


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("none.example.com", "A", dns.rcode.NXDOMAIN),
        ("x.www.example.com", "A", dns.rcode.NXDOMAIN),
        ("x.there.wild.example.com", "A", dns.rcode.NXDOMAIN),
        ("www.example.com", "TXT", dns.rcode.NOERROR),
        ("b.example.com", "A", dns.rcode.NOERROR),
        ("x.wild.example.com", "MX", dns.rcode.NOERROR),
        ("there.wild.example.com", "A", dns.rcode.NOERROR),
        ("b.example.com", "ANY", dns.rcode.NOERROR),
        ("broken.example.com", "A", dns.rcode.NXDOMAIN),
    ],
)
def test_a_negative_answer_contains_the_soa(name: str, kind: str, code: dns.rcode.Rcode) -> None:
    message = ask(name, kind)
    assert (message.rcode(), message.answer) == (code, [])
    assert [found.to_text() for found in message.authority] == [f"example.com. 300 IN SOA {SOA}"]


def test_an_alias_of_an_unknown_name_does_not_exist() -> None:
    message = ask("away.example.com")
    assert (message.rcode(), lines(message)) == (
        dns.rcode.NXDOMAIN,
        ["away.example.com. IN CNAME www.example.org."],
    )


def test_a_loop_of_aliases_is_a_server_failure() -> None:
    message = ask("round.example.com")
    assert (message.rcode(), message.answer) == (dns.rcode.SERVFAIL, [])


@pytest.mark.parametrize("name", ["delegated.example.com", "under.delegated.example.com"])
def test_a_delegated_name_is_referred_to_its_servers(name: str) -> None:
    message = ask(name)
    assert (message.rcode(), message.answer, message.flags & dns.flags.AA) == (
        dns.rcode.NOERROR,
        [],
        0,
    )
    assert [str(found[0]) for found in message.authority] == ["ns.example.org."]


def test_a_response_is_truncated_to_the_size_limit() -> None:
    cut = ask("big.example.com", "TXT")
    assert (cut.flags & dns.flags.TC, cut.answer) == (dns.flags.TC, [])
    query = dns.message.make_query("big.example.com", "TXT", use_edns=0, payload=2000)
    for whole in (
        respond(query),
        respond(dns.message.make_query("big.example.com", "TXT"), is_tcp=True),
    ):
        assert not whole.flags & dns.flags.TC
        assert [len(string) for string in whole.answer[0][0].strings] == [255] * 5
    too_many = respond(dns.message.make_query("many.example.com", "TXT"), is_tcp=True)
    assert (too_many.flags & dns.flags.TC, too_many.answer) == (dns.flags.TC, [])


def test_unsupported_queries_are_rejected() -> None:
    assert (
        respond(dns.message.make_query("example.com", "A", rdclass="CH")).rcode()
        == dns.rcode.REFUSED
    )
    assert (
        respond(dns.message.make_query("example.com", "AXFR"), is_tcp=True).rcode()
        == dns.rcode.REFUSED
    )
    query = dns.message.make_query("example.com", "SOA")
    query.set_opcode(dns.opcode.NOTIFY)
    assert respond(query).rcode() == dns.rcode.NOTIMP


@pytest.fixture
def port() -> Iterator[int]:
    servers = module.create_servers(RESPONDER, LOOPBACK, 0)
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
def test_dig_gets_an_answer(port: int, transport: str) -> None:
    command = [
        "dig",
        "@127.0.0.1",
        "-p",
        str(port),
        transport,
        "+short",
        "+tries=1",
        "+time=2",
        "b.nyc3.spaces.test.internal",
    ]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == [
        str(CONFIG.spaces_address)
    ]


def test_dig_repeats_a_truncated_query_by_tcp(port: int) -> None:
    command = [
        "dig",
        "@127.0.0.1",
        "-p",
        str(port),
        "+noedns",
        "+short",
        "+tries=1",
        "+time=2",
        "big.example.com",
        "TXT",
    ]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == BIG


class PublishingMachines(WatchedMachines):
    """Publishes the network state to the services in the network."""

    def __init__(self, config: CloudConfig) -> None:
        super().__init__(config)
        self._guest_services = GuestServices(config)

    async def apply(self, network_state: NetworkState) -> None:
        await super().apply(network_state)
        await self._guest_services.publish(network_state)


SERVE = """
import sys
from rehearsal.config import CloudConfig
from rehearsal.network.guest_services import serve
serve(CloudConfig.load(sys.argv[1]))
"""


def test_a_droplet_resolves_records_created_through_the_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    with small_cloud(tmp_path) as cloud:
        cloud.config.save()
        network_state_file.write(
            cloud.config, NetworkState(droplets=cloud.droplets, networks=[VPC])
        )
        environ = {
            **CHILD_ENVIRONMENT,
            "SLIPWAY_STATE": str(tmp_path),
            "PYTHONPATH": str(Path.cwd()),
        }
        process = cloud.start(
            cloud.config.netns, sys.executable, "-c", SERVE, cloud.config.name, environ=environ
        )
        wait_for(
            lambda: (
                (cloud.config.directory / "guest-services.ready").exists()
                or process.poll() is not None
            ),
            30,
        )
        assert process.poll() is None

        def resolved(name: str, *more: str) -> str:
            place = cloud.place(cloud.droplets[0])
            return run(
                "ip",
                "netns",
                "exec",
                place,
                "dig",
                f"@{cloud.config.gateway}",
                "+short",
                "+time=2",
                "+tries=1",
                *more,
                name,
            ).strip()

        with running(cloud.config, PublishingMachines(cloud.config), UNLIMITED) as api:
            api("POST", "/v2/domains", {"name": "example.com", "ip_address": "192.0.2.1"}, 201)
            assert resolved("example.com") == "192.0.2.1"
            records = "/v2/domains/example.com/records"
            alias = api("POST", records, {"type": "CNAME", "name": "www", "data": "@"}, 201)[
                "domain_record"
            ]
            assert resolved("www.example.com", "+tcp").split() == ["example.com.", "192.0.2.1"]
            for number in range(5):
                api("PUT", f"{records}/{alias['id']}", {"name": f"www{number}"})
                assert resolved(f"www{number}.example.com").split() == ["example.com.", "192.0.2.1"]
            api("DELETE", "/v2/domains/example.com", expect=204)
            assert resolved("example.com") == ""
        assert process.poll() is None

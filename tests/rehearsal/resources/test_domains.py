"""Domains, their records, and the resulting DNS answers."""

import asyncio
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.rcode
import pytest

from rehearsal.config import CloudConfig
from rehearsal.network.dns import Responder
from rehearsal.state import accounts
from rehearsal.topology.protocol import NetworkState
from tests.rehearsal.support.client import UNLIMITED, Client, running
from tests.rehearsal.support.machines import WatchedMachines

NAME = "example.com"
RECORDS = f"/v2/domains/{NAME}/records"
A = {"type": "A", "name": "www", "data": "192.0.2.1"}
ABSENT = {"priority": None, "port": None, "weight": None, "flags": None, "tag": None}


@pytest.fixture
def domain(api: Client) -> Client:
    api("POST", "/v2/domains", {"name": NAME}, 201)
    return api


def add(api: Client, **record: Any) -> dict[str, Any]:
    added: dict[str, Any] = api("POST", RECORDS, record, 201)["domain_record"]
    assert isinstance(added["id"], int)
    assert api("GET", f"{RECORDS}/{added['id']}")["domain_record"] == added
    return added


def test_a_domain_begins_with_its_soa_name_servers_and_address(api: Client) -> None:
    created = api("POST", "/v2/domains", {"name": "Example.com", "ip_address": "192.0.2.1"}, 201)[
        "domain"
    ]
    assert created == {"name": NAME, "ttl": 1800, "zone_file": None}
    records = api("GET", RECORDS)["domain_records"]
    assert [(one["type"], one["name"], one["data"], one["ttl"]) for one in records] == [
        ("SOA", "@", "1800", 1800),
        *(("NS", "@", f"ns{number}.digitalocean.com", 1800) for number in (1, 2, 3)),
        ("A", "@", "192.0.2.1", 1800),
    ]
    domain_json = api("GET", "/v2/domains/EXAMPLE.com")["domain"]
    head, default, soa, *rest = domain_json.pop("zone_file").splitlines()
    assert domain_json == {"name": NAME, "ttl": 1800}
    assert (head, default) == ("$ORIGIN example.com.", "$TTL 1800")
    assert soa.startswith("example.com. IN SOA ns1.digitalocean.com. hostmaster.example.com. ")
    assert soa.endswith(" 10800 3600 604800 1800")
    assert rest == [
        *(f"example.com. 1800 IN NS ns{number}.digitalocean.com." for number in (1, 2, 3)),
        "example.com. 1800 IN A 192.0.2.1",
    ]
    assert [one["name"] for one in api("GET", "/v2/domains")["domains"]] == [NAME]


def test_a_domain_is_deleted_with_its_records_and_can_be_created_again(domain: Client) -> None:
    record = add(domain, **A)
    domain("DELETE", f"/v2/domains/{NAME}", expect=204)
    for path in (f"/v2/domains/{NAME}", RECORDS, f"{RECORDS}/{record['id']}"):
        domain("GET", path, expect=404)
    domain("DELETE", f"/v2/domains/{NAME}", expect=404)
    domain("POST", "/v2/domains", {"name": NAME}, 201)
    assert domain("GET", RECORDS)["meta"]["total"] == 4


@pytest.mark.parametrize(
    "name",
    [
        "",
        "com",
        "example.com.",
        ".example.com",
        "a..com",
        "-a.com",
        "a-.com",
        "a_b.com",
        "*.example.com",
        "a b.com",
        "münchen.example",
        "192.0.2.1",
        "../../etc.com",
        "$(reboot).com",
        "a;b.com",
        "a\n.com",
        "a.com\n",
        "a\x00.com",
        "x" * 64 + ".com",
        ".".join(["x" * 60] * 4) + ".com",
        "x" * 100_000,
    ],
)
def test_invalid_domain_names(api: Client, name: str) -> None:
    assert (
        api.error_message("POST", "/v2/domains", {"name": name})
        == "Name is not a valid domain name"
    )


def test_internationalized_names_are_in_punycode(api: Client) -> None:
    assert (
        api("POST", "/v2/domains", {"name": "xn--mnchen-3ya.example"}, 201)["domain"]["name"]
        == "xn--mnchen-3ya.example"
    )


def test_a_domain_name_is_unique(domain: Client, config: CloudConfig) -> None:
    assert (
        domain.error_message("POST", "/v2/domains", {"name": "EXAMPLE.com"})
        == "domain 'example.com': name already exists"
    )
    own = f"nyc3.spaces.{config.domain}"
    assert (
        domain.error_message("POST", "/v2/domains", {"name": own})
        == f"domain '{own}': name already exists"
    )
    assert "IPv4" in domain.error_message(
        "POST", "/v2/domains", {"name": "other.com", "ip_address": "2001:db8::1"}
    )
    domain("GET", "/v2/domains/other.com", expect=404)


@pytest.mark.parametrize("name", ["example.com", "www.example.com", "a.b.example.com"])
def test_parents_and_children_of_another_accounts_domain_are_refused(
    api: Client, other: Client, name: str
) -> None:
    api("POST", "/v2/domains", {"name": "b.example.com"}, 201)
    api("POST", "/v2/domains", {"name": "www.example.com"}, 201)
    assert (
        other.error_message("POST", "/v2/domains", {"name": name})
        == f"domain '{name}': name already exists"
    )
    for sibling in ("c.example.com", "xb.example.com"):
        other("POST", "/v2/domains", {"name": sibling}, 201)


def test_an_account_may_have_parents_and_children_of_its_own_domain(api: Client) -> None:
    for name in ("b.example.com", "example.com", "a.b.example.com"):
        api("POST", "/v2/domains", {"name": name}, 201)


@pytest.mark.parametrize(
    ("record", "stored"),
    [
        (A, {}),
        (A | {"name": "www.Example.com."}, {"name": "www"}),
        (A | {"name": "example.com"}, {}),
        (A | {"name": "example.com."}, {"name": "@"}),
        (A | {"name": "*"}, {}),
        (A | {"name": "*.deep", "ttl": 30}, {}),
        (A | {"priority": 0, "port": 0, "weight": 0, "flags": 0, "tag": ""}, ABSENT),
        ({"type": "AAAA", "name": "@", "data": "2001:DB8:0::1"}, {"data": "2001:db8::1"}),
        ({"type": "CNAME", "name": "www", "data": "a.example.net."}, {"data": "a.example.net"}),
        ({"type": "CNAME", "name": "www", "data": "example.com."}, {"data": "@"}),
        ({"type": "CNAME", "name": "www", "data": "@"}, {}),
        (
            {"type": "MX", "name": "@", "data": "mail.example.com.", "priority": 10},
            {"data": "mail.example.com"},
        ),
        (
            {"type": "MX", "data": "mail.example.com.", "priority": 0},
            {"name": "@", "data": "mail.example.com"},
        ),
        (
            {"type": "NS", "name": None, "data": "ns1.example.net."},
            {"name": "@", "data": "ns1.example.net"},
        ),
        ({"type": "NS", "name": "sub", "data": "ns1.example.net."}, {"data": "ns1.example.net"}),
        (
            {
                "type": "SRV",
                "name": "_sip._tcp",
                "data": "sip.example.com.",
                "priority": 10,
                "port": 0,
                "weight": 0,
            },
            {"data": "sip.example.com"},
        ),
        ({"type": "TXT", "name": "_dmarc", "data": "v=DMARC1; p=none"}, {}),
        ({"type": "TXT", "name": "@", "data": '"v=spf1 -all"'}, {}),
        ({"type": "TXT", "name": "@", "data": "grün" * 200}, {}),
        (
            {"type": "CAA", "name": "@", "data": "ca.example.net.", "flags": 0, "tag": "issue"},
            {"data": "ca.example.net"},
        ),
        (
            {
                "type": "CAA",
                "name": "@",
                "data": "ca.example.net.",
                "flags": 255,
                "tag": "issuewild",
            },
            {"data": "ca.example.net"},
        ),
        (
            {
                "type": "CAA",
                "name": "@",
                "data": "mailto:ca@example.com",
                "flags": 0,
                "tag": "iodef",
            },
            {},
        ),
    ],
)
def test_records_of_every_type(
    domain: Client, record: dict[str, Any], stored: dict[str, Any]
) -> None:
    added = add(domain, **record)
    added.pop("id")
    assert added == {**ABSENT, "ttl": 1800, **record, **stored}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (A | {"type": None}, "type is required"),
        (A | {"type": "PTR"}, "type"),
        (A | {"type": "SOA"}, "A domain has one SOA record"),
        (A | {"name": None}, "Name can't be blank"),
        (A | {"name": "a b"}, "Name is not a valid A record name"),
        (A | {"name": "a-*"}, "Name is not a valid A record name"),
        (A | {"name": "a.*"}, "Name is not a valid A record name"),
        (A | {"name": "a..b"}, "Name is not a valid A record name"),
        (A | {"name": "a\n"}, "Name is not a valid A record name"),
        (A | {"name": "-a"}, "Name is not a valid A record name"),
        (A | {"name": "\\000"}, "Name is not a valid A record name"),
        (A | {"name": "www.example.net."}, "Name is not a valid A record name"),
        (A | {"name": "notexample.com."}, "Name is not a valid A record name"),
        (A | {"name": ".example.com."}, "Name is not a valid A record name"),
        (A | {"name": "x" * 64}, "Name is not a valid A record name"),
        (A | {"name": ".".join(["x" * 61] * 4)}, "Name is not a valid A record name"),
        (A | {"data": None}, "Data can't be blank"),
        (A | {"data": "www"}, "Data is not a valid IPv4 address"),
        (A | {"data": "2001:db8::1"}, "Data is not a valid IPv4 address"),
        (A | {"data": "192.0.2.1\n"}, "Data is not a valid IPv4 address"),
        (A | {"type": "AAAA"}, "Data is not a valid IPv6 address"),
        (A | {"type": "AAAA", "data": "fe80::1%eth0"}, "Data is not a valid IPv6 address"),
        (A | {"ttl": 29}, "record ttl must be greater than 30"),
        (A | {"ttl": -1}, "record ttl must be greater than 30"),
        (A | {"ttl": 2**31}, "record ttl must be at most 2147483647"),
        (
            {"type": "CNAME", "name": "www", "data": "a.example.net"},
            "Data needs to end with a dot (.)",
        ),
        ({"type": "CNAME", "name": "www", "data": "."}, "Data is not a valid hostname"),
        ({"type": "CNAME", "name": "www", "data": "a b."}, "Data is not a valid hostname"),
        ({"type": "CNAME", "name": "www", "data": "a\n."}, "Data is not a valid hostname"),
        ({"type": "CNAME", "name": "www", "data": "x" * 64 + "."}, "Data is not a valid hostname"),
        (
            {"type": "CNAME", "name": "@", "data": "a.example.net."},
            "CNAME records cannot share a name with other records",
        ),
        ({"type": "NS", "data": "ns1.example.net"}, "Data needs to end with a dot (.)"),
        (
            {"type": "MX", "data": "mail.example.com.", "priority": None},
            "Priority must be an integer between 0 and 65535",
        ),
        (
            {"type": "MX", "data": "mail.example.com.", "priority": 65536},
            "Priority must be an integer between 0 and 65535",
        ),
        (
            {
                "type": "SRV",
                "name": "_s._tcp",
                "data": "s.example.com.",
                "priority": 1,
                "weight": 1,
            },
            "Port must be an integer between 0 and 65535",
        ),
        (
            {"type": "SRV", "name": "_s._tcp", "data": "s.example.com.", "priority": 1, "port": 1},
            "Weight must be an integer between 0 and 65535",
        ),
        (
            {"type": "CAA", "name": "@", "data": "ca.example.net.", "tag": "issue"},
            "Flags must be an integer between 0 and 255",
        ),
        (
            {"type": "CAA", "name": "@", "data": "ca.example.net.", "tag": "issue", "flags": 256},
            "Flags must be an integer between 0 and 255",
        ),
        (
            {"type": "CAA", "name": "@", "data": "ca.example.net.", "flags": 0},
            "Tag must be one of issue, issuewild, iodef",
        ),
        (
            {"type": "CAA", "name": "@", "data": "ca.example.net", "flags": 0, "tag": "issue"},
            "Data needs to end with a dot (.)",
        ),
        (
            {"type": "CAA", "name": "@", "data": "ca@example.com", "flags": 0, "tag": "iodef"},
            "Data must be a mailto:, http: or https: URL",
        ),
        (
            {"type": "TXT", "name": "@", "data": "a\nb"},
            "Data must be text without control characters, 4096 bytes at most",
        ),
        (
            {"type": "TXT", "name": "@", "data": "x" * 4097},
            "Data must be text without control characters, 4096 bytes at most",
        ),
        ({"type": "TXT", "name": "a-*", "data": "x"}, "Name is not a valid TXT record name"),
    ],
)
def test_invalid_records(domain: Client, record: dict[str, Any], message: str) -> None:
    assert message in domain.error_message("POST", RECORDS, record)
    assert domain("GET", RECORDS)["meta"]["total"] == 4


def test_unpaired_surrogates_are_refused(domain: Client) -> None:
    body = b'{"type": "TXT", "name": "@", "data": "\\ud800"}'
    answer = domain.http.post(
        domain.url + RECORDS, data=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422


def test_records_are_filtered_by_fully_qualified_name_and_type(domain: Client) -> None:
    www, v6, apex = (
        add(domain, **A),
        add(domain, type="AAAA", name="www", data="2001:db8::1"),
        add(domain, **A | {"name": "@"}),
    )

    def find_ids(query: str) -> list[int]:
        return [one["id"] for one in domain("GET", f"{RECORDS}?{query}")["domain_records"]]

    assert find_ids("name=www.example.com") == [www["id"], v6["id"]]
    assert find_ids("name=WWW.example.com&type=AAAA") == [v6["id"]]
    assert find_ids("name=example.com&type=A") == [apex["id"]]
    assert find_ids("name=www") == []
    assert find_ids("type=A") == [www["id"], apex["id"]]
    assert "type" in domain.error_message("GET", f"{RECORDS}?type=PTR")
    assert len(domain("GET", f"{RECORDS}?per_page=2&page=2")["domain_records"]) == 2


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_update_changes_only_the_given_fields(domain: Client, method: str) -> None:
    added = add(domain, type="MX", name="in", data="mail.example.net.", priority=10)
    path = f"{RECORDS}/{added['id']}"
    assert domain(method, path, {"ttl": 600})["domain_record"] == added | {"ttl": 600}
    assert domain(method, path, {"type": "MX", "priority": 0})["domain_record"] == added | {
        "ttl": 600,
        "priority": 0,
    }
    zeros = {
        "name": "in",
        "data": "mail2.example.net.",
        "priority": 5,
        "port": 0,
        "weight": 0,
        "flags": 0,
    }
    changed = domain(method, path, zeros)["domain_record"]
    assert changed == added | {"ttl": 600, "data": "mail2.example.net", "priority": 5}
    assert domain("GET", path)["domain_record"] == changed
    assert (
        domain.error_message(method, path, {"data": "mail"}) == "Data needs to end with a dot (.)"
    )
    assert domain.error_message(method, path, {"ttl": 1}) == "record ttl must be greater than 30"
    assert domain.error_message(method, path, {"type": "A"}) == "Type of a record cannot be changed"
    assert domain("GET", path)["domain_record"] == changed


def test_a_cname_shares_its_name_with_no_record(domain: Client) -> None:
    alias = {"type": "CNAME", "name": "WWW", "data": "@"}
    refused = "CNAME records cannot share a name with other records"
    address = add(domain, **A)
    assert domain.error_message("POST", RECORDS, alias) == refused
    other = add(domain, **alias | {"name": "other"})
    assert domain.error_message("POST", RECORDS, A | {"name": "other"}) == refused
    assert domain.error_message("POST", RECORDS, alias | {"name": "other"}) == refused
    assert domain.error_message("PUT", f"{RECORDS}/{other['id']}", {"name": "www"}) == refused
    domain("DELETE", f"{RECORDS}/{address['id']}", expect=204)
    assert (
        domain("PUT", f"{RECORDS}/{other['id']}", {"name": "www"})["domain_record"]["data"] == "@"
    )


def test_records_of_one_name_and_type_share_the_last_ttl(domain: Client) -> None:
    first = add(domain, **A)
    second = add(domain, **A | {"data": "192.0.2.2", "ttl": 60})
    text = add(domain, type="TXT", name="www", data="x")

    def ttls() -> list[int]:
        return [
            domain("GET", f"{RECORDS}/{one['id']}")["domain_record"]["ttl"]
            for one in (first, second, text)
        ]

    assert ttls() == [60, 60, 1800]
    domain("PUT", f"{RECORDS}/{first['id']}", {"ttl": 300})
    assert ttls() == [300, 300, 1800]


def test_only_the_ttl_of_an_soa_can_be_changed(domain: Client) -> None:
    [soa] = domain("GET", f"{RECORDS}?type=SOA")["domain_records"]
    path = f"{RECORDS}/{soa['id']}"
    changed = domain("PATCH", path, {"type": "SOA", "name": "@", "data": "1800", "ttl": 3600})[
        "domain_record"
    ]
    assert changed == soa | {"ttl": 3600}
    assert domain("GET", f"/v2/domains/{NAME}")["domain"]["ttl"] == 3600
    assert (
        domain.error_message("PATCH", path, {"data": "60"})
        == "Only the ttl of an SOA record can be changed"
    )
    assert domain.error_message("DELETE", path) == "SOA records cannot be deleted"


def test_a_record_belongs_to_its_domain(domain: Client) -> None:
    domain("POST", "/v2/domains", {"name": "other.com"}, 201)
    id = add(domain, **A)["id"]
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        body = {"data": "192.0.2.9"} if method in ("PUT", "PATCH") else None
        domain(method, f"/v2/domains/other.com/records/{id}", body, expect=404)
        domain(method, f"{RECORDS}/zero", body, expect=404)
        domain(method, f"{RECORDS}/{10**30}", body, expect=404)
    domain("POST", "/v2/domains/none.com/records", A, expect=404)
    domain("DELETE", f"{RECORDS}/{id}", expect=204)
    domain("DELETE", f"{RECORDS}/{id}", expect=404)


def test_a_domain_is_in_a_project(domain: Client) -> None:
    urn = f"do:domain:{NAME}"

    def project_urns(project: str) -> list[str]:
        return [
            one["urn"] for one in domain("GET", f"/v2/projects/{project}/resources")["resources"]
        ]

    assert project_urns("default") == [urn]
    other = domain("POST", "/v2/projects", {"name": "other", "purpose": "Web Application"}, 201)[
        "project"
    ]["id"]
    [moved] = domain("POST", f"/v2/projects/{other}/resources", {"resources": [urn]})["resources"]
    assert moved["links"]["self"].endswith(f"/v2/domains/{NAME}")
    assert (project_urns("default"), project_urns(other)) == ([], [urn])
    [unknown] = domain(
        "POST", f"/v2/projects/{other}/resources", {"resources": ["do:domain:none.com"]}
    )["resources"]
    assert unknown["status"] == "not_found"
    domain("DELETE", f"/v2/domains/{NAME}", expect=204)
    assert project_urns(other) == []


def test_a_domain_of_one_account_is_unknown_to_another(domain: Client, config: CloudConfig) -> None:
    other = Client(domain.url, accounts.create_or_update(config, "other", {}).token)
    id = add(domain, **A)["id"]
    assert other("GET", "/v2/domains")["domains"] == []
    other("GET", f"/v2/domains/{NAME}", expect=404)
    other("GET", RECORDS, expect=404)
    other("PUT", f"{RECORDS}/{id}", {"ttl": 60}, expect=404)
    other("DELETE", f"/v2/domains/{NAME}", expect=404)
    assert (
        other.error_message("POST", "/v2/domains", {"name": NAME})
        == f"domain '{NAME}': name already exists"
    )
    other("POST", "/v2/domains", {"name": "other.com"}, 201)
    other("GET", f"/v2/domains/other.com/records/{id}", expect=404)
    assert domain("GET", "/v2/domains")["meta"]["total"] == 1
    domain("DELETE", f"/v2/domains/{NAME}", expect=204)
    other("POST", "/v2/domains", {"name": NAME}, 201)


@pytest.fixture
def watched(config: CloudConfig) -> WatchedMachines:
    return WatchedMachines(config)


@pytest.fixture
def served(config: CloudConfig, watched: WatchedMachines) -> Iterator[Client]:
    with running(config, watched, UNLIMITED) as client:
        client("POST", "/v2/domains", {"name": NAME}, 201)
        yield client


def answers(
    config: CloudConfig, network_state: NetworkState, name: str, kind: str
) -> tuple[str, list[str]]:
    """Return the response code and the answers of DNS."""
    wire = Responder(config, lambda: network_state).respond(
        dns.message.make_query(name, kind).to_wire(), is_tcp=True
    )
    assert wire is not None
    message = dns.message.from_wire(wire)
    return dns.rcode.to_text(message.rcode()), [
        line for rrset in message.answer for line in rrset.to_text().splitlines()
    ]


def test_dns_has_each_change_when_the_api_responds(
    served: Client, config: CloudConfig, watched: WatchedMachines
) -> None:
    def ask(name: str, kind: str = "A") -> tuple[str, list[str]]:
        return answers(config, watched.network_state, name, kind)

    assert ask("www.example.com") == ("NXDOMAIN", [])
    added = add(served, **A, ttl=60)
    assert ask("www.example.com") == ("NOERROR", ["www.example.com. 60 IN A 192.0.2.1"])
    served("PUT", f"{RECORDS}/{added['id']}", {"data": "192.0.2.2", "ttl": 90})
    assert ask("www.example.com") == ("NOERROR", ["www.example.com. 90 IN A 192.0.2.2"])
    text = 'quoted " and \\ and ; (grün)'
    add(served, type="TXT", name="www", data=text)
    _, [line] = ask("www.example.com", "TXT")
    assert line == 'www.example.com. 1800 IN TXT "quoted \\" and \\\\ and ; (gr\\195\\188n)"'
    _, [before] = ask("example.com", "SOA")
    served("DELETE", f"{RECORDS}/{added['id']}", expect=204)
    assert ask("www.example.com") == ("NOERROR", [])
    _, [after] = ask("example.com", "SOA")
    assert int(after.split()[6]) > int(before.split()[6])
    served("DELETE", f"/v2/domains/{NAME}", expect=204)
    assert ask("example.com", "SOA") == ("NXDOMAIN", [])


def test_a_network_failure_creates_no_domain_or_record(
    served: Client, watched: WatchedMachines
) -> None:
    watched.broken = True
    served("POST", RECORDS, A, expect=500)
    served("POST", "/v2/domains", {"name": "other.com"}, expect=500)
    watched.broken = False
    assert served("GET", RECORDS)["meta"]["total"] == 4
    served("POST", "/v2/domains", {"name": "other.com"}, 201)


def test_dns_answers_hostile_records(
    served: Client, config: CloudConfig, watched: WatchedMachines
) -> None:
    """DNS can answer each record that the API accepts."""
    texts = [
        '"',
        '" "',
        '"a" b',
        '\\"',
        "\\",
        '"\\"',
        "\\300",
        "$INCLUDE /etc/passwd",
        "(",
        "\x80\u2028",
        "x" * 4096,
    ]
    for number, text in enumerate(texts):
        add(served, type="TXT", name=f"t{number}", data=text)
        code, strings = answers(config, watched.network_state, f"t{number}.example.com", "TXT")
        assert (code, len(strings)) == ("NOERROR", 1)
    assert "/etc" in answers(config, watched.network_state, "t7.example.com", "TXT")[1][0]
    assert len(served("GET", f"/v2/domains/{NAME}")["domain"]["zone_file"].splitlines()) == 6 + len(
        texts
    )
    assert asyncio.run(_both(served)) == [201, 422]


async def _both(client: Client) -> list[int]:
    """Return the statuses of two concurrent requests for one name."""

    def create() -> int:
        return client.http.post(
            f"{client.url}/v2/domains", json={"name": "twice.com"}, timeout=10
        ).status_code

    return sorted(await asyncio.gather(*(asyncio.to_thread(create) for _ in range(2))))

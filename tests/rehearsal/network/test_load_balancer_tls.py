"""Load balancers with certificates: TLS that ends at HAProxy or passes through it, and who may connect."""

import json
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from rehearsal.api import certificate_authority
from rehearsal.network.load_balancers import LoadBalancers
from rehearsal.state import certificate_files
from rehearsal.topology.protocol import ForwardingRule, HealthCheck, LoadBalancer
from tests.rehearsal.support.balanced import Web, apply, balancer, wait_up
from tests.rehearsal.support.issuing import Issued, issue
from tests.rehearsal.support.small_cloud import BALANCER_PRIVATE, VPC, wait_for

NAME = "www.example.com"
CBC = "ECDHE-ECDSA-AES128-SHA256"
"""Without authenticated encryption: allowed by default, not by the strong policy."""

CLIENT = """
import http.client, json, socket, ssl, sys
asked = json.load(sys.stdin)
context = ssl.create_default_context(cadata=asked["trust"])
context.set_alpn_protocols(["http/1.1"])
if asked["ciphers"]:
    context.set_ciphers(asked["ciphers"])
if asked["version"]:
    context.minimum_version = context.maximum_version = ssl.TLSVersion[asked["version"]]
plain = socket.create_connection((asked["address"], asked["port"]), 5)
secure = context.wrap_socket(plain, server_hostname=asked["name"])
told = {"version": secure.version(), "alpn": secure.selected_alpn_protocol(), "cipher": secure.cipher()[0]}
told["serial"] = secure.getpeercert()["serialNumber"]
secure.sendall(b"GET / HTTP/1.1\\r\\nHost: " + asked["name"].encode() + b"\\r\\nConnection: close\\r\\n\\r\\n")
answer = http.client.HTTPResponse(secure)
answer.begin()
print(json.dumps(told | {"status": answer.status, "headers": dict(answer.headers), "body": json.loads(answer.read())}))
"""
"""One request over TLS by one who believes ``trust`` alone, and looks at the name."""


def https(entry_port: int, certificate: str, **changes: Any) -> ForwardingRule:
    facts = {
        "entry_protocol": "https",
        "entry_port": entry_port,
        "target_protocol": "http",
        "target_port": 8085,
    }
    return ForwardingRule.model_validate(facts | {"certificate_id": certificate} | changes)


def keep(web: Web, one: Issued, id: str) -> str:
    """Make a certificate known as the API does; returns its id."""
    certificate_files.write(web.cloud.config, id, (one.key_pem + one.pem).encode())
    return id


def ask(web: Web, trust: str, port: int = 443, **changes: Any) -> dict[str, Any]:
    """What the host is told by the balancer; raises CalledProcessError if TLS fails."""
    asked: dict[str, Any] = {
        "address": str(web.cloud.balancer_public),
        "port": port,
        "name": NAME,
        "trust": trust,
    }
    asked |= {"ciphers": "", "version": ""} | changes
    command = ["ip", "netns", "exec", web.cloud.place(None), "python3", "-c", CLIENT]
    told = subprocess.run(
        command, input=json.dumps(asked), check=True, capture_output=True, text=True
    ).stdout
    found: dict[str, Any] = json.loads(told)
    return found


def refused(web: Web, trust: str, **changes: Any) -> str:
    """Why the host is told nothing."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        ask(web, trust, **changes)
    return str(caught.value.stderr)


def serve(web: Web, balancers: LoadBalancers, **changes: object) -> LoadBalancer:
    """The balancer before the first droplet, when it has proven it."""
    one = web.cloud.droplets[0].private.address
    made = balancer(web.cloud, one, **changes)
    apply(balancers, made)
    wait_up(balancers, one)
    return made


@pytest.fixture(scope="module")
def root() -> Issued:
    return issue("root", authority=True)


@pytest.fixture(scope="module")
def secure(web: Web, root: Issued, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    """The first droplet's own certificate, with which it serves TLS at 8443."""
    own = issue("droplet", NAME, by=root)
    pem = tmp_path_factory.mktemp("secure") / "own.pem"
    pem.write_text(own.key_pem + own.pem)
    web.start_secure(web.cloud.droplets[0].id, pem)
    return own


def test_tls_ends_at_the_balancer(web: Web, balancers: LoadBalancers, root: Issued) -> None:
    one = issue("one", NAME, by=root)
    serve(web, balancers, forwarding_rules=[https(443, keep(web, one, "one"))])
    told = ask(web, root.pem)
    assert (told["status"], told["body"]["name"]) == (200, "droplet1")
    assert int(told["serial"], 16) == one.certificate.serial_number
    headers = {name.lower(): value for name, value in told["body"]["headers"].items()}
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("https", "443")
    assert headers["x-forwarded-for"] == str(web.cloud.config.host_address)
    assert "CERTIFICATE_VERIFY_FAILED" in refused(web, issue("other", authority=True).pem)
    assert "CERTIFICATE_VERIFY_FAILED" in refused(web, root.pem, name="www.example.org")


def test_a_client_believes_what_the_clouds_authority_signed(
    web: Web, balancers: LoadBalancers
) -> None:
    leaf, pem = certificate_authority.issue(web.cloud.config, ["*.example.com", "example.com"])
    certificate_files.write(web.cloud.config, "encrypted", pem)
    serve(web, balancers, forwarding_rules=[https(443, "encrypted")])
    told = ask(web, certificate_authority.certificate(web.cloud.config).decode())
    assert int(told["serial"], 16) == leaf.serial_number


def test_each_port_has_its_own_certificate_and_a_change_takes_its_place(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    made = [issue(f"n{number}", NAME, by=root) for number in range(3)]
    ids = [keep(web, one, f"n{number}") for number, one in enumerate(made)]
    serve(web, balancers, forwarding_rules=[https(443, ids[0]), https(8443, ids[1])])
    assert [int(ask(web, root.pem, port)["serial"], 16) for port in (443, 8443)] == [
        one.certificate.serial_number for one in made[:2]
    ]
    serve(web, balancers, forwarding_rules=[https(443, ids[2]), https(8443, ids[1])])
    certificate_files.delete(web.cloud.config, ids[0])
    assert [int(ask(web, root.pem, port)["serial"], 16) for port in (443, 8443)] == [
        made[2].certificate.serial_number,
        made[1].certificate.serial_number,
    ]


def test_http2_is_spoken_where_the_rule_says_so(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    id = keep(web, issue("one", NAME, by=root), "two")
    serve(
        web, balancers, forwarding_rules=[https(443, id), https(8443, id, entry_protocol="http2")]
    )
    for port, version in ((443, "1.1"), (8443, "2")):
        assert _curl(web, root, port) == f"200 {version}"
    assert ask(web, root.pem, 8443)["alpn"] == "http/1.1", (
        "who speaks no HTTP/2 is served all the same"
    )


def _curl(web: Web, root: Issued, port: int) -> str:
    """Status and HTTP version."""
    trust = web.cloud.config.directory / "trust.pem"
    trust.write_text(root.pem)
    url, address = f"https://{NAME}:{port}/", f"{NAME}:{port}:{web.cloud.balancer_public}"
    curl = [
        "curl",
        "-sS",
        "--http2",
        "--noproxy",
        "*",
        "--cacert",
        str(trust),
        "--resolve",
        address,
        "-o",
        "/dev/null",
    ]
    command = [
        "ip",
        "netns",
        "exec",
        web.cloud.place(None),
        *curl,
        "-w",
        "%{http_code} %{http_version}",
        url,
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_strong_policy_leaves_weaker_ciphers_out(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    id = keep(web, issue("one", NAME, by=root), "ciphers")
    serve(web, balancers, forwarding_rules=[https(443, id)])
    assert ask(web, root.pem, version="TLSv1_2", ciphers=CBC)["cipher"] == CBC
    assert ask(web, root.pem, version="TLSv1_3")["version"] == "TLSv1.3"
    assert "alert" in refused(web, root.pem, version="TLSv1_1", ciphers="ALL:@SECLEVEL=0").lower()
    serve(web, balancers, forwarding_rules=[https(443, id)], strong_ciphers=True)
    assert "HANDSHAKE_FAILURE" in refused(web, root.pem, version="TLSv1_2", ciphers=CBC)
    assert ask(web, root.pem, version="TLSv1_2")["status"] == 200


def test_tls_passes_through_to_the_droplets_own_certificate(
    web: Web, balancers: LoadBalancers, root: Issued, secure: Issued
) -> None:
    serve(
        web,
        balancers,
        forwarding_rules=[
            https(443, "", entry_protocol="tcp", target_protocol="tcp", target_port=8443)
        ],
    )
    told = ask(web, root.pem)
    assert int(told["serial"], 16) == secure.certificate.serial_number
    assert "x-forwarded-for" not in {name.lower() for name in told["body"]["headers"]}


def test_tls_goes_on_to_a_target_and_its_health_is_asked_over_tls(
    web: Web, balancers: LoadBalancers, root: Issued, secure: Issued
) -> None:
    one = issue("one", NAME, by=root)
    health = HealthCheck(
        protocol="https",
        port=8443,
        path="/health",
        interval_s=1,
        timeout_s=1,
        unhealthy_threshold=2,
        healthy_threshold=2,
    )
    serve(
        web,
        balancers,
        health_check=health,
        forwarding_rules=[
            https(443, keep(web, one, "again"), target_protocol="https", target_port=8443)
        ],
    )
    told = ask(web, root.pem)
    assert int(told["serial"], 16) == one.certificate.serial_number
    assert "https" in told["body"]["headers"].values(), "the target is told how the client came"
    web.health(web.cloud.droplets[0].id, 500)
    wait_up(balancers)


def test_http2_is_spoken_to_a_target_where_the_rule_says_so(
    web: Web, balancers: LoadBalancers, root: Issued, tmp_path: Path
) -> None:
    own = tmp_path / "own.pem"
    target = issue("target", NAME, by=root)
    own.write_text(target.key_pem + target.pem)
    answer = 'http-request return status 200 content-type application/json lf-string "[%[fc_http_major]]"'
    config = tmp_path / "target.cfg"
    config.write_text(
        "defaults\n mode http\n timeout client 5s\n timeout connect 5s\n timeout server 5s\n"
        f"frontend f\n bind :9443 ssl crt {own} alpn h2,http/1.1\n {answer}\n"
    )
    droplet = web.cloud.place(web.cloud.droplets[0])
    web.cloud.start(droplet, "haproxy", "-db", "-f", str(config))
    web.cloud.wait_listening(droplet, 9443)
    id = keep(web, issue("one", NAME, by=root), "onward")
    forwards = [
        https(443, id, target_protocol="http2", target_port=9443),
        https(8443, id, target_protocol="https", target_port=9443),
    ]
    serve(web, balancers, forwarding_rules=forwards)
    assert [ask(web, root.pem, port)["body"] for port in (443, 8443)] == [[2], [1]]


def test_http_is_sent_on_to_https_on_port_80_alone(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    id = keep(web, issue("one", NAME, by=root), "redirect")
    plain = ForwardingRule(
        entry_protocol="http", entry_port=80, target_protocol="http", target_port=8085
    )
    other = plain.model_copy(update={"entry_port": 8080})
    serve(
        web, balancers, redirect_http_to_https=True, forwarding_rules=[plain, other, https(443, id)]
    )
    status, headers, _ = web.get("/there")
    assert (status, headers["location"]) == (307, f"https://{web.cloud.balancer_public}/there")
    assert ask(web, root.pem)["status"] == 200, "what came by TLS is sent nowhere"
    assert _status(web, web.cloud.place(None), web.cloud.balancer_public, 8080) == "200"


def test_a_sticky_cookie_works_over_tls(web: Web, balancers: LoadBalancers, root: Issued) -> None:
    id = keep(web, issue("one", NAME, by=root), "sticky")
    serve(
        web, balancers, forwarding_rules=[https(443, id)], sticky_cookie="DO-LB", sticky_seconds=300
    )
    assert ask(web, root.pem)["headers"]["set-cookie"].startswith("DO-LB=")


@pytest.mark.parametrize(
    ("allow", "deny", "served"),
    [
        ([], [], True),
        ([], ["198.18.0.0/15"], False),
        ([], ["192.0.2.1/32", "2001:db8::/32"], True),
        (["198.18.0.0/15"], [], True),
        (["192.0.2.1/32"], [], False),
        (["198.18.0.0/15"], ["198.18.0.0/15"], False),
    ],
)
def test_its_firewall_says_who_may_connect(
    web: Web, balancers: LoadBalancers, allow: list[str], deny: list[str], served: bool
) -> None:
    serve(web, balancers, allow=allow, deny=deny)
    assert _status(web, web.cloud.place(None), web.cloud.balancer_public, 80) == (
        "200" if served else "refused"
    )


def test_an_internal_one_serves_its_network_alone(web: Web, balancers: LoadBalancers) -> None:
    _, two, _ = web.cloud.droplets
    serve(web, balancers, public=BALANCER_PRIVATE, internal_network=VPC.range)
    assert _status(web, web.cloud.place(two), BALANCER_PRIVATE, 80) == "200"
    assert _status(web, web.cloud.place(None), web.cloud.balancer_public, 80) == "refused"
    serve(web, balancers, public=BALANCER_PRIVATE, internal_network=IPv4Network("10.99.0.0/16"))
    assert _status(web, web.cloud.place(two), BALANCER_PRIVATE, 80) == "refused"


def _status(web: Web, place: str, address: IPv4Address, port: int) -> str:
    """Of one plain request from a namespace; ``refused`` if nobody answers it."""
    script = (
        "import http.client, sys; c = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=5)\n"
        "try:\n c.request('GET', '/'); print(c.getresponse().status)\n"
        "except (ConnectionError, http.client.RemoteDisconnected):\n print('refused')"
    )
    command = ["ip", "netns", "exec", place, "python3", "-c", script, str(address), str(port)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_no_key_is_in_the_configuration_or_the_process_list(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    one = issue("one", NAME, by=root)
    serve(web, balancers, forwarding_rules=[https(443, keep(web, one, "secret"))])
    secret = one.key_pem.splitlines()[2]
    directory = web.cloud.config.directory
    written = [
        file
        for file in directory.rglob("*")
        if file.is_file() and file.parent.name != "certificates"
    ]
    assert (directory / "balancer" / "haproxy.cfg") in written
    assert not [file for file in written if secret in file.read_text(errors="replace")]
    assert secret not in _processes()
    for question in (
        "show ssl cert",
        f"show ssl cert {certificate_files.path(web.cloud.config, 'secret')}",
        "show env",
        "show info",
    ):
        assert secret not in _asked(directory / "balancer" / "socket", question)


def _processes() -> str:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append(
                (process / "cmdline").read_text(errors="replace")
                + (process / "environ").read_text(errors="replace")
            )
        except OSError:
            continue  # it has ended since
    return "\n".join(found)


def _asked(socket: Path, question: str) -> str:
    script = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode() + b'\\n')\n"
        "while part := s.recv(65536): sys.stdout.write(part.decode())"
    )
    answered = subprocess.run(
        ["python3", "-c", script, str(socket), question], check=True, capture_output=True, text=True
    ).stdout
    assert answered.strip()
    return answered


def test_a_reload_waits_for_no_certificate_that_is_gone(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    """What a balancer no longer names may go at once."""
    id = keep(web, issue("one", NAME, by=root), "going")
    serve(web, balancers, forwarding_rules=[https(443, id)])
    serve(web, balancers)
    certificate_files.delete(web.cloud.config, id)
    serve(web, balancers, idle_seconds=45)
    wait_for(lambda: web.get()[0] == 200)

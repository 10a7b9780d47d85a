"""Load balancers with certificates: TLS termination, TLS passthrough, and allowed clients."""

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
"""A cipher without authenticated encryption, which only the default policy allows."""

CLIENT = """
import http.client, json, socket, ssl, sys
request = json.load(sys.stdin)
context = ssl.create_default_context(cadata=request["trust"])
context.set_alpn_protocols(["http/1.1"])
if request["ciphers"]:
    context.set_ciphers(request["ciphers"])
if request["version"]:
    context.minimum_version = context.maximum_version = ssl.TLSVersion[request["version"]]
plain = socket.create_connection((request["address"], request["port"]), 5)
tls = context.wrap_socket(plain, server_hostname=request["name"])
result = {"version": tls.version(), "alpn": tls.selected_alpn_protocol(), "cipher": tls.cipher()[0]}
result["serial"] = tls.getpeercert()["serialNumber"]
lines = "GET / HTTP/1.1", "Host: " + request["name"], "Connection: close", "", ""
tls.sendall("\\r\\n".join(lines).encode())
response = http.client.HTTPResponse(tls)
response.begin()
result |= {"status": response.status, "headers": dict(response.headers)}
print(json.dumps(result | {"body": json.loads(response.read())}))
"""
"""One request over TLS that trusts only ``trust`` and verifies the host name."""


def https(entry_port: int, certificate: str, **changes: Any) -> ForwardingRule:
    rule = {
        "entry_protocol": "https",
        "entry_port": entry_port,
        "target_protocol": "http",
        "target_port": 8085,
    }
    return ForwardingRule.model_validate(rule | {"certificate_id": certificate} | changes)


def store(web: Web, certificate: Issued, id: str) -> str:
    """Store a certificate like the API; return its id."""
    pem = (certificate.key_pem + certificate.pem).encode()
    certificate_files.write(web.cloud.config, id, pem)
    return id


def get(web: Web, trust: str, port: int = 443, **changes: Any) -> dict[str, Any]:
    """Return the load balancer's response to the host.

    Raises:
        CalledProcessError: the TLS handshake failed.
    """
    request: dict[str, Any] = {
        "address": str(web.cloud.balancer_public),
        "port": port,
        "name": NAME,
        "trust": trust,
    }
    request |= {"ciphers": "", "version": ""} | changes
    command = ["ip", "netns", "exec", web.cloud.place(None), "python3", "-c", CLIENT]
    output = subprocess.run(
        command, input=json.dumps(request), check=True, capture_output=True, text=True
    ).stdout
    result: dict[str, Any] = json.loads(output)
    return result


def handshake_error(web: Web, trust: str, **changes: Any) -> str:
    """Return the error of a TLS handshake that must fail."""
    with pytest.raises(subprocess.CalledProcessError) as error:
        get(web, trust, **changes)
    return str(error.value.stderr)


def serve(web: Web, balancers: LoadBalancers, **changes: object) -> LoadBalancer:
    """Serve a load balancer in front of the first droplet; return once that gets requests."""
    target = web.cloud.droplets[0].private.address
    served = balancer(web.cloud, target, **changes)
    apply(balancers, served)
    wait_up(balancers, target)
    return served


@pytest.fixture(scope="module")
def root() -> Issued:
    return issue("root", authority=True)


@pytest.fixture(scope="module")
def secure(web: Web, root: Issued, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    """The certificate with which the first droplet serves TLS on port 8443."""
    own = issue("droplet", NAME, by=root)
    pem = tmp_path_factory.mktemp("secure") / "own.pem"
    pem.write_text(own.key_pem + own.pem)
    web.start_secure(web.cloud.droplets[0].id, pem)
    return own


def test_the_load_balancer_terminates_tls(web: Web, balancers: LoadBalancers, root: Issued) -> None:
    one = issue("one", NAME, by=root)
    serve(web, balancers, forwarding_rules=[https(443, store(web, one, "one"))])
    response = get(web, root.pem)
    assert (response["status"], response["body"]["name"]) == (200, "droplet1")
    assert int(response["serial"], 16) == one.certificate.serial_number
    headers = {name.lower(): value for name, value in response["body"]["headers"].items()}
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("https", "443")
    assert headers["x-forwarded-for"] == str(web.cloud.config.host_address)
    assert "CERTIFICATE_VERIFY_FAILED" in handshake_error(web, issue("other", authority=True).pem)
    assert "CERTIFICATE_VERIFY_FAILED" in handshake_error(web, root.pem, name="www.example.org")


def test_clients_accept_certificates_of_the_clouds_authority(
    web: Web, balancers: LoadBalancers
) -> None:
    leaf, pem = certificate_authority.issue(web.cloud.config, ["*.example.com", "example.com"])
    certificate_files.write(web.cloud.config, "encrypted", pem)
    serve(web, balancers, forwarding_rules=[https(443, "encrypted")])
    response = get(web, certificate_authority.certificate(web.cloud.config).decode())
    assert int(response["serial"], 16) == leaf.serial_number


def test_each_port_has_a_certificate_that_can_be_replaced(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    made = [issue(f"n{number}", NAME, by=root) for number in range(3)]
    ids = [store(web, one, f"n{number}") for number, one in enumerate(made)]
    serve(web, balancers, forwarding_rules=[https(443, ids[0]), https(8443, ids[1])])
    assert [int(get(web, root.pem, port)["serial"], 16) for port in (443, 8443)] == [
        one.certificate.serial_number for one in made[:2]
    ]
    serve(web, balancers, forwarding_rules=[https(443, ids[2]), https(8443, ids[1])])
    certificate_files.delete(web.cloud.config, ids[0])
    assert [int(get(web, root.pem, port)["serial"], 16) for port in (443, 8443)] == [
        made[2].certificate.serial_number,
        made[1].certificate.serial_number,
    ]


def test_http2_is_offered_if_the_rule_has_it(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    id = store(web, issue("one", NAME, by=root), "two")
    serve(
        web, balancers, forwarding_rules=[https(443, id), https(8443, id, entry_protocol="http2")]
    )
    for port, version in ((443, "1.1"), (8443, "2")):
        assert _curl(web, root, port) == f"200 {version}"
    assert get(web, root.pem, 8443)["alpn"] == "http/1.1", (
        "who speaks no HTTP/2 is served all the same"
    )


def _curl(web: Web, root: Issued, port: int) -> str:
    """Return status and HTTP version of one request."""
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


def test_the_strong_policy_rejects_weaker_ciphers(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    id = store(web, issue("one", NAME, by=root), "ciphers")
    serve(web, balancers, forwarding_rules=[https(443, id)])
    assert get(web, root.pem, version="TLSv1_2", ciphers=CBC)["cipher"] == CBC
    assert get(web, root.pem, version="TLSv1_3")["version"] == "TLSv1.3"
    assert (
        "alert"
        in handshake_error(web, root.pem, version="TLSv1_1", ciphers="ALL:@SECLEVEL=0").lower()
    )
    serve(web, balancers, forwarding_rules=[https(443, id)], strong_ciphers=True)
    assert "HANDSHAKE_FAILURE" in handshake_error(web, root.pem, version="TLSv1_2", ciphers=CBC)
    assert get(web, root.pem, version="TLSv1_2")["status"] == 200


def test_tls_passthrough_shows_the_droplets_certificate(
    web: Web, balancers: LoadBalancers, root: Issued, secure: Issued
) -> None:
    serve(
        web,
        balancers,
        forwarding_rules=[
            https(443, "", entry_protocol="tcp", target_protocol="tcp", target_port=8443)
        ],
    )
    response = get(web, root.pem)
    assert int(response["serial"], 16) == secure.certificate.serial_number
    assert "x-forwarded-for" not in {name.lower() for name in response["body"]["headers"]}


def test_targets_and_health_checks_can_use_tls(
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
            https(443, store(web, one, "again"), target_protocol="https", target_port=8443)
        ],
    )
    response = get(web, root.pem)
    assert int(response["serial"], 16) == one.certificate.serial_number
    assert "https" in response["body"]["headers"].values(), "the target gets X-Forwarded-Proto"
    web.health(web.cloud.droplets[0].id, 500)
    wait_up(balancers)


def test_targets_get_http2_if_the_rule_has_it(
    web: Web, balancers: LoadBalancers, root: Issued, tmp_path: Path
) -> None:
    own = tmp_path / "own.pem"
    target = issue("target", NAME, by=root)
    own.write_text(target.key_pem + target.pem)
    answer = (
        "http-request return status 200 content-type application/json "
        'lf-string "[%[fc_http_major]]"'
    )
    config = tmp_path / "target.cfg"
    config.write_text(
        "defaults\n mode http\n timeout client 5s\n timeout connect 5s\n timeout server 5s\n"
        f"frontend f\n bind :9443 ssl crt {own} alpn h2,http/1.1\n {answer}\n"
    )
    droplet = web.cloud.place(web.cloud.droplets[0])
    web.cloud.start(droplet, "haproxy", "-db", "-f", str(config))
    web.cloud.wait_listening(droplet, 9443)
    id = store(web, issue("one", NAME, by=root), "onward")
    forwards = [
        https(443, id, target_protocol="http2", target_port=9443),
        https(8443, id, target_protocol="https", target_port=9443),
    ]
    serve(web, balancers, forwarding_rules=forwards)
    assert [get(web, root.pem, port)["body"] for port in (443, 8443)] == [[2], [1]]


def test_only_port_80_is_redirected_to_https(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    id = store(web, issue("one", NAME, by=root), "redirect")
    plain = ForwardingRule(
        entry_protocol="http", entry_port=80, target_protocol="http", target_port=8085
    )
    other = plain.model_copy(update={"entry_port": 8080})
    serve(
        web, balancers, redirect_http_to_https=True, forwarding_rules=[plain, other, https(443, id)]
    )
    status, headers, _ = web.get("/there")
    assert (status, headers["location"]) == (307, f"https://{web.cloud.balancer_public}/there")
    assert get(web, root.pem)["status"] == 200, "what came by TLS is sent nowhere"
    assert _status(web, web.cloud.place(None), web.cloud.balancer_public, 8080) == "200"


def test_a_sticky_cookie_works_over_tls(web: Web, balancers: LoadBalancers, root: Issued) -> None:
    id = store(web, issue("one", NAME, by=root), "sticky")
    serve(
        web, balancers, forwarding_rules=[https(443, id)], sticky_cookie="DO-LB", sticky_seconds=300
    )
    assert get(web, root.pem)["headers"]["set-cookie"].startswith("DO-LB=")


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
def test_the_load_balancers_firewall_restricts_clients(
    web: Web, balancers: LoadBalancers, allow: list[str], deny: list[str], served: bool
) -> None:
    serve(web, balancers, allow=allow, deny=deny)
    assert _status(web, web.cloud.place(None), web.cloud.balancer_public, 80) == (
        "200" if served else "refused"
    )


def test_an_internal_load_balancer_serves_only_its_network(
    web: Web, balancers: LoadBalancers
) -> None:
    _, two, _ = web.cloud.droplets
    serve(web, balancers, public=BALANCER_PRIVATE, internal_network=VPC.range)
    assert _status(web, web.cloud.place(two), BALANCER_PRIVATE, 80) == "200"
    assert _status(web, web.cloud.place(None), web.cloud.balancer_public, 80) == "refused"
    serve(web, balancers, public=BALANCER_PRIVATE, internal_network=IPv4Network("10.99.0.0/16"))
    assert _status(web, web.cloud.place(two), BALANCER_PRIVATE, 80) == "refused"


def _status(web: Web, place: str, address: IPv4Address, port: int) -> str:
    """Return the status of an HTTP request from a namespace, or ``refused``."""
    script = (
        "import http.client, sys\n"
        "c = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=5)\n"
        "try:\n c.request('GET', '/'); print(c.getresponse().status)\n"
        "except (ConnectionError, http.client.RemoteDisconnected):\n print('refused')"
    )
    command = ["ip", "netns", "exec", place, "python3", "-c", script, str(address), str(port)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_configuration_and_process_list_contain_no_key(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    one = issue("one", NAME, by=root)
    serve(web, balancers, forwarding_rules=[https(443, store(web, one, "secret"))])
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
    for command in (
        "show ssl cert",
        f"show ssl cert {certificate_files.path(web.cloud.config, 'secret')}",
        "show env",
        "show info",
    ):
        assert secret not in _query(directory / "balancer" / "socket", command)


def _processes() -> str:
    texts = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            texts.append(
                (process / "cmdline").read_text(errors="replace")
                + (process / "environ").read_text(errors="replace")
            )
        except OSError:
            continue  # it has ended meanwhile
    return "\n".join(texts)


def _query(socket: Path, command: str) -> str:
    script = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "s.sendall(sys.argv[2].encode() + b'\\n')\n"
        "while part := s.recv(65536): sys.stdout.write(part.decode())"
    )
    output = subprocess.run(
        ["python3", "-c", script, str(socket), command], check=True, capture_output=True, text=True
    ).stdout
    assert output.strip()
    return output


def test_a_reload_needs_no_deleted_certificate(
    web: Web, balancers: LoadBalancers, root: Issued
) -> None:
    """A certificate can be deleted as soon as no load balancer uses it."""
    id = store(web, issue("one", NAME, by=root), "going")
    serve(web, balancers, forwarding_rules=[https(443, id)])
    serve(web, balancers)
    certificate_files.delete(web.cloud.config, id)
    serve(web, balancers, idle_seconds=45)
    wait_for(lambda: web.get()[0] == 200)

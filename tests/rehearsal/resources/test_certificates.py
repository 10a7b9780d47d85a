"""Certificates: validation of custom ones, and issuance by the cloud's own authority."""

import hashlib
import signal
import ssl
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.times import CertificateTimes, Times
from tests.rehearsal.support.client import UNLIMITED, Client, running, until
from tests.rehearsal.support.issuing import DAY, Issued, issue, key_pem
from tests.rehearsal.support.served import assign_free_port, serve_command

CERTIFICATES = "/v2/certificates"
ENCRYPT = {"name": "le", "type": "lets_encrypt", "dns_names": ["www.example.com"]}


def upload(api: Client, name: str = "web", **more: Any) -> dict[str, Any]:
    body = (
        {"name": name, "type": "custom"}
        | issue("one", "www.example.com", "example.com").upload
        | more
    )
    certificate: dict[str, Any] = api("POST", CERTIFICATES, body, 201)["certificate"]
    return certificate


def create_lets_encrypt(api: Client, **change: Any) -> dict[str, Any]:
    api("POST", "/v2/domains", {"name": "example.com"}, 201)
    certificate: dict[str, Any] = api("POST", CERTIFICATES, ENCRYPT | change, 201)["certificate"]
    return certificate


def wait_until_not_pending(api: Client, id: str) -> dict[str, Any]:
    def fetch() -> dict[str, Any] | None:
        certificate: dict[str, Any] = api("GET", f"{CERTIFICATES}/{id}")["certificate"]
        return certificate if certificate["state"] != "pending" else None

    return until(fetch)


def files(config: CloudConfig) -> list[Path]:
    return sorted((config.directory / "certificates").glob("*"))


def create_load_balancer(api: Client, certificate_id: str) -> dict[str, Any]:
    rule = {
        "entry_protocol": "https",
        "entry_port": 443,
        "target_protocol": "http",
        "target_port": 80,
        "certificate_id": certificate_id,
    }
    body = {"name": "lb", "region": "nyc3", "tag": "web", "forwarding_rules": [rule]}
    load_balancer: dict[str, Any] = api("POST", "/v2/load_balancers", body, 202)["load_balancer"]
    return load_balancer


def test_a_custom_certificate_is_verified_at_once(api: Client) -> None:
    one = issue("one", "www.example.com", "example.com")
    certificate = upload(api, **one.upload)
    assert (certificate["state"], certificate["type"], certificate["dns_names"]) == (
        "verified",
        "custom",
        ["www.example.com", "example.com"],
    )
    der = one.certificate.public_bytes(serialization.Encoding.DER)
    assert certificate["sha1_fingerprint"] == hashlib.sha1(der).hexdigest()
    assert certificate["not_after"] == one.certificate.not_valid_after_utc.strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    assert api("GET", f"{CERTIFICATES}/{certificate['id']}")["certificate"] == certificate
    assert "PRIVATE" not in str(certificate)


def test_the_name_filters_and_is_unique(api: Client) -> None:
    one, two = upload(api, "one"), upload(api, "two")
    assert [listed["id"] for listed in api("GET", CERTIFICATES)["certificates"]] == [
        one["id"],
        two["id"],
    ]
    assert api("GET", f"{CERTIFICATES}?name=two")["certificates"] == [two]
    assert api("GET", f"{CERTIFICATES}?name=tw")["certificates"] == []
    assert (
        api.error_message(
            "POST", CERTIFICATES, {"name": "one", "type": "custom"} | issue("one").upload
        )
        == "name is not unique"
    )


def test_a_chain_is_stored_from_leaf_to_root(api: Client, config: CloudConfig) -> None:
    root = issue("root", authority=True)
    middle = issue("middle", by=root, authority=True)
    leaf = issue("leaf", "www.example.com", by=middle)
    certificate = upload(api, **leaf.upload, certificate_chain=middle.pem + root.pem)
    served = x509.load_pem_x509_certificates(
        (config.directory / "certificates" / f"{certificate['id']}.pem").read_bytes()
    )
    assert served == [leaf.certificate, middle.certificate, root.certificate]


def test_the_type_may_be_absent(api: Client) -> None:
    assert (
        api("POST", CERTIFICATES, {"name": "a"} | issue("one").upload, 201)["certificate"]["type"]
        == "custom"
    )
    api("POST", "/v2/domains", {"name": "example.com"}, 201)
    assert (
        api("POST", CERTIFICATES, {"name": "b", "dns_names": ["example.com"]}, 201)["certificate"][
            "type"
        ]
        == "lets_encrypt"
    )


def _other_key() -> dict[str, str]:
    return issue("one").upload | {"private_key": issue("two").key_pem}


def _encrypted() -> dict[str, str]:
    one = issue("one")
    return one.upload | {"private_key": key_pem(one.key, "secret")}


def _two_leaves() -> dict[str, str]:
    one = issue("one")
    return one.upload | {"leaf_certificate": one.pem + issue("two").pem}


def _chained(pick: Callable[[Issued, Issued, Issued], str]) -> dict[str, str]:
    root = issue("root", authority=True)
    middle = issue("middle", by=root, authority=True)
    leaf = issue("leaf", by=middle)
    return leaf.upload | {"certificate_chain": pick(root, middle, leaf)}


def _same_name() -> dict[str, str]:
    """Return a certificate of an authority with the right name and the wrong key."""
    leaf = issue("leaf", by=issue("root", authority=True))
    return leaf.upload | {"certificate_chain": issue("root", authority=True).pem}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (dict, "private_key is required"),
        (lambda: issue("one").upload | {"leaf_certificate": " "}, "leaf_certificate is required"),
        (
            lambda: issue("one").upload | {"private_key": "nonsense"},
            "private_key is not a private key in PEM",
        ),
        (
            lambda: issue("one").upload | {"leaf_certificate": "nonsense"},
            "leaf_certificate is not a certificate in PEM",
        ),
        (
            lambda: issue("one").upload | {"certificate_chain": "nonsense"},
            "certificate_chain is not a certificate in PEM",
        ),
        (
            lambda: (
                issue("one").upload
                | {
                    "leaf_certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n"
                    "-----END CERTIFICATE-----\n"
                }
            ),
            "PEM",
        ),
        (_other_key, "private_key does not match leaf_certificate"),
        (_encrypted, "private_key is encrypted"),
        (_two_leaves, "leaf_certificate must hold one certificate, not 2"),
        (lambda: issue("one", ends=-timedelta(minutes=1)).upload, "leaf_certificate expired at"),
        (lambda: issue("one", begins=DAY).upload, "leaf_certificate is not valid before"),
        (
            lambda: issue("one", key=ed25519.Ed25519PrivateKey.generate()).upload,
            "must be an RSA or ECDSA key",
        ),
        (lambda: issue("one", key=rsa.generate_private_key(65537, 1024)).upload, "too short"),
        (
            lambda: issue("one", key=ec.generate_private_key(ec.SECP192R1())).upload,
            "cannot be served: ee key too small",
        ),
        (
            lambda: _chained(lambda root, middle, leaf: root.pem + middle.pem),
            "its certificate 1 did not issue leaf_certificate",
        ),
        (
            lambda: _chained(lambda root, middle, leaf: middle.pem + leaf.pem),
            "must not hold the leaf certificate",
        ),
        (
            lambda: _chained(lambda root, middle, leaf: middle.pem + issue("x").pem),
            "certificate 2 did not issue certificate 1 of",
        ),
        (lambda: _chained(lambda root, middle, leaf: root.pem * 11), "11 certificates; 10 at most"),
        (_same_name, "certificate 1 did not issue leaf_certificate"),
        (lambda: issue("one").upload | {"private_key": "x" * 70_000}, "private_key: "),
    ],
)
def test_invalid_certificates_are_refused_and_not_stored(
    api: Client, config: CloudConfig, make: Callable[[], dict[str, str]], expected: str
) -> None:
    body = {"name": "web", "type": "custom"} | make()
    message = api.error_message("POST", CERTIFICATES, body)
    assert expected in message
    assert body.get("private_key", "-") not in message
    assert api("GET", CERTIFICATES)["certificates"] == []
    assert files(config) == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": ""},
        {"type": "other"},
        {"dns_names": []},
        {"dns_names": ["example.org"]},
        {"dns_names": ["badexample.com"]},
        {"dns_names": ["www.example.com", "*.*.example.com"]},
        {"dns_names": ["-.example.com"]},
        {"dns_names": ["a b.example.com"]},
        {"dns_names": ["www.example.com\nx"]},
        {"dns_names": ["../example.com"]},
        {"dns_names": ["com"]},
        {"private_key": "x"},
    ],
)
def test_names_that_the_authority_does_not_sign(api: Client, change: dict[str, Any]) -> None:
    api("POST", "/v2/domains", {"name": "example.com"}, 201)
    api.error_message("POST", CERTIFICATES, ENCRYPT | change)
    assert api("GET", CERTIFICATES)["certificates"] == []


def test_lets_encrypt_is_pending_and_then_verified(api: Client, config: CloudConfig) -> None:
    certificate = create_lets_encrypt(api, dns_names=["WWW.example.com", "*.example.com"])
    assert (certificate["state"], certificate["type"]) == ("pending", "lets_encrypt")
    assert certificate["dns_names"] == ["www.example.com", "*.example.com", "example.com"], (
        "a wildcard brings the name above it along"
    )
    done = wait_until_not_pending(api, certificate["id"])
    assert done == certificate | {"state": "verified"}
    leaf, own = x509.load_pem_x509_certificates(files(config)[0].read_bytes())
    assert leaf.fingerprint(hashes.SHA1()).hex() == done["sha1_fingerprint"]
    assert (
        own.public_bytes(serialization.Encoding.PEM)
        == requests.get(f"{api.url}/_rehearsal/authority", timeout=5).content
    )
    leaf.verify_directly_issued_by(own)


def test_the_authority_is_created_once(config: CloudConfig, machines: MemoryMachines) -> None:
    authorities = set()
    for _ in range(2):
        with running(config, machines, UNLIMITED) as api:
            authorities.add(requests.get(f"{api.url}/_rehearsal/authority", timeout=5).text)
    assert len(authorities) == 1
    assert "PRIVATE" not in authorities.pop()


def test_verification_fails_without_the_domain(
    config: CloudConfig, machines: MemoryMachines
) -> None:
    slow = config.model_copy(update={"times": Times(certificate=CertificateTimes(create=1.0))})
    with running(slow, machines, UNLIMITED) as api:
        certificate = create_lets_encrypt(api)
        api("DELETE", "/v2/domains/example.com", expect=204)
        assert wait_until_not_pending(api, certificate["id"])["state"] == "error"
        rule = {
            "entry_protocol": "https",
            "entry_port": 443,
            "target_protocol": "http",
            "target_port": 80,
        }
        body = {
            "name": "lb",
            "region": "nyc3",
            "tag": "web",
            "forwarding_rules": [rule | {"certificate_id": certificate["id"]}],
        }
        assert "is not verified but error" in api.error_message("POST", "/v2/load_balancers", body)


def test_key_files_are_private_and_deleted_with_the_certificate(
    api: Client, config: CloudConfig
) -> None:
    one, two = upload(api), create_lets_encrypt(api)
    private_files = [*files(config), config.directory / "authority" / "authority.pem"]
    assert [file.stem for file in files(config)] == sorted([one["id"], two["id"]])
    assert {stat.S_IMODE(file.stat().st_mode) for file in private_files} == {0o600}
    assert {stat.S_IMODE(file.parent.stat().st_mode) for file in private_files} == {0o700}
    for certificate in (one, two):
        api("DELETE", f"{CERTIFICATES}/{certificate['id']}", expect=204)
        api("GET", f"{CERTIFICATES}/{certificate['id']}", expect=404)
        api("DELETE", f"{CERTIFICATES}/{certificate['id']}", expect=404)
    assert files(config) == []


def test_no_key_is_in_the_database_or_a_log(api: Client, config: CloudConfig) -> None:
    one = issue("one", "www.example.com")
    create_load_balancer(api, upload(api, **one.upload)["id"])
    secret = one.key_pem.splitlines()[2].encode()
    written = [
        file
        for file in config.directory.rglob("*")
        if file.is_file() and file.parent.name != "certificates"
    ]
    assert any(file.name == "cloud.db" for file in written)
    assert not [file for file in written if secret in file.read_bytes()]


def test_a_certificate_in_use_cannot_be_deleted(api: Client, config: CloudConfig) -> None:
    one = upload(api)
    user = create_load_balancer(api, one["id"])
    assert "being used by one or more load balancers" in api.error_message(
        "DELETE", f"{CERTIFICATES}/{one['id']}", expect=403
    )
    assert len(files(config)) == 1
    api("DELETE", f"/v2/load_balancers/{user['id']}", expect=204)
    api("DELETE", f"{CERTIFICATES}/{one['id']}", expect=204)


@pytest.mark.parametrize("disabled", [False, True])
def test_names_of_a_lets_encrypt_certificate_get_dns_records(api: Client, disabled: bool) -> None:
    one = create_lets_encrypt(api, dns_names=["*.example.com", "www.example.com"])
    wait_until_not_pending(api, one["id"])
    api(
        "POST",
        "/v2/domains/example.com/records",
        {"type": "A", "name": "www", "data": "192.0.2.1"},
        201,
    )
    rule = {
        "entry_protocol": "https",
        "entry_port": 443,
        "target_protocol": "http",
        "target_port": 80,
        "certificate_id": one["id"],
    }
    body = {
        "name": "lb",
        "region": "nyc3",
        "tag": "web",
        "forwarding_rules": [rule],
        "disable_lets_encrypt_dns_records": disabled,
    }
    id = api("POST", "/v2/load_balancers", body, 202)["load_balancer"]["id"]
    ip = until(lambda: api("GET", f"/v2/load_balancers/{id}")["load_balancer"]["ip"])
    records = api("GET", "/v2/domains/example.com/records?type=A")["domain_records"]
    addresses = {record["name"]: record["data"] for record in records}
    assert addresses == {"www": "192.0.2.1"} | ({} if disabled else {"*": ip, "@": ip}), (
        "a name that has an address keeps it"
    )
    assert len(
        {record["id"] for record in api("GET", "/v2/domains/example.com/records")["domain_records"]}
    ) == 5 + (0 if disabled else 2)


def test_a_restart_verifies_pending_certificates_and_deletes_unknown_files(
    config: CloudConfig,
) -> None:
    config = assign_free_port(
        config.model_copy(update={"times": Times(certificate=CertificateTimes(create=2.0))})
    )
    with serve_command(config) as (process, api):
        certificate = create_lets_encrypt(api)
        uploaded = upload(api)
        assert certificate["state"] == "pending"
        process.send_signal(signal.SIGKILL)
        process.wait()
    (config.directory / "certificates" / "of-a-crash.pem").write_text("")
    (config.directory / "certificates" / "half.new").write_text("")
    with serve_command(config) as (_, api):
        assert wait_until_not_pending(api, certificate["id"])["state"] == "verified"
        assert api("GET", f"{CERTIFICATES}/{uploaded['id']}")["certificate"] == uploaded
    assert [file.stem for file in files(config)] == sorted([certificate["id"], uploaded["id"]])
    for file in files(config):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file)

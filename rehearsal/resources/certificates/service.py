"""Certificates: uploaded ones, and those that the cloud's own authority signs in the place of Let's Encrypt."""

import asyncio
import re
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from rehearsal.api import certificate_authority
from rehearsal.api.cloud import Cloud
from rehearsal.clock import now
from rehearsal.errors import forbidden, not_found, unprocessable
from rehearsal.resources.certificates import custom_certificate
from rehearsal.resources.certificates.schemas import CertificateCreate
from rehearsal.state import certificate_files, states
from rehearsal.state.domains import Domain
from rehearsal.state.records import Certificate, LoadBalancer

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS_NAME = re.compile(rf"(?=.{{1,253}}\Z)(\*\.)?({_LABEL}\.)+{_LABEL}")
WILDCARD = "*."


def named(cloud: Cloud, name: str) -> list[Certificate]:
    """Those of a name; all if it is empty."""
    return [
        certificate
        for certificate in cloud.store.all(Certificate)
        if name in ("", certificate.name)
    ]


def get(cloud: Cloud, id: str) -> Certificate:
    """Raises: ApiError 404"""
    found = cloud.store.get(Certificate, id)
    if found is None:
        raise not_found()
    return found


def create(cloud: Cloud, body: CertificateCreate) -> Certificate:
    """Raises: ApiError 422 for a name that is taken, or material that is no certificate for a load balancer."""
    if named(cloud, body.name):
        raise unprocessable("name is not unique")
    if body.type == "lets_encrypt" or (body.type == "" and body.dns_names):
        return _issue(cloud, body)
    leaf, pem = custom_certificate.check(
        body.private_key, body.leaf_certificate, body.certificate_chain
    )
    return _keep(cloud, _record(body, "custom", leaf, custom_certificate.names(leaf)), pem)


async def delete(cloud: Cloud, certificate: Certificate) -> None:
    """Raises: ApiError 403 for one that is in use."""
    if any(
        certificate.id in balancer.certificate_ids for balancer in cloud.store.all(LoadBalancer)
    ):
        used = f"The certificate {certificate.name} is being used by one or more load balancers."
        raise forbidden(f"{used} Make sure the certificate is not in use before deleting it.")
    with cloud.store.transaction():
        cloud.store.delete(certificate)
    try:
        await (
            cloud.network.reconcile()
        )  # a balancer that is just changing may still be reading the file
    finally:
        certificate_files.delete(cloud.config, certificate.id)


def resume(cloud: Cloud) -> None:
    """After a start of the API: prove those that were still pending, and remove what no account has."""
    certificate_files.delete_others(
        cloud.config, {str(certificate.id) for certificate in cloud.store.all_accounts(Certificate)}
    )
    for certificate in cloud.store.all(Certificate):
        if certificate.state is states.CertificateState.PENDING:
            cloud.worker.spawn(_prove(cloud, certificate))


def _issue(cloud: Cloud, body: CertificateCreate) -> Certificate:
    if body.private_key or body.leaf_certificate or body.certificate_chain:
        raise unprocessable(
            "private_key, leaf_certificate and certificate_chain are of custom certificates only."
        )
    names = _dns_names(cloud, body.dns_names)
    leaf, pem = certificate_authority.issue(cloud.config, names)
    certificate = _keep(cloud, _record(body, "lets_encrypt", leaf, names), pem)
    cloud.worker.spawn(_prove(cloud, certificate))
    return certificate


def _dns_names(cloud: Cloud, wanted: list[str]) -> list[str]:
    """Each once, in lower case; a wildcard brings the name above it along, as in the real cloud."""
    if not wanted:
        raise unprocessable("dns_names is required for a Let's Encrypt certificate.")
    names: dict[str, None] = {}
    for name in wanted:
        if not _DNS_NAME.fullmatch(name.lower()):
            raise unprocessable(f"dns_names: {name!r} is not a DNS name.")
        names[name.lower()] = None
    for name in list(names):
        names[name.removeprefix(WILDCARD)] = None
    for name in names:
        if not _is_ours(cloud, name):
            raise unprocessable(f"dns_names: {name} is of no domain of this account.")
    return list(names)


def _is_ours(cloud: Cloud, name: str) -> bool:
    return any(
        f".{name.removeprefix(WILDCARD)}".endswith(f".{domain.id}")
        for domain in cloud.store.all(Domain)
    )


async def _prove(cloud: Cloud, certificate: Certificate) -> None:
    """The domains must still be the account's when the time has come."""
    await asyncio.sleep(
        cloud.times.remaining_seconds("certificate", "create", certificate.created_at)
    )
    if cloud.store.get(Certificate, certificate.id) is None:
        return
    step = (
        states.VERIFY
        if all(_is_ours(cloud, name) for name in certificate.dns_names)
        else states.FAIL_VERIFICATION
    )
    with cloud.store.transaction():
        cloud.store.put(certificate.model_copy(update={"state": step(certificate.state)}))


def _record(
    body: CertificateCreate, type: str, leaf: x509.Certificate, dns_names: list[str]
) -> Certificate:
    return Certificate.model_validate(
        {
            "id": str(uuid4()),
            "name": body.name,
            "type": type,
            "state": states.CertificateState.VERIFIED
            if type == "custom"
            else states.CertificateState.PENDING,
            "dns_names": dns_names,
            "not_after": f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
            "sha1_fingerprint": leaf.fingerprint(hashes.SHA1()).hex(),
            "created_at": now(),
        }
    )


def _keep(cloud: Cloud, certificate: Certificate, pem: bytes) -> Certificate:
    """The file first: of a certificate that was acknowledged there is one."""
    certificate_files.write(cloud.config, certificate.id, pem)
    try:
        with cloud.store.transaction():
            cloud.store.put(certificate)
    except BaseException:
        certificate_files.delete(cloud.config, certificate.id)
        raise
    return certificate

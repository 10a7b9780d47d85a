"""Certificates: custom ones, and those of the certificate authority that replaces Let's Encrypt."""

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


def list_by_name(cloud: Cloud, name: str) -> list[Certificate]:
    """Return the certificates with a name, or all for an empty name."""
    return [
        certificate
        for certificate in cloud.store.all(Certificate)
        if name in ("", certificate.name)
    ]


def get(cloud: Cloud, id: str) -> Certificate:
    """Return a certificate.

    Raises:
        ApiError: 404
    """
    certificate = cloud.store.get(Certificate, id)
    if certificate is None:
        raise not_found()
    return certificate


def create(cloud: Cloud, body: CertificateCreate) -> Certificate:
    """Create a certificate.

    Raises:
        ApiError: 422 for a name in use, or an invalid key or certificate.
    """
    if list_by_name(cloud, body.name):
        raise unprocessable("name is not unique")
    if body.type == "lets_encrypt" or (body.type == "" and body.dns_names):
        return _issue(cloud, body)
    leaf, pem = custom_certificate.check(
        body.private_key, body.leaf_certificate, body.certificate_chain
    )
    return _save(cloud, _record(body, "custom", leaf, custom_certificate.dns_names(leaf)), pem)


async def delete(cloud: Cloud, certificate: Certificate) -> None:
    """Delete a certificate.

    Raises:
        ApiError: 403 if a load balancer uses it.
    """
    if any(
        certificate.id in balancer.certificate_ids for balancer in cloud.store.all(LoadBalancer)
    ):
        raise forbidden(
            f"The certificate {certificate.name} is being used by one or more load balancers. "
            "Make sure the certificate is not in use before deleting it."
        )
    with cloud.store.transaction():
        cloud.store.delete(certificate)
    try:
        # A load balancer in the middle of a change may still read the file.
        await cloud.network.reconcile()
    finally:
        certificate_files.delete(cloud.config, certificate.id)


def resume(cloud: Cloud) -> None:
    """Verify pending certificates after a restart, and delete files of unknown certificates."""
    certificate_files.delete_others(
        cloud.config, {str(certificate.id) for certificate in cloud.store.all_accounts(Certificate)}
    )
    for certificate in cloud.store.all(Certificate):
        if certificate.state is states.CertificateState.PENDING:
            cloud.worker.spawn(_verify(cloud, certificate))


def _issue(cloud: Cloud, body: CertificateCreate) -> Certificate:
    if body.private_key or body.leaf_certificate or body.certificate_chain:
        raise unprocessable(
            "private_key, leaf_certificate and certificate_chain are for custom certificates only."
        )
    names = _dns_names(cloud, body.dns_names)
    leaf, pem = certificate_authority.issue(cloud.config, names)
    certificate = _save(cloud, _record(body, "lets_encrypt", leaf, names), pem)
    cloud.worker.spawn(_verify(cloud, certificate))
    return certificate


def _dns_names(cloud: Cloud, requested: list[str]) -> list[str]:
    """Return the names in lower case, without repetitions.

    Like the real API, add the parent domain of a wildcard name.
    """
    if not requested:
        raise unprocessable("dns_names is required for a Let's Encrypt certificate.")
    names: dict[str, None] = {}
    for name in requested:
        if not _DNS_NAME.fullmatch(name.lower()):
            raise unprocessable(f"dns_names: {name!r} is not a DNS name.")
        names[name.lower()] = None
    for name in list(names):
        names[name.removeprefix(WILDCARD)] = None
    for name in names:
        if not _is_in_own_domain(cloud, name):
            raise unprocessable(f"dns_names: {name} is in no domain of this account.")
    return list(names)


def _is_in_own_domain(cloud: Cloud, name: str) -> bool:
    return any(
        f".{name.removeprefix(WILDCARD)}".endswith(f".{domain.id}")
        for domain in cloud.store.all(Domain)
    )


async def _verify(cloud: Cloud, certificate: Certificate) -> None:
    """Verify a certificate after its duration. Its domains must still exist then."""
    await asyncio.sleep(
        cloud.times.remaining_seconds("certificate", "create", certificate.created_at)
    )
    if cloud.store.get(Certificate, certificate.id) is None:
        return
    transition = (
        states.VERIFY
        if all(_is_in_own_domain(cloud, name) for name in certificate.dns_names)
        else states.FAIL_VERIFICATION
    )
    with cloud.store.transaction():
        cloud.store.put(certificate.model_copy(update={"state": transition(certificate.state)}))


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


def _save(cloud: Cloud, certificate: Certificate, pem: bytes) -> Certificate:
    """Store a certificate. The file comes first, so that each stored certificate has one."""
    certificate_files.write(cloud.config, certificate.id, pem)
    try:
        with cloud.store.transaction():
            cloud.store.put(certificate)
    except BaseException:
        certificate_files.delete(cloud.config, certificate.id)
        raise
    return certificate

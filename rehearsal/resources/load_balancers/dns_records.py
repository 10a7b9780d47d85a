"""A records for the names of Let's Encrypt certificates, which the real API adds as well."""

from rehearsal.state import domains
from rehearsal.state.domains import Domain
from rehearsal.state.records import Certificate, LoadBalancer
from rehearsal.state.store import Store
from rehearsal.topology import zones

ADDRESS_TYPES = ("A", "AAAA", "CNAME")


def ensure(store: Store, balancer: LoadBalancer) -> None:
    """Add a record for each name of the certificates that has none; call in a transaction.

    The load balancer must be external, and must not have ``disable_lets_encrypt_dns_records``.
    """
    if balancer.disable_lets_encrypt_dns_records or balancer.network == "INTERNAL":
        return
    for id in sorted(balancer.certificate_ids):
        certificate = store.get(Certificate, id)
        if certificate and certificate.type == "lets_encrypt":
            for fqdn in certificate.dns_names:
                _ensure_record(store, balancer, fqdn)


def _ensure_record(store: Store, balancer: LoadBalancer, fqdn: str) -> None:
    parents = [domain for domain in store.all(Domain) if f".{fqdn}".endswith(f".{domain.id}")]
    if not parents:
        return
    domain = max(parents, key=lambda domain: len(domain.id))
    name = fqdn.removesuffix(domain.id).removesuffix(".") or "@"
    if any(
        record.name.lower() == name and record.type in ADDRESS_TYPES
        for record in domains.list_records(store, domain)
    ):
        return
    fields = {"name": name, "data": str(balancer.public_ip), "ttl": zones.DEFAULT_TTL_S}
    domains.add_record(store, domain, "A", fields)
    domains.increase_serial(store, domain)

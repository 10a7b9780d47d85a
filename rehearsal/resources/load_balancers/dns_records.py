"""The names of a Let's Encrypt certificate lead to the load balancer that serves it, as in the real cloud."""

import time

from rehearsal.state.domains import Domain, DomainRecord
from rehearsal.state.records import Certificate, LoadBalancer
from rehearsal.state.store import Store
from rehearsal.topology import zones

ADDRESSES = ("A", "AAAA", "CNAME")
SEQUENCE = "domain_record"


def ensure(store: Store, balancer: LoadBalancer) -> None:
    """Give each such name that has no address yet the balancer's, unless it was told not to; only in a transaction."""
    if balancer.disable_lets_encrypt_dns_records or balancer.network == "INTERNAL":
        return
    for id in sorted(balancer.certificate_ids):
        certificate = store.get(Certificate, id)
        if certificate and certificate.type == "lets_encrypt":
            for name in certificate.dns_names:
                _ensure(store, balancer, name)


def _ensure(store: Store, balancer: LoadBalancer, whole: str) -> None:
    found = [domain for domain in store.all(Domain) if f".{whole}".endswith(f".{domain.id}")]
    if not found:
        return
    domain = max(found, key=lambda domain: len(domain.id))
    name = whole.removesuffix(domain.id).removesuffix(".") or "@"
    records = [record for record in store.all(DomainRecord) if record.domain == domain.id]
    if any(record.name.lower() == name and record.type in ADDRESSES for record in records):
        return
    next_id = store.next_id(
        SEQUENCE, max(record.id for record in records) + 1
    )  # a domain has records since it was made
    store.put(
        DomainRecord(
            id=next_id,
            domain=domain.id,
            type="A",
            name=name,
            data=str(balancer.public_ip),
            ttl=zones.DEFAULT_TTL_S,
        )
    )
    store.put(domain.model_copy(update={"serial": max(int(time.time()), domain.serial + 1)}))

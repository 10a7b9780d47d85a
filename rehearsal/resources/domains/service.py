"""Domains and their records: names are unique in the whole cloud, and DNS follows each change."""

import time
from typing import Any

from rehearsal.api.cloud import Cloud
from rehearsal.errors import not_found, unprocessable
from rehearsal.resources.domains import record_data
from rehearsal.resources.domains.schemas import DomainCreate, RecordCreate, RecordUpdate
from rehearsal.state import domains, project_assignment
from rehearsal.state.domains import Domain, DomainRecord, RecordType
from rehearsal.topology import zones
from rehearsal.topology.protocol import MachineError


def get(cloud: Cloud, name: str) -> Domain:
    """Return a domain by its name, which is case-insensitive.

    Raises:
        ApiError: 404
    """
    domain = cloud.store.get(Domain, name.lower())
    if domain is None:
        raise not_found()
    return domain


def find_records(cloud: Cloud, domain: Domain, name: str, type: str) -> list[DomainRecord]:
    """Return the records with a fully qualified name and a type; an empty string matches any."""
    fqdn = name.lower().removesuffix(".")
    return [
        record
        for record in domains.list_records(cloud.store, domain)
        if type in ("", record.type) and fqdn in ("", zones.fqdn(record.name, domain.id).lower())
    ]


def get_record(cloud: Cloud, domain: Domain, id: int) -> DomainRecord:
    """Return a record of a domain.

    Raises:
        ApiError: 404
    """
    record = cloud.store.get(DomainRecord, id)
    if record is None or record.domain != domain.id:
        raise not_found()
    return record


async def create(cloud: Cloud, body: DomainCreate) -> Domain:
    """Create a domain with its SOA and NS records, and an A record if an address is given.

    Raises:
        ApiError: 422 for an invalid name or address, for a name in use by any account, and for a
            parent or child domain of another account's domain.
    """
    name = record_data.check_domain_name(body.name)
    bodies: list[tuple[RecordType, dict[str, Any]]] = [
        ("NS", {"data": f"{server}."}) for server in zones.NAMESERVERS
    ]
    if body.ip_address:
        bodies.append(("A", {"name": "@", "data": body.ip_address}))
    records = [(type, record_data.check_fields(name, type, fields)) for type, fields in bodies]
    if _is_in_use(cloud, name):
        raise unprocessable(f"domain '{name}': name already exists")
    domain = Domain(id=name, serial=int(time.time()))
    soa = {"name": "@", "data": str(zones.DEFAULT_TTL_S), "ttl": zones.DEFAULT_TTL_S}
    with cloud.store.transaction():
        cloud.store.put(domain)
        project = project_assignment.ensure_default_project(cloud.store)
        project_assignment.assign(cloud.store, domain.urn, project)
        domains.add_record(cloud.store, domain, "SOA", soa)
        for type, fields in records:
            domains.add_record(cloud.store, domain, type, fields)
    try:
        await cloud.network.reconcile()
    except MachineError:
        _delete_with_records(cloud, domain)
        raise
    return domain


async def delete(cloud: Cloud, domain: Domain) -> None:
    _delete_with_records(cloud, domain)
    await cloud.network.reconcile()


async def add_record(cloud: Cloud, domain: Domain, body: RecordCreate) -> DomainRecord:
    """Add a record to a domain.

    Raises:
        ApiError: 422 for an invalid field, a second SOA, or a name that conflicts with a CNAME.
    """
    if body.type == "SOA":
        raise unprocessable("A domain has one SOA record")
    fields = record_data.check_fields(domain.id, body.type, body.model_dump(exclude_unset=True))
    _check_cname_conflict(cloud, domain, body.type, fields["name"], None)
    with cloud.store.transaction():
        record = domains.add_record(cloud.store, domain, body.type, fields)
        _synchronize_ttl(cloud, domain, record)
    try:
        await cloud.network.reconcile()
    except MachineError:
        with cloud.store.transaction():
            cloud.store.delete(record)
        raise
    return record


async def update_record(
    cloud: Cloud, domain: Domain, record: DomainRecord, body: RecordUpdate
) -> DomainRecord:
    """Change the given fields of a record.

    Raises:
        ApiError: 422 for an invalid field, another type, a name that conflicts with a CNAME, or a
            change of an SOA record other than its TTL.
    """
    changes = {
        key: value
        for key, value in body.model_dump(exclude_unset=True, exclude={"type"}).items()
        if value != ""
    }
    if body.type not in (None, record.type):
        raise unprocessable("Type of a record cannot be changed")
    if record.type == "SOA":
        if any(
            changes.get(field, getattr(record, field)) != getattr(record, field)
            for field in ("name", "data")
        ):
            raise unprocessable("Only the ttl of an SOA record can be changed")
        fields: dict[str, Any] = {"ttl": record_data.check_ttl(changes.get("ttl", record.ttl))}
    else:
        changed_body = record_data.to_body(record) | changes
        fields = record_data.check_fields(domain.id, record.type, changed_body)
        _check_cname_conflict(cloud, domain, record.type, fields["name"], record.id)
    changed = record.model_copy(update=fields)
    with cloud.store.transaction():
        cloud.store.put(changed)
        _synchronize_ttl(cloud, domain, changed)
    await cloud.network.reconcile()
    return changed


async def delete_record(cloud: Cloud, domain: Domain, record: DomainRecord) -> None:
    """Delete a record.

    Raises:
        ApiError: 422 for an SOA record.
    """
    if record.type == "SOA":
        raise unprocessable("SOA records cannot be deleted")
    with cloud.store.transaction():
        cloud.store.delete(record)
        domains.increase_serial(cloud.store, domain)
    await cloud.network.reconcile()


def _is_in_use(cloud: Cloud, name: str) -> bool:
    """Return whether a domain conflicts with another, or with the cloud's own names.

    Parent and child domains of other accounts conflict, too: their owner could answer queries for
    the domain and obtain certificates for it.
    """
    others = {domain.id for domain in cloud.store.all_accounts(Domain)} - {
        domain.id for domain in cloud.store.all(Domain)
    }
    return (
        cloud.store.get(Domain, name) is not None
        or _is_within(name, cloud.config.domain)
        or any(_is_within(name, other) or _is_within(other, name) for other in others)
    )


def _is_within(name: str, domain: str) -> bool:
    return f".{name}".endswith(f".{domain}")


def _synchronize_ttl(cloud: Cloud, domain: Domain, changed: DomainRecord) -> None:
    """Give all records of the same name and type the TTL of the changed one."""
    key = (changed.type, changed.name.lower())
    for other in domains.list_records(cloud.store, domain):
        if (other.type, other.name.lower()) == key and other.ttl != changed.ttl:
            cloud.store.put(other.model_copy(update={"ttl": changed.ttl}))
    domains.increase_serial(cloud.store, domain)


def _check_cname_conflict(
    cloud: Cloud, domain: Domain, type: RecordType, name: str, own_id: int | None
) -> None:
    for other in domains.list_records(cloud.store, domain):
        is_same_name = other.id != own_id and other.name.lower() == name.lower()
        if is_same_name and "CNAME" in (type, other.type):
            raise unprocessable("CNAME records cannot share a name with other records")


def _delete_with_records(cloud: Cloud, domain: Domain) -> None:
    with cloud.store.transaction():
        for record in domains.list_records(cloud.store, domain):
            cloud.store.delete(record)
        project_assignment.unassign(cloud.store, domain.urn)
        cloud.store.delete(domain)

"""Domains: a name once in the whole cloud; records that agree with each other; DNS that answers them at once."""

import time
from typing import Any

from rehearsal.api.cloud import Cloud
from rehearsal.errors import not_found, unprocessable
from rehearsal.resources.domains import record_data
from rehearsal.resources.domains.schemas import DomainCreate, RecordCreate, RecordUpdate
from rehearsal.state import project_assignment
from rehearsal.state.domains import Domain, DomainRecord, RecordType
from rehearsal.topology import zones
from rehearsal.topology.protocol import MachineError

FIRST_ID = 1_700_000_001


def get(cloud: Cloud, name: str) -> Domain:
    """In any case of its letters.

    Raises:
        ApiError: 404
    """
    domain = cloud.store.get(Domain, name.lower())
    if domain is None:
        raise not_found()
    return domain


def records(cloud: Cloud, domain: Domain) -> list[DomainRecord]:
    return [record for record in cloud.store.all(DomainRecord) if record.domain == domain.id]


def records_like(cloud: Cloud, domain: Domain, name: str, type: str) -> list[DomainRecord]:
    """Those of a whole name and of a type; an empty text stands for any."""
    wanted = name.lower().removesuffix(".")
    return [
        record
        for record in records(cloud, domain)
        if type in ("", record.type) and wanted in ("", zones.fqdn(record.name, domain.id).lower())
    ]


def record(cloud: Cloud, domain: Domain, id: int) -> DomainRecord:
    """Raises: ApiError 404"""
    found = cloud.store.get(DomainRecord, id)
    if found is None or found.domain != domain.id:
        raise not_found()
    return found


async def create(cloud: Cloud, body: DomainCreate) -> Domain:
    """A domain with its SOA and name servers, and with an address if one is given.

    Raises:
        ApiError: 422 for a name that is none, that any account has, or that is below or above another account's.
    """
    name = record_data.domain_name(body.name)
    first: list[tuple[RecordType, dict[str, Any]]] = [
        ("NS", {"data": f"{server}."}) for server in zones.NAMESERVERS
    ]
    if body.ip_address:
        first.append(("A", {"name": "@", "data": body.ip_address}))
    checked = [(type, record_data.content(name, type, wanted)) for type, wanted in first]
    if _is_taken(cloud, name):
        raise unprocessable(f"domain '{name}': name already exists")
    domain = Domain(id=name, serial=int(time.time()))
    with cloud.store.transaction():
        cloud.store.put(domain)
        project_assignment.assign(
            cloud.store, domain.urn, project_assignment.ensure_default_project(cloud.store)
        )
        _put_new(
            cloud,
            domain,
            "SOA",
            {"name": "@", "data": str(zones.DEFAULT_TTL_S), "ttl": zones.DEFAULT_TTL_S},
        )
        for type, fields in checked:
            _put_new(cloud, domain, type, fields)
    try:
        await cloud.network.reconcile()
    except MachineError:
        _forget(cloud, domain)
        raise
    return domain


async def delete(cloud: Cloud, domain: Domain) -> None:
    _forget(cloud, domain)
    await cloud.network.reconcile()


async def add(cloud: Cloud, domain: Domain, body: RecordCreate) -> DomainRecord:
    """Raises: ApiError 422 for what its type does not allow, or beside a CNAME."""
    if body.type == "SOA":
        raise unprocessable("A domain has one SOA record")
    fields = record_data.content(domain.id, body.type, body.model_dump(exclude_unset=True))
    _check_alone(cloud, domain, body.type, fields["name"], None)
    with cloud.store.transaction():
        made = _put_new(cloud, domain, body.type, fields)
        _agree(cloud, domain, made)
    try:
        await cloud.network.reconcile()
    except MachineError:
        with cloud.store.transaction():
            cloud.store.delete(made)
        raise
    return made


async def change(
    cloud: Cloud, domain: Domain, former: DomainRecord, body: RecordUpdate
) -> DomainRecord:
    """Change what the body names; its type is a record's for good.

    Raises:
        ApiError: 422 for what the type does not allow, beside a CNAME, or for anything but the TTL of an SOA.
    """
    wanted = {
        key: value
        for key, value in body.model_dump(exclude_unset=True, exclude={"type"}).items()
        if value != ""
    }
    if body.type not in (None, former.type):
        raise unprocessable("Type of a record cannot be changed")
    if former.type == "SOA":
        if any(
            wanted.get(field, getattr(former, field)) != getattr(former, field)
            for field in ("name", "data")
        ):
            raise unprocessable("Only the ttl of an SOA record can be changed")
        fields: dict[str, Any] = {"ttl": record_data.ttl(wanted.get("ttl", former.ttl))}
    else:
        fields = record_data.content(domain.id, former.type, record_data.written(former) | wanted)
        _check_alone(cloud, domain, former.type, fields["name"], former.id)
    changed = former.model_copy(update=fields)
    with cloud.store.transaction():
        cloud.store.put(changed)
        _agree(cloud, domain, changed)
    await cloud.network.reconcile()
    return changed


async def remove(cloud: Cloud, domain: Domain, record: DomainRecord) -> None:
    """Raises: ApiError 422 for an SOA."""
    if record.type == "SOA":
        raise unprocessable("SOA records cannot be deleted")
    with cloud.store.transaction():
        cloud.store.delete(record)
        _touch(cloud, domain)
    await cloud.network.reconcile()


def _is_taken(cloud: Cloud, name: str) -> bool:
    """By any account, or by the rehearsal cloud's own names, which its DNS answers itself.

    A domain has what is below it as well: who had a part of another account's would answer for it and get certificates.
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


def _put_new(
    cloud: Cloud, domain: Domain, type: RecordType, fields: dict[str, Any]
) -> DomainRecord:
    made = DomainRecord(
        id=cloud.store.next_id("domain_record", FIRST_ID), domain=domain.id, type=type, **fields
    )
    cloud.store.put(made)
    return made


def _agree(cloud: Cloud, domain: Domain, last: DomainRecord) -> None:
    """Records of one name and type have one TTL, that of the record last written; the zone has changed."""
    for other in records(cloud, domain):
        if (other.type, other.name.lower()) == (
            last.type,
            last.name.lower(),
        ) and other.ttl != last.ttl:
            cloud.store.put(other.model_copy(update={"ttl": last.ttl}))
    _touch(cloud, domain)


def _touch(cloud: Cloud, domain: Domain) -> None:
    present = get(cloud, domain.id)
    cloud.store.put(
        present.model_copy(update={"serial": max(int(time.time()), present.serial + 1)})
    )


def _check_alone(
    cloud: Cloud, domain: Domain, type: RecordType, name: str, own: int | None
) -> None:
    for other in records(cloud, domain):
        if other.id != own and other.name.lower() == name.lower() and "CNAME" in (type, other.type):
            raise unprocessable("CNAME records cannot share a name with other records")


def _forget(cloud: Cloud, domain: Domain) -> None:
    with cloud.store.transaction():
        for record in records(cloud, domain):
            cloud.store.delete(record)
        project_assignment.unassign(cloud.store, domain.urn)
        cloud.store.delete(domain)

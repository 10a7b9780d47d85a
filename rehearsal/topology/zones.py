"""A domain as a DNS zone, and as the zone file that the API returns."""

import re
from collections.abc import Iterable

from rehearsal.state.domains import Domain, DomainRecord
from rehearsal.topology.protocol import Zone, ZoneRecord

NAMESERVERS = ("ns1.digitalocean.com", "ns2.digitalocean.com", "ns3.digitalocean.com")
DEFAULT_TTL_S = 1800
MAX_TXT_STRING_BYTES = 255
"""The maximum length of one string of a TXT record."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ALL_QUOTED = re.compile(rf"{_QUOTED.pattern}(\s+{_QUOTED.pattern})*")


def fqdn(name: str, domain: str) -> str:
    """Return a record's fully qualified name, without the final dot."""
    return domain if name == "@" else f"{name}.{domain}"


def group_by_domain(records: Iterable[DomainRecord]) -> dict[str, list[DomainRecord]]:
    groups: dict[str, list[DomainRecord]] = {}
    for record in records:
        groups.setdefault(record.domain, []).append(record)
    return groups


def build_zone(domain: Domain, records: Iterable[DomainRecord]) -> Zone:
    return Zone(
        name=domain.id,
        records=[
            ZoneRecord(
                name=fqdn(record.name, domain.id),
                type=record.type,
                ttl=record.ttl,
                data=_data(record, domain),
            )
            for record in records
        ],
    )


def build_zone_file(domain: Domain, records: Iterable[DomainRecord]) -> str:
    lines = [f"$ORIGIN {domain.id}.", f"$TTL {DEFAULT_TTL_S}"]
    for record in build_zone(domain, records).records:
        ttl = "" if record.type == "SOA" else f"{record.ttl} "
        lines.append(f"{record.name}. {ttl}IN {record.type} {record.data}")
    return "\n".join(lines) + "\n"


def _data(record: DomainRecord, domain: Domain) -> str:
    host = f"{domain.id}." if record.data == "@" else f"{record.data}."
    match record.type:
        case "SOA":
            names = f"{NAMESERVERS[0]}. hostmaster.{domain.id}."
            return f"{names} {domain.serial} 10800 3600 604800 {record.data}"
        case "CNAME" | "NS":
            return host
        case "MX":
            return f"{record.priority} {host}"
        case "SRV":
            return f"{record.priority} {record.weight} {record.port} {host}"
        case "CAA":
            value = domain.id if record.data == "@" else record.data
            return f"{record.flags} {record.tag} {_quoted(value.encode())}"
        case "TXT":
            return " ".join(_quoted(string) for string in _strings(record.data))
        case _:
            return record.data


def _strings(text: str) -> Iterable[bytes]:
    """Split the data of a TXT record into its strings.

    Each pair of quotes is one string. A longer string is cut into parts of the maximal length.
    """
    quoted = (
        [match[1] for match in _QUOTED.finditer(text)] if _ALL_QUOTED.fullmatch(text) else [None]
    )
    for part in quoted:
        content = text.encode() if part is None else re.sub(r"\\(.)", r"\1", part).encode()
        yield from (
            content[start : start + MAX_TXT_STRING_BYTES]
            for start in range(0, len(content) or 1, MAX_TXT_STRING_BYTES)
        )


def _quoted(value: bytes) -> str:
    """Return a string as a zone file has it, with everything escaped that could end it."""
    characters = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}" for byte in value
    )
    return f'"{"".join(characters)}"'

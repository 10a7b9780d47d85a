"""A domain's records as a zone: for DNS, and as the zone file that the API shows."""

import re
from collections.abc import Iterable

from rehearsal.state.domains import Domain, DomainRecord
from rehearsal.topology.protocol import Zone, ZoneRecord

NAMESERVERS = ("ns1.digitalocean.com", "ns2.digitalocean.com", "ns3.digitalocean.com")
TTL = 1800
STRING_BYTES = 255
"""The most that one string of a TXT record holds; longer texts are several strings."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ALL_QUOTED = re.compile(rf"{_QUOTED.pattern}(\s+{_QUOTED.pattern})*")


def fqdn(name: str, domain: str) -> str:
    """A record's whole name, without a dot at its end."""
    return domain if name == "@" else f"{name}.{domain}"


def by_domain(records: Iterable[DomainRecord]) -> dict[str, list[DomainRecord]]:
    found: dict[str, list[DomainRecord]] = {}
    for one in records:
        found.setdefault(one.domain, []).append(one)
    return found


def zone(domain: Domain, records: Iterable[DomainRecord]) -> Zone:
    return Zone(
        name=domain.id,
        records=[
            ZoneRecord(
                name=fqdn(one.name, domain.id), type=one.type, ttl=one.ttl, data=_data(one, domain)
            )
            for one in records
        ],
    )


def zone_file(domain: Domain, records: Iterable[DomainRecord]) -> str:
    lines = [f"$ORIGIN {domain.id}.", f"$TTL {TTL}"]
    for one in zone(domain, records).records:
        ttl = "" if one.type == "SOA" else f"{one.ttl} "
        lines.append(f"{one.name}. {ttl}IN {one.type} {one.data}")
    return "\n".join(lines) + "\n"


def _data(record: DomainRecord, domain: Domain) -> str:
    host = f"{domain.id}." if record.data == "@" else f"{record.data}."
    match record.type:
        case "SOA":
            return f"{NAMESERVERS[0]}. hostmaster.{domain.id}. {domain.serial} 10800 3600 604800 {record.data}"
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
    """What a TXT record holds: a text in quotes is one string a pair of them, any other is cut where a string is full."""
    written = (
        [match[1] for match in _QUOTED.finditer(text)] if _ALL_QUOTED.fullmatch(text) else [None]
    )
    for one in written:
        whole = text.encode() if one is None else re.sub(r"\\(.)", r"\1", one).encode()
        yield from (
            whole[start : start + STRING_BYTES] for start in range(0, len(whole) or 1, STRING_BYTES)
        )


def _quoted(value: bytes) -> str:
    """As a zone file writes a string, so that nothing in it can end it."""
    return (
        '"'
        + "".join(
            chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}"
            for byte in value
        )
        + '"'
    )

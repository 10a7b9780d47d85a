"""What a domain may be called, and what a record of each type may hold."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from rehearsal.errors import unprocessable
from rehearsal.state.domains import DomainRecord, RecordType
from rehearsal.topology import zones

LONGEST_NAME = 253
LONGEST_DOMAIN = LONGEST_NAME - len("hostmaster.")
"""The address of a domain's host master stands below it in its SOA."""
LONGEST_TXT = 4096
"""Bytes."""
LONGEST_URL = 2048
SHORTEST_TTL, LONGEST_TTL = 30, 2**31 - 1
CAA_TAGS = ("issue", "issuewild", "iodef")
HOSTS = ("CNAME", "MX", "NS", "SRV")
"""Types whose data is a host name."""
AT_THE_APEX = ("MX", "NS")
"""Types whose name may be left out."""
NUMBERS: dict[RecordType, dict[str, int]] = {
    "MX": {"priority": 65535},
    "SRV": {"priority": 65535, "port": 65535, "weight": 65535},
    "CAA": {"flags": 255},
}
"""The numbers that a type must have, and how large each may be."""

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_OWNER = re.compile(rf"(?:\*|{_LABEL})(?:\.{_LABEL})*")
_DOMAIN_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_DOMAIN_LABEL}\.)+(?!\d+$){_DOMAIN_LABEL}")
_REPORTED_TO = re.compile(r"(?:mailto:|https?://)[!-~]+")
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters, and the halves of pairs that JSON can write one by one."""


def domain_name(text: str) -> str:
    """A domain's name in lower case; one in another script comes in Punycode.

    Raises:
        ApiError: 422
    """
    name = text.lower()
    if len(name) > LONGEST_DOMAIN or not _DOMAIN.fullmatch(name):
        raise unprocessable("Name is not a valid domain name")
    return name


def content(domain: str, type: RecordType, wanted: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record, as they are kept. Those that its type does not have are left out.

    Raises:
        ApiError: 422
    """
    fields: dict[str, Any] = {
        "name": _name(domain, type, wanted.get("name") or ""),
        "ttl": ttl(wanted.get("ttl")),
    }
    for field, most in NUMBERS.get(type, {}).items():
        fields[field] = _number(field, wanted.get(field), most)
    if type == "CAA":
        if wanted.get("tag") not in CAA_TAGS:
            raise unprocessable(f"Tag must be one of {', '.join(CAA_TAGS)}")
        fields["tag"] = wanted["tag"]
    return fields | {"data": _data(domain, type, wanted.get("data") or "", fields.get("tag"))}


def written(record: DomainRecord) -> dict[str, Any]:
    """A record's fields as a client would write them."""
    dot = "." if _is_host(record.type, record.tag) and record.data != "@" else ""
    return record.model_dump(exclude={"id", "domain", "type"}) | {"data": record.data + dot}


def ttl(wanted: int | None) -> int:
    """Raises: ApiError 422"""
    if wanted is None:
        return zones.DEFAULT_TTL_S
    if wanted < SHORTEST_TTL:
        raise unprocessable(f"record ttl must be greater than {SHORTEST_TTL}")
    if wanted > LONGEST_TTL:
        raise unprocessable(f"record ttl must be at most {LONGEST_TTL}")
    return wanted


def _name(domain: str, type: RecordType, text: str) -> str:
    """Relative to the domain; a whole name has a dot at its end, as in a zone file."""
    if not text and type not in AT_THE_APEX:
        raise unprocessable("Name can't be blank")
    invalid = unprocessable(f"Name is not a valid {type} record name")
    name = text or "@"
    if name.endswith("."):
        head, found, rest = f".{name.lower()}".rpartition(f".{domain}.")
        if not found or rest:
            raise invalid
        name = name[: len(head) - 1] if head else "@"
    if name != "@" and (len(zones.fqdn(name, domain)) > LONGEST_NAME or not _OWNER.fullmatch(name)):
        raise invalid
    return name


def _data(domain: str, type: RecordType, text: str, tag: str | None) -> str:
    if not text:
        raise unprocessable("Data can't be blank")
    if _is_host(type, tag):
        return _host(domain, text)
    match type:
        case "A":
            return _address(IPv4Address, text, "IPv4")
        case "AAAA":
            return _address(IPv6Address, text, "IPv6")
        case "TXT":
            if _NO_TEXT.search(text) or len(text.encode()) > LONGEST_TXT:
                raise unprocessable(
                    f"Data must be text without control characters, {LONGEST_TXT} bytes at most"
                )
        case _:
            if not _REPORTED_TO.fullmatch(text) or len(text) > LONGEST_URL:
                raise unprocessable("Data must be a mailto:, http: or https: URL")
    return text


def _is_host(type: RecordType, tag: str | None) -> bool:
    return type in HOSTS or (type == "CAA" and tag != "iodef")


def _host(domain: str, text: str) -> str:
    """Without the dot that it must have; the domain itself is ``@``."""
    if text == "@":
        return text
    if not text.endswith("."):
        raise unprocessable("Data needs to end with a dot (.)")
    host = text.removesuffix(".")
    if len(host) > LONGEST_NAME or not _HOST.fullmatch(host):
        raise unprocessable("Data is not a valid hostname")
    return "@" if host.lower() == domain else host


def _address(kind: type[IPv4Address] | type[IPv6Address], text: str, version: str) -> str:
    try:
        address = kind(text)
    except AddressValueError:
        raise unprocessable(f"Data is not a valid {version} address") from None
    if isinstance(address, IPv6Address) and address.scope_id:
        raise unprocessable(f"Data is not a valid {version} address")
    return str(address)


def _number(field: str, value: int | None, most: int) -> int:
    if value is None or not 0 <= value <= most:
        raise unprocessable(f"{field.capitalize()} must be an integer between 0 and {most}")
    return value

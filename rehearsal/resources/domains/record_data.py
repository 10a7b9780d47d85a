"""Validation of domain names, and of the fields of each record type."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from rehearsal.errors import unprocessable
from rehearsal.state.domains import DomainRecord, RecordType
from rehearsal.topology import zones

MAX_NAME_LENGTH = 253
MAX_DOMAIN_LENGTH = MAX_NAME_LENGTH - len("hostmaster.")
"""The SOA record holds the name ``hostmaster.<domain>``."""
MAX_TXT_BYTES = 4096
MAX_URL_LENGTH = 2048
MIN_TTL_S, MAX_TTL_S = 30, 2**31 - 1
CAA_TAGS = ("issue", "issuewild", "iodef")
HOST_TYPES = ("CNAME", "MX", "NS", "SRV")
"""Types whose data is a host name."""
OPTIONAL_NAME_TYPES = ("MX", "NS")
"""Types whose name may be absent."""
NUMERIC_FIELDS: dict[RecordType, dict[str, int]] = {
    "MX": {"priority": 65535},
    "SRV": {"priority": 65535, "port": 65535, "weight": 65535},
    "CAA": {"flags": 255},
}
"""The required numbers of each type, with their maximum."""

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_OWNER = re.compile(rf"(?:\*|{_LABEL})(?:\.{_LABEL})*")
_DOMAIN_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_DOMAIN_LABEL}\.)+(?!\d+$){_DOMAIN_LABEL}")
_REPORT_URL = re.compile(r"(?:mailto:|https?://)[!-~]+")
_INVALID_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters and unpaired surrogates."""


def check_domain_name(text: str) -> str:
    """Return a domain name in lower case. Internationalized names must be in Punycode.

    Raises:
        ApiError: 422 if the name is invalid.
    """
    name = text.lower()
    if len(name) > MAX_DOMAIN_LENGTH or not _DOMAIN.fullmatch(name):
        raise unprocessable("Name is not a valid domain name")
    return name


def check_fields(domain: str, type: RecordType, body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a record as stored, without those that its type does not have.

    Raises:
        ApiError: 422 for the first invalid field.
    """
    fields: dict[str, Any] = {
        "name": _name(domain, type, body.get("name") or ""),
        "ttl": check_ttl(body.get("ttl")),
    }
    for field, maximum in NUMERIC_FIELDS.get(type, {}).items():
        fields[field] = _number(field, body.get(field), maximum)
    if type == "CAA":
        if body.get("tag") not in CAA_TAGS:
            raise unprocessable(f"Tag must be one of {', '.join(CAA_TAGS)}")
        fields["tag"] = body["tag"]
    return fields | {"data": _data(domain, type, body.get("data") or "", fields.get("tag"))}


def to_body(record: DomainRecord) -> dict[str, Any]:
    """Return a record's fields as in a request body."""
    dot = "." if _is_host(record.type, record.tag) and record.data != "@" else ""
    return record.model_dump(exclude={"id", "domain", "type"}) | {"data": record.data + dot}


def check_ttl(ttl: int | None) -> int:
    """Return the TTL, or the default for None.

    Raises:
        ApiError: 422 if it is out of range.
    """
    if ttl is None:
        return zones.DEFAULT_TTL_S
    if ttl < MIN_TTL_S:
        raise unprocessable(f"record ttl must be greater than {MIN_TTL_S}")
    if ttl > MAX_TTL_S:
        raise unprocessable(f"record ttl must be at most {MAX_TTL_S}")
    return ttl


def _name(domain: str, type: RecordType, text: str) -> str:
    """Return a name relative to the domain. A name with a final dot is fully qualified."""
    if not text and type not in OPTIONAL_NAME_TYPES:
        raise unprocessable("Name can't be blank")
    invalid = unprocessable(f"Name is not a valid {type} record name")
    name = text or "@"
    if name.endswith("."):
        head, suffix, rest = f".{name.lower()}".rpartition(f".{domain}.")
        if not suffix or rest:
            raise invalid
        name = name[: len(head) - 1] if head else "@"
    if name != "@" and (
        len(zones.fqdn(name, domain)) > MAX_NAME_LENGTH or not _OWNER.fullmatch(name)
    ):
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
            if _INVALID_TEXT.search(text) or len(text.encode()) > MAX_TXT_BYTES:
                raise unprocessable(
                    f"Data must be text without control characters, {MAX_TXT_BYTES} bytes at most"
                )
        case _:
            if not _REPORT_URL.fullmatch(text) or len(text) > MAX_URL_LENGTH:
                raise unprocessable("Data must be a mailto:, http: or https: URL")
    return text


def _is_host(type: RecordType, tag: str | None) -> bool:
    return type in HOST_TYPES or (type == "CAA" and tag != "iodef")


def _host(domain: str, text: str) -> str:
    """Return a host name without its required final dot; the domain itself is ``@``."""
    if text == "@":
        return text
    if not text.endswith("."):
        raise unprocessable("Data needs to end with a dot (.)")
    host = text.removesuffix(".")
    if len(host) > MAX_NAME_LENGTH or not _HOST.fullmatch(host):
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


def _number(field: str, value: int | None, maximum: int) -> int:
    if value is None or not 0 <= value <= maximum:
        raise unprocessable(f"{field.capitalize()} must be an integer between 0 and {maximum}")
    return value

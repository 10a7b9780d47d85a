"""Whom a certificate is for: the part that a program writes, the same for a request and a self-signed certificate."""

from rehearsal.plugins.check import Failure
from rehearsal.plugins.properties import INTEGER, STRING, Properties, Property, State, list_of, object_of

SUBJECT: Properties = {
    "commonName": Property(STRING),
    "country": Property(STRING),
    "emailAddress": Property(STRING),
    "locality": Property(STRING),
    "organization": Property(STRING),
    "organizationalUnit": Property(STRING),
    "postalCode": Property(STRING),
    "province": Property(STRING),
    "serialNumber": Property(STRING),
    "streetAddresses": Property(list_of(STRING)),
}

HOLDER: Properties = {
    "dnsNames": Property(list_of(STRING), replaces=True),
    "ipAddresses": Property(list_of(STRING), replaces=True),
    "privateKeyPem": Property(STRING, replaces=True, secret=True),
    "privateKeyPemWo": Property(STRING, secret=True, supported=False),
    "privateKeyPemWoVersion": Property(INTEGER, replaces=True, supported=False),
    "subject": Property(object_of(SUBJECT), replaces=True),
    "uris": Property(list_of(STRING), replaces=True),
}


def missing_key(inputs: State, key: str) -> list[Failure]:
    """A failure when there is no private key; the write-only form of it is refused as a property already."""
    return [] if key in inputs else [Failure(key, f"exactly one of {key} and {key}Wo must be set")]

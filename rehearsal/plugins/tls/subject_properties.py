"""Input properties that certificate requests and self-signed certificates share."""

from rehearsal.plugins.check import Failure
from rehearsal.plugins.properties import (
    INTEGER,
    STRING,
    Properties,
    Property,
    State,
    list_of,
    object_of,
)

DISTINGUISHED_NAME: Properties = {
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

SUBJECT_PROPERTIES: Properties = {
    "dnsNames": Property(list_of(STRING), replaces=True),
    "ipAddresses": Property(list_of(STRING), replaces=True),
    "privateKeyPem": Property(STRING, replaces=True, secret=True),
    "privateKeyPemWo": Property(STRING, secret=True, supported=False),
    "privateKeyPemWoVersion": Property(INTEGER, replaces=True, supported=False),
    "subject": Property(object_of(DISTINGUISHED_NAME), replaces=True),
    "uris": Property(list_of(STRING), replaces=True),
}


def check_private_key(inputs: State, key: str) -> list[Failure]:
    """Return a failure if there is no private key. The write-only key is not supported."""
    return [] if key in inputs else [Failure(key, f"exactly one of {key} and {key}Wo must be set")]

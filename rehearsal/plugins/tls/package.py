"""Resources and functions of the TLS provider emulator."""

from datetime import UTC, datetime

from rehearsal.plugins.properties import BOOLEAN, STRING, Properties, Property, object_of
from rehearsal.plugins.resource import Package
from rehearsal.plugins.tls.cert_request import CertRequest
from rehearsal.plugins.tls.locally_signed_cert import LocallySignedCert
from rehearsal.plugins.tls.private_key import PrivateKey
from rehearsal.plugins.tls.self_signed_cert import SelfSignedCert

PROXY: Properties = {
    "fromEnv": Property(BOOLEAN),
    "password": Property(STRING, secret=True),
    "url": Property(STRING),
    "username": Property(STRING),
}
CONFIG: Properties = {"proxy": Property(object_of(PROXY), supported=False)}

PACKAGE = Package(
    "tls",
    CONFIG,
    lambda config: lambda: datetime.now(UTC),
    (CertRequest, LocallySignedCert, PrivateKey, SelfSignedCert),
)

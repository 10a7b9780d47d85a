"""A CA and its certificates, created with the TLS emulator."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from rehearsal.plugins.tls.package import PACKAGE
from tests.rehearsal.plugins.support.driver import Driver, State

KEY = "tls:index/privateKey:PrivateKey"
REQUEST = "tls:index/certRequest:CertRequest"
SELF_SIGNED = "tls:index/selfSignedCert:SelfSignedCert"
LOCALLY_SIGNED = "tls:index/locallySignedCert:LocallySignedCert"

START = datetime(2031, 5, 17, 9, 30, 15, 250_000, tzinfo=UTC)
AUTHORITY = {
    "isCaCertificate": True,
    "subject": {"commonName": "Authority"},
    "allowedUses": ["cert_signing", "crl_signing"],
}
NODE = {"allowedUses": ["digital_signature", "server_auth", "client_auth"]}


class FakeTime:
    """A time source for the emulator that tests can advance."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)


def driver(fake_time: FakeTime | None = None) -> Driver:
    """Return a driver with ``fake_time`` or, without it, the system time."""
    return Driver(replace(PACKAGE, connect=lambda _: fake_time) if fake_time else PACKAGE, {})


def key(plugin: Driver, **news: Any) -> str:
    """Generate a private key and return it in PEM."""
    return str(
        plugin.create(KEY, {"algorithm": "ECDSA", "ecdsaCurve": "P256", **news})[1]["privateKeyPem"]
    )


def parse_certificate(state: State) -> x509.Certificate:
    return x509.load_pem_x509_certificate(state["certPem"].encode())


@dataclass(frozen=True)
class Authority:
    """A CA: its key, its certificate and the driver that created them."""

    plugin: Driver
    key: str
    certificate: str

    @classmethod
    def make(cls, plugin: Driver, private_key: str = "") -> "Authority":
        """Create a CA, with a new key unless ``private_key`` is given."""
        private_key = private_key or key(plugin)
        _, state = plugin.create(
            SELF_SIGNED, {**AUTHORITY, "privateKeyPem": private_key, "validityPeriodHours": 87600}
        )
        return cls(plugin, private_key, state["certPem"])

    def certificate_inputs(self, request: str, **news: Any) -> State:
        """Return the inputs of a certificate for ``request``."""
        desired = {
            "caCertPem": self.certificate,
            "caPrivateKeyPem": self.key,
            "certRequestPem": request,
        }
        return {**NODE, **desired, "validityPeriodHours": 2160, **news}

    def sign(self, private_key: str, **names: Any) -> tuple[str, State]:
        """Create a certificate for ``private_key`` and return its id and state."""
        _, desired = self.plugin.create(
            REQUEST, {"privateKeyPem": private_key, "subject": {"commonName": "node"}, **names}
        )
        return self.plugin.create(
            LOCALLY_SIGNED, self.certificate_inputs(desired["certRequestPem"])
        )

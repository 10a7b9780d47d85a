"""Certificates of the TLS emulator: content, trust and renewal."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.verification import PolicyBuilder, Store

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.tls.key_usages import EXTENDED_KEY_USAGES, KEY_USAGES
from rehearsal.plugins.values import UNKNOWN
from tests.rehearsal.plugins.support.certificates import (
    AUTHORITY,
    LOCALLY_SIGNED,
    NODE,
    REQUEST,
    SELF_SIGNED,
    START,
    Authority,
    FakeTime,
    driver,
    key,
    parse_certificate,
)
from tests.rehearsal.plugins.support.driver import Driver, State


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def plugin(fake_time: FakeTime) -> Driver:
    return driver(fake_time)


@pytest.fixture
def authority(plugin: Driver) -> Authority:
    return Authority.make(plugin)


def extension(certificate: x509.Certificate, kind: type[Any]) -> Any:
    """Return the value of an extension, None if the certificate lacks it."""
    return next(
        (item.value for item in certificate.extensions if isinstance(item.value, kind)), None
    )


def self_signed(plugin: Driver, **news: Any) -> x509.Certificate:
    """Create a self-signed certificate."""
    own = news.pop("privateKeyPem", None) or key(plugin)
    return parse_certificate(
        plugin.create(
            SELF_SIGNED,
            {"allowedUses": [], "privateKeyPem": own, "validityPeriodHours": 24, **news},
        )[1]
    )


def test_a_ca_certificate_has_the_extensions_of_a_ca(plugin: Driver) -> None:
    _, state = plugin.create(
        SELF_SIGNED, {**AUTHORITY, "privateKeyPem": key(plugin), "validityPeriodHours": 24}
    )
    certificate = parse_certificate(state)
    certificate.verify_directly_issued_by(certificate)
    assert [(item.oid._name, item.critical) for item in certificate.extensions] == [
        ("keyUsage", True),
        ("basicConstraints", True),
        ("subjectKeyIdentifier", False),
    ]
    assert extension(certificate, x509.BasicConstraints) == x509.BasicConstraints(True, None)
    usage = extension(certificate, x509.KeyUsage)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature, usage.key_agreement) == (
        True,
        True,
        False,
        False,
    )
    assert extension(
        certificate, x509.SubjectKeyIdentifier
    ) == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    assert state["keyAlgorithm"] == "ECDSA"


def test_the_id_is_a_serial_number_of_128_random_bits(authority: Authority, plugin: Driver) -> None:
    made = [authority.sign(key(plugin)) for _ in range(4)]
    assert [parse_certificate(state).serial_number for _, state in made] == [
        int(resource_id) for resource_id, _ in made
    ]
    assert max(int(resource_id).bit_length() for resource_id, _ in made) in range(100, 129)


def test_the_validity_is_in_the_state_and_in_the_certificate(
    authority: Authority, plugin: Driver
) -> None:
    _, state = authority.sign(key(plugin))
    assert (state["validityStartTime"], state["validityEndTime"]) == (
        "2031-05-17T09:30:15.250000Z",
        "2031-08-15T09:30:15.250000Z",
    )
    certificate = parse_certificate(state)
    assert certificate.not_valid_before_utc == START.replace(microsecond=0)
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 90
    assert state["readyForRenewal"] is False


def test_a_signed_certificate_has_the_names_of_its_request(
    authority: Authority, plugin: Driver
) -> None:
    _, state = authority.sign(
        key(plugin),
        dnsNames=["localhost", "prime01.node.consul"],
        ipAddresses=["127.0.0.1", "10.10.0.2"],
    )
    certificate = parse_certificate(state)
    certificate.verify_directly_issued_by(parse_certificate({"certPem": authority.certificate}))
    assert certificate.subject.rfc4514_string() == "CN=node"
    names = extension(certificate, x509.SubjectAlternativeName)
    assert [str(name.value) for name in names] == [
        "localhost",
        "prime01.node.consul",
        "127.0.0.1",
        "10.10.0.2",
    ]
    assert extension(certificate, x509.BasicConstraints) == x509.BasicConstraints(False, None)
    assert extension(certificate, x509.SubjectKeyIdentifier) is None
    authority_key_id = extension(
        parse_certificate({"certPem": authority.certificate}), x509.SubjectKeyIdentifier
    )
    assert (
        extension(certificate, x509.AuthorityKeyIdentifier).key_identifier
        == authority_key_id.digest
    )
    assert state["caKeyAlgorithm"] == "ECDSA"


@pytest.mark.parametrize("use", KEY_USAGES)
def test_every_key_usage_is_written(plugin: Driver, use: str) -> None:
    uses = [use, "key_agreement"] if use in ("encipher_only", "decipher_only") else [use]
    usage = extension(self_signed(plugin, allowedUses=uses), x509.KeyUsage)
    assert getattr(usage, KEY_USAGES[use]) is True
    assert extension(self_signed(plugin, allowedUses=uses), x509.ExtendedKeyUsage) is None


@pytest.mark.parametrize("use", EXTENDED_KEY_USAGES)
def test_every_extended_key_usage_is_written(plugin: Driver, use: str) -> None:
    certificate = self_signed(plugin, allowedUses=[use])
    assert [item.dotted_string for item in extension(certificate, x509.ExtendedKeyUsage)] == [
        EXTENDED_KEY_USAGES[use]
    ]
    assert extension(certificate, x509.KeyUsage) is None


@pytest.mark.parametrize(
    ("kind", "digest"),
    [
        ({"algorithm": "RSA"}, hashes.SHA256),
        ({"ecdsaCurve": "P224"}, hashes.SHA256),
        ({"ecdsaCurve": "P256"}, hashes.SHA256),
        ({"ecdsaCurve": "P384"}, hashes.SHA384),
        ({"ecdsaCurve": "P521"}, hashes.SHA512),
        ({"algorithm": "ED25519"}, type(None)),
    ],
)
def test_the_digest_is_as_strong_as_the_key(plugin: Driver, kind: State, digest: type[Any]) -> None:
    certificate = self_signed(
        plugin, privateKeyPem=key(plugin, **kind), subject={"commonName": "x"}
    )
    assert isinstance(certificate.signature_hash_algorithm, digest)
    certificate.verify_directly_issued_by(certificate)


@pytest.mark.parametrize(
    ("news", "own", "authority"),
    [
        ({}, False, False),
        ({"setSubjectKeyId": True}, True, False),
        ({"setSubjectKeyId": True, "setAuthorityKeyId": True}, True, True),
        ({"isCaCertificate": True}, True, False),
        ({"isCaCertificate": True, "setAuthorityKeyId": True}, True, True),
    ],
)
def test_key_identifiers_are_written_when_asked_for(
    plugin: Driver, news: State, own: bool, authority: bool
) -> None:
    certificate = self_signed(plugin, subject={"commonName": "x"}, **news)
    assert (extension(certificate, x509.SubjectKeyIdentifier) is not None) == own
    assert (extension(certificate, x509.AuthorityKeyIdentifier) is not None) == authority


@pytest.mark.parametrize(
    ("news", "longest"), [({}, None), ({"maxPathLength": 0}, None), ({"maxPathLength": 2}, 2)]
)
def test_the_longest_path_is_written_as_go_does(
    plugin: Driver, news: State, longest: int | None
) -> None:
    certificate = self_signed(plugin, isCaCertificate=True, subject={"commonName": "x"}, **news)
    assert extension(certificate, x509.BasicConstraints).path_length == longest


def test_names_are_critical_without_a_subject(plugin: Driver) -> None:
    for subject, critical in (({"commonName": "x"}, False), ({}, True)):
        certificate = self_signed(plugin, subject=subject, dnsNames=["localhost"])
        assert (
            certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
            == critical
        )


@pytest.mark.parametrize(
    ("news", "message"),
    [
        ({"isCaCertificate": True}, "at least one Distinguished Name"),
        ({"setAuthorityKeyId": True}, "Could not determine Authority Key Identifier"),
        ({"maxPathLength": 1}, "only CAs are allowed to specify MaxPathLen"),
        ({"validityPeriodHours": 10**9}, "Failed to create certificate"),
        ({"uris": ["http://schöner.test"]}, "Invalid name of a certificate"),
    ],
)
def test_a_certificate_that_cannot_be_issued_is_reported(
    plugin: Driver, news: State, message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        self_signed(plugin, **news)


def test_an_authority_signs_with_its_own_key_only(authority: Authority, plugin: Driver) -> None:
    _, desired = plugin.create(REQUEST, {"privateKeyPem": key(plugin)})
    for news, message in (
        ({"caPrivateKeyPem": key(plugin)}, "doesn't match parent's PublicKey"),
        ({"caCertPem": "nothing"}, "Failed to parse CA certificate PEM"),
        ({"certRequestPem": authority.certificate}, "Failed to parse certificate request PEM"),
    ):
        with pytest.raises(PluginError, match=message):
            plugin.create(
                LOCALLY_SIGNED, authority.certificate_inputs(desired["certRequestPem"], **news)
            )


@pytest.mark.parametrize(
    ("news", "failure"),
    [
        (
            {"allowedUses": ["server_auth", "server"]},
            "allowedUses[1]: thing: value must be one of: any_extended, cert_signing",
        ),
        (
            {"validityPeriodHours": -1},
            "validityPeriodHours: thing: value must be at least 0, got: -1",
        ),
        ({"earlyRenewalHours": -1}, "earlyRenewalHours: thing: value must be at least 0, got: -1"),
        ({"maxPathLength": -2}, "maxPathLength: thing: value must be at least -1, got: -2"),
        (
            {"privateKeyPem": None},
            "privateKeyPem: thing: exactly one of privateKeyPem and privateKeyPemWo must be set",
        ),
        (
            {"privateKeyPemWo": "x"},
            "privateKeyPemWo: thing: 'privateKeyPemWo' is in the official schema, but the provider",
        ),
        (
            {"nameConstraintPermittedDnsNames": ["x"]},
            "nameConstraintPermittedDnsNames: thing: 'nameConstraintPermittedDnsNames' is not in",
        ),
    ],
)
def test_invalid_inputs_are_refused(plugin: Driver, news: State, failure: str) -> None:
    _, failures = plugin.check(
        SELF_SIGNED, {**NODE, "privateKeyPem": "x", "validityPeriodHours": 1, **news}
    )
    assert [item[: len(failure)] for item in failures] == [failure]


def test_unknown_inputs_pass_the_check(plugin: Driver) -> None:
    unknown = dict.fromkeys(
        ("allowedUses", "privateKeyPem", "validityPeriodHours", "earlyRenewalHours"), UNKNOWN
    )
    assert plugin.check(SELF_SIGNED, unknown)[1] == []
    assert plugin.check(SELF_SIGNED, unknown | {"allowedUses": [UNKNOWN]})[1] == []


@pytest.mark.parametrize(
    ("changed", "keys", "replaces"),
    [
        ({}, [], []),
        ({"earlyRenewalHours": 48}, ["earlyRenewalHours"], []),
        ({"validityPeriodHours": 48}, ["validityPeriodHours"], ["validityPeriodHours"]),
        ({"allowedUses": ["server_auth"]}, ["allowedUses"], ["allowedUses"]),
        ({"caCertPem": "another"}, ["caCertPem"], ["caCertPem"]),
        ({"certRequestPem": UNKNOWN}, ["certRequestPem"], ["certRequestPem"]),
        (
            {"earlyRenewalHours": 2000, "setSubjectKeyId": True},
            ["earlyRenewalHours", "setSubjectKeyId"],
            ["setSubjectKeyId"],
        ),
    ],
)
def test_only_the_early_renewal_changes_in_place(
    authority: Authority, plugin: Driver, changed: State, keys: list[str], replaces: list[str]
) -> None:
    _, desired = plugin.create(REQUEST, {"privateKeyPem": key(plugin)})
    news = authority.certificate_inputs(desired["certRequestPem"], earlyRenewalHours=24)
    _, state = plugin.create(LOCALLY_SIGNED, news)
    found = plugin.diff(LOCALLY_SIGNED, state, news | changed)
    assert (found.keys, found.replaces, found.delete_first) == (keys, replaces, False)


def test_an_update_keeps_the_certificate(authority: Authority, plugin: Driver) -> None:
    _, desired = plugin.create(REQUEST, {"privateKeyPem": key(plugin)})
    news = authority.certificate_inputs(desired["certRequestPem"])
    resource_id, state = plugin.create(LOCALLY_SIGNED, news)
    updated = plugin.update(LOCALLY_SIGNED, resource_id, state, news | {"earlyRenewalHours": 48})
    assert updated == state | {"earlyRenewalHours": 48}


RENEWAL = [
    (0, 0, False),
    (0, 99.99, False),
    (0, 100, True),
    (30, 69.99, False),
    (30, 70, True),
    (30, 500, True),
]


@pytest.mark.parametrize("token", [SELF_SIGNED, LOCALLY_SIGNED])
@pytest.mark.parametrize(("early", "hours", "due"), RENEWAL)
def test_a_certificate_is_replaced_when_its_time_is_nearly_over(
    fake_time: FakeTime,
    plugin: Driver,
    authority: Authority,
    token: str,
    early: int,
    hours: float,
    due: bool,
) -> None:
    _, desired = plugin.create(REQUEST, {"privateKeyPem": key(plugin)})
    news: State = {"validityPeriodHours": 100, "earlyRenewalHours": early}
    news = (
        authority.certificate_inputs(desired["certRequestPem"], **news)
        if token == LOCALLY_SIGNED
        else {**NODE, "privateKeyPem": key(plugin), **news}
    )
    inputs = plugin.inputs(token, news)
    resource_id, state = plugin.create(token, news)
    fake_time.advance(hours=hours)

    found = plugin.diff(token, state, news)
    assert (found.keys, found.replaces) == (
        (["readyForRenewal"], ["readyForRenewal"]) if due else ([], [])
    )
    assert found.delete_first is False
    assert plugin.read(token, resource_id, state, inputs) == (
        resource_id,
        state | {"readyForRenewal": due},
        inputs,
    )
    if due:
        _, fresh = plugin.create(token, news)
        assert plugin.diff(token, fresh, news).keys == []


def test_a_changed_early_renewal_sets_and_resets_the_replacement(
    fake_time: FakeTime, plugin: Driver
) -> None:
    news = {
        **NODE,
        "privateKeyPem": key(plugin),
        "validityPeriodHours": 100,
        "earlyRenewalHours": 10,
    }
    resource_id, state = plugin.create(SELF_SIGNED, news)
    fake_time.advance(hours=50)
    sooner = plugin.diff(SELF_SIGNED, state, news | {"earlyRenewalHours": 60})
    assert sooner.replaces == ["readyForRenewal"]

    _, refreshed, _ = plugin.read(SELF_SIGNED, resource_id, state | {"earlyRenewalHours": 60})
    assert refreshed["readyForRenewal"] is True
    later = plugin.diff(SELF_SIGNED, refreshed, news)
    assert (later.keys, later.replaces) == (["earlyRenewalHours", "readyForRenewal"], [])
    assert plugin.update(SELF_SIGNED, resource_id, refreshed, news)["readyForRenewal"] is False


@pytest.mark.parametrize(("period", "early"), [(0, 0), (10, 10), (10, 11)])
def test_a_certificate_may_be_due_for_renewal_from_the_start(
    plugin: Driver, period: int, early: int
) -> None:
    news = {
        **NODE,
        "privateKeyPem": key(plugin),
        "validityPeriodHours": period,
        "earlyRenewalHours": early,
    }
    _, state = plugin.create(SELF_SIGNED, news)
    assert state["readyForRenewal"] is True
    assert plugin.diff(SELF_SIGNED, state, news).replaces == ["readyForRenewal"]


class TlsPeer:
    """One peer of a mutual TLS connection in memory."""

    def __init__(
        self, directory: Path, authority: Authority, own: str, state: State, *, server: bool
    ) -> None:
        file = directory / f"{'server' if server else 'client'}.pem"
        file.write_text(own + state["certPem"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(file)
        context.load_verify_locations(cadata=authority.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        self.received, self.sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.connection = context.wrap_bio(
            self.received, self.sent, server, None if server else "localhost"
        )

    def step(self) -> bool:
        """Continue the handshake and return whether it is complete."""
        try:
            self.connection.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True


def handshake(client: TlsPeer, server: TlsPeer) -> None:
    """Complete the handshake and send a message in both directions."""
    done = False
    while not done:
        done = client.step()
        server.received.write(client.sent.read())
        done = server.step() and done
        client.received.write(server.sent.read())
    for one, other in ((client, server), (server, client)):
        one.connection.write(b"message")
        other.received.write(one.sent.read())
        assert other.connection.read() == b"message"


@pytest.fixture
def real_time_driver() -> Driver:
    return driver()


@pytest.mark.parametrize(
    "kind",
    [
        {"algorithm": "RSA"},
        {"ecdsaCurve": "P256"},
        {"ecdsaCurve": "P384"},
        {"algorithm": "ED25519"},
    ],
)
def test_certificates_of_one_authority_trust_each_other(
    real_time_driver: Driver, tmp_path: Path, kind: State
) -> None:
    authority = Authority.make(real_time_driver, key(real_time_driver, **kind))
    ends = [
        (own := key(real_time_driver, **kind), authority.sign(own, dnsNames=["localhost"])[1])
        for _ in range(2)
    ]
    client, server = (
        TlsPeer(tmp_path, authority, *end, server=bool(index)) for index, end in enumerate(ends)
    )
    handshake(client, server)
    assert client.connection.version() == "TLSv1.3"
    peer = server.connection.getpeercert()
    assert peer
    assert peer["subject"] == ((("commonName", "node"),),)


def test_a_certificate_of_another_authority_is_refused(
    real_time_driver: Driver, tmp_path: Path
) -> None:
    authority, other = Authority.make(real_time_driver), Authority.make(real_time_driver)
    mine, theirs = key(real_time_driver), key(real_time_driver)
    server = TlsPeer(
        tmp_path, authority, mine, authority.sign(mine, dnsNames=["localhost"])[1], server=True
    )
    client = TlsPeer(
        tmp_path, authority, theirs, other.sign(theirs, dnsNames=["localhost"])[1], server=False
    )
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        handshake(client, server)


def test_a_strict_verifier_accepts_the_chain(real_time_driver: Driver) -> None:
    """The verifier applies the rules of web CAs."""
    authority = Authority.make(real_time_driver)
    _, state = authority.sign(key(real_time_driver), dnsNames=["localhost"])
    root = parse_certificate({"certPem": authority.certificate})
    verifier = PolicyBuilder().store(Store([root])).build_server_verifier(x509.DNSName("localhost"))
    assert verifier.verify(parse_certificate(state), [])[-1] == root

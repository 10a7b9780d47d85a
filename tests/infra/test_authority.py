"""The stack's own authority: what it signs, for whom and for how long."""

from typing import Any

import pulumi
import pytest

from infra.authority import (
    AUTHORITY_HOURS,
    CERTIFICATE_HOURS,
    CERTIFICATE_RENEWAL_HOURS,
    Authority,
    AuthorityArgs,
)
from infra.mtls import Credentials
from tests.infra.support.cloud import FakeCloud, is_secret, run, start


@pytest.fixture
def cloud() -> FakeCloud:
    return start()


def signed() -> tuple[Authority, pulumi.Output[Credentials]]:
    authority = Authority("authority", AuthorityArgs(prefix="slipway-test"))
    return authority, authority.issue_certificate(
        "worker01",
        dns_names=["client.nyc3.consul"],
        uses=["server_auth"],
        ip_addresses=["127.0.0.1"],
    )


def test_only_the_ca_can_sign(cloud: FakeCloud) -> None:
    run(lambda: signed()[1])
    (own,) = cloud.of("SelfSignedCert").values()
    assert own["isCaCertificate"] is True and set(own["allowedUses"]) == {
        "cert_signing",
        "crl_signing",
    }
    for certificate in cloud.of("LocallySignedCert").values():
        assert "isCaCertificate" not in certificate
        assert certificate["caPrivateKeyPem"] == own["privateKeyPem"]
        assert not {"cert_signing", "crl_signing"} & set(certificate["allowedUses"])


def test_a_certificate_is_renewed_well_before_its_end_and_does_not_outlive_the_authority(
    cloud: FakeCloud,
) -> None:
    run(lambda: signed()[1])
    for certificate in cloud.of("LocallySignedCert").values():
        assert (certificate["validityPeriodHours"], certificate["earlyRenewalHours"]) == (
            CERTIFICATE_HOURS,
            CERTIFICATE_RENEWAL_HOURS,
        )
    (own,) = cloud.of("SelfSignedCert").values()
    assert own["validityPeriodHours"] == AUTHORITY_HOURS
    assert own["earlyRenewalHours"] > CERTIFICATE_HOURS > CERTIFICATE_RENEWAL_HOURS > 0


def test_certificate_has_the_given_names_addresses_and_uses(cloud: FakeCloud) -> None:
    run(lambda: signed()[1])
    request, certificate = (
        cloud.created["authority-worker01-request"],
        cloud.created["authority-worker01-certificate"],
    )
    assert (request["dnsNames"], request["ipAddresses"]) == (["client.nyc3.consul"], ["127.0.0.1"])
    assert request["privateKeyPem"] != certificate["caPrivateKeyPem"]
    assert certificate["certRequestPem"] == "request authority-worker01-request"
    assert certificate["allowedUses"] == ["digital_signature", "server_auth"]


def test_operator_certificate_is_for_clients_only(cloud: FakeCloud) -> None:
    run(lambda: signed()[1])
    request, certificate = (
        cloud.created["authority-operator-request"],
        cloud.created["authority-operator-certificate"],
    )
    assert certificate["allowedUses"] == ["digital_signature", "client_auth"]
    assert request["dnsNames"] == ["cli.global.nomad"] and "ipAddresses" not in request


@pytest.mark.usefixtures("cloud")
def test_issued_credentials_are_complete_and_secret() -> None:
    seen: list[Any] = []

    def program() -> pulumi.Output[Any]:
        authority, worker = signed()
        hidden = [is_secret(one) for one in (authority.operator, worker)]
        return pulumi.Output.all(worker, *hidden).apply(seen.extend)

    run(program)
    credentials, *hidden = seen
    assert hidden == [True, True]
    assert {name: text.splitlines()[1] for name, text in credentials.items()} == {
        "authority": "authority-certificate",
        "certificate": "authority-worker01-certificate",
        "key": "authority-worker01-key private",
    }


def test_keys_are_kept_secret_wherever_they_go(cloud: FakeCloud) -> None:
    run(lambda: signed()[1])
    for name, made in cloud.created.items():
        private = {key for key, value in made.items() if "PRIVATE KEY" in str(value)}
        assert private <= cloud.secret[name], name

"""Connections of the Consul and Nomad emulators: mutual TLS, tokens and changed configuration."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from pulumi.provider.experimental import provider as engine

from rehearsal.plugins import values
from rehearsal.plugins.consul.package import PACKAGE as CONSUL
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.nomad.package import PACKAGE as NOMAD
from rehearsal.plugins.provider import ProviderEmulator
from rehearsal.plugins.resource import Package
from rehearsal.plugins.rest import RestClient, TlsConfig
from tests.rehearsal.plugins.support.certificates import Authority, driver, key
from tests.rehearsal.plugins.support.driver import Driver, State
from tests.rehearsal.plugins.support.service import Reply, Service

HERE = {"ipAddresses": ["127.0.0.1"]}
ANSWER = {"ID": "x", "Name": "x", "Description": "", "Policies": None, "ServiceIdentities": None}

FOR_BOTH_PACKAGES = pytest.mark.parametrize(
    "package", [CONSUL, NOMAD], ids=lambda package: str(package.name)
)

UNVERIFIED = pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make(driver())


@pytest.fixture(scope="module")
def client(authority: Authority) -> State:
    """The provider configuration of an authorised client."""
    own = key(authority.plugin)
    return {
        "caPem": authority.certificate,
        "certPem": authority.sign(own)[1]["certPem"],
        "keyPem": own,
    }


@pytest.fixture
def service(authority: Authority, tmp_path: Path) -> Iterator[Service]:
    """A service with one role that accepts only client certificates of the CA."""
    own = key(authority.plugin)
    both = tmp_path / "server.pem"
    both.write_text(authority.sign(own, **HERE)[1]["certPem"] + own)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    tls.load_verify_locations(cadata=authority.certificate)
    tls.verify_mode = ssl.CERT_REQUIRED
    with Service(lambda call: Reply(body=ANSWER), tls) as running:
        yield running


def plugin(package: Package[Any], service: Service, config: State) -> Driver:
    return Driver(
        package,
        {"address": service.url, **({"datacenter": "dc1"} if package is CONSUL else {}), **config},
    )


def read(plugin: Driver, package: Package[Any]) -> str:
    """Read the role and return its id."""
    return plugin.read(f"{package.name}:index/aclRole:AclRole", "x", {"name": "x"}, {"name": "x"})[
        0
    ]


@FOR_BOTH_PACKAGES
def test_certificates_may_be_pem_text_and_connections_are_reused(
    package: Package[Any], service: Service, client: State
) -> None:
    made = plugin(package, service, client)
    assert [read(made, package), read(made, package)] == ["x", "x"]
    assert len({call.port for call in service.calls}) == 1


@FOR_BOTH_PACKAGES
def test_certificates_may_be_files(
    package: Package[Any], service: Service, client: State, tmp_path: Path
) -> None:
    files = {}
    for name, text in client.items():
        file = tmp_path / name
        file.write_text(text)
        files[name.replace("Pem", "File")] = str(file)
    assert read(plugin(package, service, files), package) == "x"


@FOR_BOTH_PACKAGES
def test_no_memory_file_with_a_key_remains(
    package: Package[Any], service: Service, client: State
) -> None:
    made = plugin(package, service, client)
    links = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    assert not [link for link in links if "memfd" in str(link)]
    assert read(made, package) == "x"


@FOR_BOTH_PACKAGES
def test_the_service_refuses_a_client_without_certificate(
    package: Package[Any], service: Service, client: State
) -> None:
    with pytest.raises(PluginError):
        read(plugin(package, service, {"caPem": client["caPem"]}), package)
    assert service.calls == []


@FOR_BOTH_PACKAGES
def test_a_certificate_of_another_ca_is_refused(
    package: Package[Any], service: Service, client: State, authority: Authority
) -> None:
    other = Authority.make(authority.plugin)
    with pytest.raises(PluginError, match="CERTIFICATE_VERIFY_FAILED"):
        read(plugin(package, service, {**client, "caPem": other.certificate}), package)


@FOR_BOTH_PACKAGES
def test_the_certificate_must_name_the_address(
    package: Package[Any], service: Service, client: State
) -> None:
    elsewhere = {**client, "address": service.url.replace("127.0.0.1", "localhost")}
    with pytest.raises(PluginError, match="Hostname mismatch"):
        read(plugin(package, service, elsewhere), package)


@FOR_BOTH_PACKAGES
@pytest.mark.parametrize("missing", ["certPem", "keyPem"])
def test_a_certificate_needs_its_key(
    package: Package[Any], service: Service, client: State, missing: str
) -> None:
    with pytest.raises(PluginError, match="both client cert and client key must be provided"):
        plugin(package, service, {name: text for name, text in client.items() if name != missing})


@FOR_BOTH_PACKAGES
def test_an_encrypted_key_is_refused_without_a_prompt(
    package: Package[Any], service: Service, client: State
) -> None:
    plain = serialization.load_pem_private_key(client["keyPem"].encode(), None)
    password = serialization.BestAvailableEncryption(b"password")
    sealed = plain.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, password
    ).decode()
    with pytest.raises(PluginError, match="cannot read the TLS certificates"):
        plugin(package, service, {**client, "keyPem": sealed})


@FOR_BOTH_PACKAGES
def test_the_error_for_an_invalid_key_does_not_contain_it(
    package: Package[Any], service: Service, client: State
) -> None:
    truncated = client["keyPem"][:90]
    with pytest.raises(PluginError, match="cannot read the TLS certificates") as failure:
        plugin(package, service, {**client, "keyPem": truncated})
    assert truncated.splitlines()[1] not in str(failure.value)


@UNVERIFIED
def test_insecure_https_of_consul_requires_the_https_scheme(
    service: Service, client: State
) -> None:
    own = {name: text for name, text in client.items() if name != "caPem"}
    with pytest.raises(
        PluginError, match="insecure_https is meant to be used when scheme is https"
    ):
        plugin(CONSUL, service, {**own, "insecureHttps": True})
    insecure = {**own, "address": service.address, "scheme": "https", "insecureHttps": True}
    assert read(plugin(CONSUL, service, insecure), CONSUL) == "x"


@UNVERIFIED
def test_skip_verify_of_nomad_accepts_any_certificate(service: Service, client: State) -> None:
    own = {name: text for name, text in client.items() if name != "caPem"}
    with pytest.raises(PluginError, match="CERTIFICATE_VERIFY_FAILED"):
        read(plugin(NOMAD, service, own), NOMAD)
    assert read(plugin(NOMAD, service, {**own, "skipVerify": True}), NOMAD) == "x"


@pytest.mark.parametrize(
    ("package", "setting", "header"),
    [(CONSUL, "token", "X-Consul-Token"), (NOMAD, "secretId", "X-Nomad-Token")],
)
def test_requests_have_the_token(
    package: Package[Any], setting: str, header: str, service: Service, client: State
) -> None:
    read(plugin(package, service, {**client, setting: "the-token"}), package)
    assert [call.headers[header] for call in service.calls] == ["the-token"]


@FOR_BOTH_PACKAGES
@pytest.mark.parametrize("changed", ["token", "caPem", "certPem", "keyPem", "address"])
def test_a_change_of_configuration_replaces_nothing(package: Package[Any], changed: str) -> None:
    name = "secretId" if changed == "token" and package is NOMAD else changed
    old, new = values.to_engine({name: "old"}), values.to_engine({name: "new"})
    request = engine.DiffRequest(
        "urn:pulumi:dev::slipway::pulumi:providers:x::x", "1", old, new, []
    )
    answer = asyncio.run(ProviderEmulator(package, "1.0.0").diff_config(request))
    assert not answer.replaces
    assert answer.changes is None


def test_repr_contains_no_secret() -> None:
    text = repr(
        RestClient(
            "http://127.0.0.1:1", {"X-Consul-Token": "the-token"}, TlsConfig(key_pem="the-key")
        )
    )
    assert "the-token" not in text
    assert "the-key" not in text

"""Rotation of secrets under load: the new ones are in use, the former ones are rejected.

A client sends ten requests a second meanwhile, and none fails.
"""

import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509

from infra import mtls
from infra.mtls import Access
from tests.stack import known_secrets
from tests.stack.command_lines import CommandLineRecorder
from tests.stack.rig import Rig, wait_for
from tests.stack.traffic import Traffic

RANDOM = "random:index/randomPassword:RandomPassword"
SIGNED = "tls:index/locallySignedCert:LocallySignedCert"
SERVED = "python3 -c 'import ssl; print(ssl.get_server_certificate((\"127.0.0.1\", {})))'"
"""Run on a machine. The server rejects the missing client certificate after it sent its own."""

Outputs = dict[str, str]
"""One output of each resource of a type, by the resource's name."""


@pytest.fixture
def busy(rig: Rig) -> Iterator[Traffic]:
    """A client of the stack during the test; no request may fail."""
    with Traffic(rig.outputs["url"]) as traffic:
        yield traffic
    traffic.assert_no_failures()


def outputs_of_type(rig: Rig, kind: str, output: str) -> Outputs:
    return {
        resource["urn"].rpartition("::")[2]: resource["outputs"][output]
        for resource in rig.resources
        if resource["type"] == kind and not resource.get("delete")
    }


def rotate(rig: Rig, kind: str) -> dict[str, list[str]]:
    """Rotate, and return what the command reports as rotated.

    Neither its output nor any command line contains a former or a new secret.
    """
    secrets = set(rig.secrets)
    with CommandLineRecorder() as command_lines:
        result = rig.deploy("rotate", kind, "--yes", "--json")
    assert result.code == 0, result.stderr[-4000:]
    secrets |= set(rig.secrets)
    assert not any(secret in result.output for secret in secrets)
    assert command_lines.programs_with(secrets) == []
    rotated: dict[str, list[str]] = result.json["rotated"]
    return rotated


def assert_settled(rig: Rig) -> None:
    """``verify`` succeeds and another update changes nothing."""
    verified = rig.deploy("verify")
    assert verified.code == 0, verified.output
    rig.assert_settled()


def keyrings(rig: Rig) -> dict[str, dict[str, int]]:
    """Return the gossip keys of each pool, and how many members have each.

    Consul answers with status 500 until it notices that a deleted machine is gone.
    """

    def consul_keyring() -> Any:
        try:
            return rig.consul("/v1/operator/keyring", management=True)
        except requests.HTTPError as error:
            if error.response.status_code != 500:
                raise
            return None

    pools = {f"consul {'wan' if pool['WAN'] else 'lan'}": pool for pool in wait_for(consul_keyring)}
    pools["nomad"] = rig.nomad("/v1/agent/keyring/list", management=True)
    return {name: pool["Keys"] for name, pool in pools.items()}


def test_gossip_keys(rig: Rig, busy: Traffic) -> None:
    before, former = keyrings(rig), outputs_of_type(rig, RANDOM, "result")
    names = ["secrets-gossip-consul", "secrets-gossip-nomad"]
    assert rotate(rig, "gossip") == {"gossip": names}
    after, present = keyrings(rig), outputs_of_type(rig, RANDOM, "result")
    assert {name for name in former if former[name] != present[name]} == set(names)
    machines = len(rig.droplets())
    assert after == {
        "consul lan": {_base64(present["secrets-gossip-consul"]): machines},
        "consul wan": {_base64(present["secrets-gossip-consul"]): 1},
        "nomad": {_base64(present["secrets-gossip-nomad"]): 1},
    }
    assert not {key for pool in after.values() for key in pool} & {
        key for pool in before.values() for key in pool
    }
    for name in rig.droplets():
        former_keys = " ".join(f"-e {_base64(former[secret])}" for secret in names)
        files = rig.ssh(
            name,
            f"grep -rlF {former_keys} /etc /var/lib/consul /var/lib/nomad/server"
            " /var/lib/nomad/client 2>/dev/null",
        )
        assert files.stdout == "", f"{name} still has a former key"
    assert_settled(rig)


def _base64(digits: str) -> str:
    return list(known_secrets.encodings(digits))[-1]


def token_status(access: Access, tool: str, token: str) -> int:
    """Return the HTTP status of a token's request for itself."""
    header, address = {
        "consul": ("X-Consul-Token", access["consul"][0]),
        "nomad": ("X-Nomad-Token", access["nomad"][0]),
    }[tool]
    return (
        mtls.session(access, {header: token})
        .get(f"{address}/v1/acl/token/self", timeout=10)
        .status_code
    )


def all_tokens(rig: Rig) -> dict[str, tuple[str, str]]:
    """Return every token of the stack by its name, with its product."""
    tokens: dict[str, tuple[str, str]] = {}
    for role, access in (("operator", rig.access()), ("manager", rig.access(management=True))):
        tokens |= {
            f"{role} of consul": ("consul", access["consul_token"]),
            f"{role} of nomad": ("nomad", access["nomad_token"]),
        }
    for name, digits in outputs_of_type(rig, RANDOM, "result").items():
        if (
            name.endswith(("-agent", "-nomad", "-dns", "-backup"))
            and "gossip" not in name
            and "bootstrap" not in name
        ):
            tokens[name] = ("consul", list(known_secrets.encodings(digits))[1])
    return tokens


def nomad_backup_tokens(rig: Rig) -> list[str]:
    """Return the accessors of Nomad's tokens with which primes take backups."""
    return [
        token["AccessorID"]
        for token in rig.nomad("/v1/acl/tokens", management=True)
        if token["Name"].startswith("backup ")
    ]


def test_tokens(rig: Rig, busy: Traffic) -> None:
    former, [former_backup] = all_tokens(rig), nomad_backup_tokens(rig)
    assert len(former) == 2 * 2 + 2 * len(rig.droplets()) + 2
    rotated = rotate(rig, "tokens")
    assert len(rotated["tokens"]) == len(former) and list(rotated) == ["tokens"]
    present, access = all_tokens(rig), rig.access()
    assert present.keys() == former.keys()
    assert {name for name in former if former[name] == present[name]} == set()
    assert {name: token_status(access, *token) for name, token in present.items()} == dict.fromkeys(
        present, 200
    )
    assert {name for name, token in former.items() if token_status(access, *token) != 403} == set()
    [present_backup] = nomad_backup_tokens(rig)
    assert present_backup != former_backup
    assert_settled(rig)


def served_certificates(rig: Rig) -> dict[str, str]:
    """Return the certificate, PEM, that each agent presents, by machine and port."""
    outside = rig.address("prime01nyc3")
    certificates = {
        f"prime01nyc3:{port} from outside": ssl.get_server_certificate((outside, port))
        for port in (4646, 8501)
    }
    for name in rig.droplets():
        certificates[f"{name}:4646"] = rig.ssh(name, SERVED.format(4646)).stdout
    return {where: pem.strip() for where, pem in certificates.items()}


def state_certificates(rig: Rig, served: dict[str, str]) -> dict[str, str]:
    """Return the certificates in the state for the same agents as in ``served``."""
    signed = outputs_of_type(rig, SIGNED, "certPem")
    return {
        where: signed[f"authority-{where.partition('nyc3')[0]}-certificate"].strip()
        for where in served
    }


def _serials(certificates: dict[str, str]) -> dict[str, int]:
    return {
        where: x509.load_pem_x509_certificate(pem.encode()).serial_number
        for where, pem in certificates.items()
    }


def _all_clients_are_ready(rig: Rig) -> bool:
    """Compare addresses, because Nomad still lists replaced machines under the same names."""
    ready = {node["Address"] for node in rig.nomad("/v1/nodes") if node["Status"] == "ready"}
    return ready == {
        rig.address(name, "private") for name in rig.droplets() if name.startswith("worker")
    }


def _assert_all_are_new(rig: Rig, before: dict[str, str]) -> None:
    expected = state_certificates(rig, before)
    assert wait_for(lambda: served_certificates(rig) == expected, 30), (
        "the certificates served are not those of the state"
    )
    former, present = _serials(before), _serials(expected)
    assert {where for where in former if former[where] == present[where]} == set()
    assert wait_for(lambda: _all_clients_are_ready(rig)), rig.nomad("/v1/nodes")


def test_certificates(rig: Rig, busy: Traffic) -> None:
    before, keys = (
        served_certificates(rig),
        outputs_of_type(rig, "tls:index/privateKey:PrivateKey", "privateKeyPem"),
    )
    assert before == state_certificates(rig, before)
    rotated = rotate(rig, "certificates")
    holders = {*(name.removesuffix("nyc3") for name in rig.droplets()), "operator"}
    assert set(rotated["certificates"]) == {
        f"authority-{holder}-{part}"
        for holder in holders
        for part in ("key", "request", "certificate")
    }
    _assert_all_are_new(rig, before)
    present = outputs_of_type(rig, "tls:index/privateKey:PrivateKey", "privateKeyPem")
    assert {name for name in keys if keys[name] != present[name]} == {
        f"authority-{holder}-key" for holder in holders
    }
    assert_settled(rig)


def _make_renewal_always_due(rig: Rig) -> None:
    """Change the checkout so that every certificate is due as soon as it is issued."""
    file = rig.directory / "infra/authority.py"
    original = file.read_text()
    changed = original.replace(
        "CERTIFICATE_RENEWAL_HOURS = 30 * 24\n", "CERTIFICATE_RENEWAL_HOURS = CERTIFICATE_HOURS\n"
    )
    assert changed != original
    file.write_text(changed)


def test_update_renews_certificates_that_are_due(rig: Rig, busy: Traffic) -> None:
    """The keys stay. Once nothing is due, nothing is renewed."""
    before, keys = (
        served_certificates(rig),
        outputs_of_type(rig, "tls:index/privateKey:PrivateKey", "privateKeyPem"),
    )
    _make_renewal_always_due(rig)
    changes = rig.up()["changes"]
    holders = {*(name.removesuffix("nyc3") for name in rig.droplets()), "operator"}
    replaced = {change["name"] for change in changes if change["action"] == "replaced"}
    assert replaced == {f"authority-{holder}-certificate" for holder in holders}
    _assert_all_are_new(rig, before)
    assert outputs_of_type(rig, "tls:index/privateKey:PrivateKey", "privateKeyPem") == keys
    rig.reset()
    rig.up()
    assert_settled(rig)


def test_next_up_completes_an_interrupted_rotation(rig: Rig, busy: Traffic, tmp_path: Path) -> None:
    """Interrupt after the first new secret; the next update distributes what is new."""
    log = tmp_path / "log"
    before = outputs_of_type(rig, RANDOM, "result")
    with log.open("wb") as stderr:
        command = ["python", "-m", "deploy", "rotate", "dev", "all", "--yes", "--verbose"]
        process = subprocess.Popen(
            command,
            cwd=rig.directory,
            env=rig.environment,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        assert wait_for(lambda: b"replaced     RandomPassword" in log.read_bytes()), log.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=300) == 130, log.read_text()[-3000:]
    finally:
        process.kill()
    assert "up dev` delivers the new secrets" in log.read_text()
    rig.up()
    after = outputs_of_type(rig, RANDOM, "result")
    assert any(before[name] != after[name] for name in before)
    keys = {key for pool in keyrings(rig).values() for key in pool}
    assert keys == {_base64(after[f"secrets-gossip-{tool}"]) for tool in ("consul", "nomad")}
    access = rig.access()
    assert {
        name for name, token in all_tokens(rig).items() if token_status(access, *token) != 200
    } == set()
    assert_settled(rig)


def test_former_certificates_grant_nothing_without_a_token(rig: Rig) -> None:
    """A former certificate stays valid until it expires, but its former token is rejected."""
    former = rig.access()
    rotate(rig, "all")
    session = mtls.session(
        former, {"X-Nomad-Token": former["nomad_token"], "X-Consul-Token": former["consul_token"]}
    )
    for url in (
        f"{former['nomad'][0]}/v1/nodes",
        f"{former['nomad'][0]}/v1/jobs",
        f"{former['consul'][0]}/v1/catalog/services",
    ):
        response = session.get(url, timeout=10)
        assert response.status_code == 403, f"{url} {response.status_code} {response.text[:200]}"
    assert_settled(rig)

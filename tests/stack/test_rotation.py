"""Secrets are made anew while a client asks ten times a second: the new ones are in use, the former ones of no use, no answer is lost."""

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
from tests.stack.command_lines import CommandLines
from tests.stack.rig import Rig, eventually
from tests.stack.traffic import Traffic

RANDOM = "random:index/randomPassword:RandomPassword"
SIGNED = "tls:index/locallySignedCert:LocallySignedCert"
SERVED = "python3 -c 'import ssl; print(ssl.get_server_certificate((\"127.0.0.1\", {})))'"
"""On a machine itself: who shows no certificate is turned away, but has seen the other side's by then."""

Made = dict[str, str]
"""What a resource of the state made, by its name."""


@pytest.fixture
def busy(rig: Rig) -> Iterator[Traffic]:
    """The stack, asked all the while; that every request was answered is checked at the end."""
    with Traffic(rig.outputs["url"]) as traffic:
        yield traffic
    assert traffic.failures == [], f"{len(traffic.failures)} of {traffic.asked}"


def made(rig: Rig, kind: str, output: str) -> Made:
    return {
        one["urn"].rpartition("::")[2]: one["outputs"][output]
        for one in rig.resources
        if one["type"] == kind and not one.get("delete")
    }


def rotated(rig: Rig, kind: str) -> dict[str, list[str]]:
    """What was rotated, as it was told; no secret was, neither of the former nor of the new, nor did a command line hold one."""
    secrets = set(rig.secrets)
    with CommandLines() as seen:
        done = rig.deploy("rotate", kind, "--yes", "--json")
    assert done.code == 0, done.err[-4000:]
    secrets |= set(rig.secrets)
    assert not any(secret in done.said for secret in secrets)
    assert seen.naming(secrets) == []
    told: dict[str, list[str]] = done.json["rotated"]
    return told


def settled(rig: Rig) -> None:
    """The stack is whole, and another update finds nothing to do."""
    verified = rig.deploy("verify")
    assert verified.code == 0, verified.said
    assert rig.up()["changes"] == []


def keyrings(rig: Rig) -> dict[str, dict[str, int]]:
    """The keys of each pool of members, and how many of them have each.

    Consul fails to tell for as long as it takes a machine that was just taken away for a member.
    """

    def told() -> Any:
        try:
            return rig.consul("/v1/operator/keyring", management=True)
        except requests.HTTPError as failed:
            if failed.response.status_code != 500:
                raise
            return None

    found = {f"consul {'wan' if pool['WAN'] else 'lan'}": pool for pool in eventually(told)}
    found["nomad"] = rig.nomad("/v1/agent/keyring/list", management=True)
    return {name: pool["Keys"] for name, pool in found.items()}


def test_gossip_keys(rig: Rig, busy: Traffic) -> None:
    before, former = keyrings(rig), made(rig, RANDOM, "result")
    names = ["secrets-gossip-consul", "secrets-gossip-nomad"]
    assert rotated(rig, "gossip") == {"gossip": names}
    after, present = keyrings(rig), made(rig, RANDOM, "result")
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
        old = " ".join(f"-e {_base64(former[one])}" for one in names)
        found = rig.ssh(
            name,
            f"grep -rlF {old} /etc /var/lib/consul /var/lib/nomad/server /var/lib/nomad/client 2>/dev/null",
        )
        assert found.out == "", f"{name} still has a former key"
    settled(rig)


def _base64(digits: str) -> str:
    return list(known_secrets.forms(digits))[-1]


def token_answers(access: Access, tool: str, token: str) -> int:
    """The status with which a token is told what it is."""
    header, address = {
        "consul": ("X-Consul-Token", access["consul"]),
        "nomad": ("X-Nomad-Token", access["nomad"]),
    }[tool]
    return (
        mtls.session(access, {header: token})
        .get(f"{address}/v1/acl/token/self", timeout=10)
        .status_code
    )


def all_tokens(rig: Rig) -> dict[str, tuple[str, str]]:
    """Every token of the stack by its name: whose it is, and itself."""
    found: dict[str, tuple[str, str]] = {}
    for role, one in (("operator", rig.access()), ("manager", rig.access(management=True))):
        found |= {
            f"{role} of consul": ("consul", one["consul_token"]),
            f"{role} of nomad": ("nomad", one["nomad_token"]),
        }
    for name, digits in made(rig, RANDOM, "result").items():
        if (
            name.endswith(("-agent", "-nomad", "-dns"))
            and "gossip" not in name
            and "bootstrap" not in name
        ):
            found[name] = ("consul", list(known_secrets.forms(digits))[1])
    return found


def test_tokens(rig: Rig, busy: Traffic) -> None:
    former = all_tokens(rig)
    assert len(former) == 2 * 2 + 2 * len(rig.droplets()) + 1
    told = rotated(rig, "tokens")
    # Both managers' and all of the nodes' and DNS's, which are random, and the operator's two.
    assert len(told["tokens"]) == len(former) and list(told) == ["tokens"]
    present, access = all_tokens(rig), rig.access()
    assert present.keys() == former.keys()
    assert {name for name in former if former[name] == present[name]} == set()
    assert {
        name: token_answers(access, *token) for name, token in present.items()
    } == dict.fromkeys(present, 200)
    assert {name for name, token in former.items() if token_answers(access, *token) != 403} == set()
    settled(rig)


def served(rig: Rig) -> dict[str, str]:
    """The certificate, PEM, that each agent shows: by machine and port."""
    outside = rig.address("prime01nyc3")
    found = {
        f"prime01nyc3:{port} from outside": ssl.get_server_certificate((outside, port))
        for port in (4646, 8501)
    }
    for name in rig.droplets():
        found[f"{name}:4646"] = rig.ssh(name, SERVED.format(4646)).out
    return {where: pem.strip() for where, pem in found.items()}


def of_state(rig: Rig, seen: dict[str, str]) -> dict[str, str]:
    """The certificates that the state has for those who show ``seen``."""
    signed = made(rig, SIGNED, "certPem")
    return {
        where: signed[f"authority-{where.partition('nyc3')[0]}-certificate"].strip()
        for where in seen
    }


def _serials(seen: dict[str, str]) -> dict[str, int]:
    return {
        where: x509.load_pem_x509_certificate(pem.encode()).serial_number
        for where, pem in seen.items()
    }


def _all_clients_are_ready(rig: Rig) -> bool:
    """By address: Nomad lists a machine that an earlier test replaced, as down, for a month."""
    ready = {node["Address"] for node in rig.nomad("/v1/nodes") if node["Status"] == "ready"}
    return ready == {
        rig.address(name, "private") for name in rig.droplets() if name.startswith("worker")
    }


def _all_are_new(rig: Rig, before: dict[str, str]) -> None:
    wanted = of_state(rig, before)
    assert eventually(lambda: served(rig) == wanted, 30), (
        "the certificates served are not those of the state"
    )
    former, present = _serials(before), _serials(wanted)
    assert {where for where in former if former[where] == present[where]} == set()
    # A worker's own agent and tasks, too, go on with what they were given.
    assert eventually(lambda: _all_clients_are_ready(rig)), rig.nomad("/v1/nodes")


def test_certificates(rig: Rig, busy: Traffic) -> None:
    before, keys = served(rig), made(rig, "tls:index/privateKey:PrivateKey", "privateKeyPem")
    assert before == of_state(rig, before)
    told = rotated(rig, "certificates")
    whose = {*(name.removesuffix("nyc3") for name in rig.droplets()), "operator"}
    assert set(told["certificates"]) == {
        f"authority-{one}-{part}" for one in whose for part in ("key", "request", "certificate")
    }
    _all_are_new(rig, before)
    present = made(rig, "tls:index/privateKey:PrivateKey", "privateKeyPem")
    assert {name for name in keys if keys[name] != present[name]} == {
        f"authority-{one}-key" for one in whose
    }
    settled(rig)


def _always_due(rig: Rig) -> None:
    """A checkout by which every certificate is to be renewed as soon as it is made."""
    file = rig.directory / "infra/authority.py"
    told = file.read_text()
    due = told.replace(
        "CERTIFICATE_RENEWAL_HOURS = 30 * 24\n", "CERTIFICATE_RENEWAL_HOURS = CERTIFICATE_HOURS\n"
    )
    assert due != told
    file.write_text(due)


def test_an_update_renews_certificates_before_their_end(rig: Rig, busy: Traffic) -> None:
    """The keys stay, and once nothing is due any more nothing is renewed."""
    before, keys = served(rig), made(rig, "tls:index/privateKey:PrivateKey", "privateKeyPem")
    _always_due(rig)
    changed = rig.up()["changes"]
    whose = {*(name.removesuffix("nyc3") for name in rig.droplets()), "operator"}
    replaced = {change["name"] for change in changed if change["action"] == "replaced"}
    assert replaced == {f"authority-{one}-certificate" for one in whose}
    _all_are_new(rig, before)
    assert made(rig, "tls:index/privateKey:PrivateKey", "privateKeyPem") == keys
    rig.reset()
    rig.up()
    settled(rig)


def test_one_that_is_interrupted_is_completed_by_the_next_up(
    rig: Rig, busy: Traffic, tmp_path: Path
) -> None:
    """Ctrl-C once the first secret is made: what was made is in use after the next update, and everything is whole."""
    said = tmp_path / "said"
    before = made(rig, RANDOM, "result")
    with said.open("wb") as err:
        words = ["python", "-m", "deploy", "rotate", "dev", "all", "--yes", "--verbose"]
        rotating = subprocess.Popen(
            words, cwd=rig.directory, env=rig.environment, stdout=subprocess.DEVNULL, stderr=err
        )
    try:
        assert eventually(lambda: b"replaced     RandomPassword" in said.read_bytes()), (
            said.read_text()
        )
        rotating.send_signal(signal.SIGINT)
        assert rotating.wait(timeout=300) == 130, said.read_text()[-3000:]
    finally:
        rotating.kill()
    assert "`up` delivers the new secrets" in said.read_text()
    rig.up()
    after = made(rig, RANDOM, "result")
    assert any(before[name] != after[name] for name in before)
    keys = {key for pool in keyrings(rig).values() for key in pool}
    assert keys == {_base64(after[f"secrets-gossip-{tool}"]) for tool in ("consul", "nomad")}
    access = rig.access()
    assert {
        name for name, token in all_tokens(rig).items() if token_answers(access, *token) != 200
    } == set()
    settled(rig)


def test_former_certificates_open_nothing_that_former_tokens_did(rig: Rig) -> None:
    """A certificate is good until its end, so what was lost with it is not: it takes a token, and that is refused."""
    former = rig.access()
    rotated(rig, "all")
    session = mtls.session(
        former, {"X-Nomad-Token": former["nomad_token"], "X-Consul-Token": former["consul_token"]}
    )
    for url in (
        f"{former['nomad']}/v1/nodes",
        f"{former['nomad']}/v1/jobs",
        f"{former['consul']}/v1/catalog/services",
    ):
        answer = session.get(url, timeout=10)
        assert answer.status_code == 403, f"{url} {answer.status_code} {answer.text[:200]}"
    settled(rig)
